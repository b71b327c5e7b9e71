/* A session's output in a file of this host, as it was when its guest ended: pieces of both
 * streams, each with its offset, one after the other. Appended to until the guest goes; a file that
 * was cut off at any byte is good up to its last whole piece.
 *
 * All of this blocks: for workers. What is read back is checked as a stranger's. */
#ifndef BANGER_DAEMON_CORE_SESSION_OUTPUT_FILE_H
#define BANGER_DAEMON_CORE_SESSION_OUTPUT_FILE_H

#include <stddef.h>
#include <stdint.h>

struct err;

enum {
    OUTPUT_PIECE_BYTES = 256 * 1024,
    OUTPUT_PIECES_MAX = 64 * 1024, /* of one file: what lies behind them is not read */
};

struct output_piece {
    uint64_t offset; /* in its stream */
    uint64_t at;     /* of its bytes, in the file */
    int64_t time_ns; /* when its first bytes were read, by the host's clock; 0: not known */
    uint32_t len;
    int stream; /* 0 stdout, 1 stderr */
};

struct output_file {
    int fd; /* owned; -1: none */
    struct output_piece *pieces;
    size_t n;
};

/* The file, empty; its folder is made. -1 with err. */
int output_file_create(const char *folder, const char *id, struct err *err);
/* Offsets of a stream never go back. 0, or -1 with err and the file as it was but for a tail that
 * is not read. */
int output_file_append(int fd, int stream, uint64_t offset, int64_t time_ns, const void *data,
                       uint32_t len, struct err *err);

/* 0, or -1 with err: ERR_NOT_FOUND where there is none. */
int output_file_open(struct output_file *f, const char *folder, const char *id, struct err *err);
/* Harmless on one that is all zeros but for fd -1. */
void output_file_close(struct output_file *f);
/* Part of a piece: all of len bytes from skip on. 0, or -1 with err. */
int output_file_read(const struct output_file *f, const struct output_piece *p, uint32_t skip,
                     void *out, uint32_t len, struct err *err);
/* First and one past the last offset of a stream; both 0 where it has none. */
void output_file_bounds(const struct output_file *f, int stream, uint64_t *first, uint64_t *end);
/* Where what was read since then begins: with the piece in which it may lie, so never behind its
 * first byte. */
uint64_t output_file_since(const struct output_file *f, int stream, int64_t since_ns);
/* Where the last so many lines of the stream begin, as the agent has it. */
uint64_t output_file_tail(const struct output_file *f, int stream, uint64_t n_lines);

void output_file_remove(const char *folder, const char *id);
/* Removes the oldest files of the folder until the others leave that much of most_bytes. Returns
 * what is left of it. */
uint64_t output_folder_make_room(const char *folder, uint64_t wanted_bytes, uint64_t most_bytes);

#endif
