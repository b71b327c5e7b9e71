/* An SFTP server, version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions, on stdin and
 * stdout, as the user that runs it. One client, one request at a time, in order; the kernel says
 * what may be done. Everything that a client names is bounded: packets, names, open handles. */
#ifndef BANGER_AGENT_SFTP_H
#define BANGER_AGENT_SFTP_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
    SFTP_PACKET_BYTES = 256 * 1024,
    SFTP_DATA_BYTES = SFTP_PACKET_BYTES - 1024, /* of one read or write */
    SFTP_HANDLES = 256,
};

enum sftp_type {
    SFTP_INIT = 1,
    SFTP_VERSION = 2,
    SFTP_OPEN = 3,
    SFTP_CLOSE = 4,
    SFTP_READ = 5,
    SFTP_WRITE = 6,
    SFTP_LSTAT = 7,
    SFTP_FSTAT = 8,
    SFTP_SETSTAT = 9,
    SFTP_FSETSTAT = 10,
    SFTP_OPENDIR = 11,
    SFTP_READDIR = 12,
    SFTP_REMOVE = 13,
    SFTP_MKDIR = 14,
    SFTP_RMDIR = 15,
    SFTP_REALPATH = 16,
    SFTP_STAT = 17,
    SFTP_RENAME = 18,
    SFTP_READLINK = 19,
    SFTP_SYMLINK = 20,
    SFTP_STATUS = 101,
    SFTP_HANDLE = 102,
    SFTP_DATA = 103,
    SFTP_NAME = 104,
    SFTP_ATTRS = 105,
    SFTP_EXTENDED = 200,
    SFTP_EXTENDED_REPLY = 201,
};

/* Which of a file's attributes are given (5 of the draft). */
enum {
    SFTP_HAS_SIZE = 1,
    SFTP_HAS_OWNER = 2,
    SFTP_HAS_MODE = 4,
    SFTP_HAS_TIMES = 8,
    SFTP_HAS_EXTENDED = 0x80000000,
};

struct sftp_attrs {
    uint32_t has, mode, uid, gid, accessed, modified;
    uint64_t size;
};

/* A request that is being read, or an answer that is being written. */
struct sftp_packet {
    size_t at, len;
    bool wrong; /* it is shorter than what was read of it, or fuller than it can be */
    uint8_t data[SFTP_PACKET_BYTES];
};

/* sftp_packet.c. Reading: zeros and "" where the packet ends before. */
uint32_t sftp_get_u32(struct sftp_packet *p);
uint64_t sftp_get_u64(struct sftp_packet *p);
/* Borrowed until the next request. */
const uint8_t *sftp_get_bytes(struct sftp_packet *p, uint32_t *len);
void sftp_get_path(struct sftp_packet *p, char path[PATH_MAX]);
void sftp_get_attrs(struct sftp_packet *p, struct sftp_attrs *attrs);
void sftp_begin(struct sftp_packet *p, enum sftp_type type, uint32_t id);
void sftp_put_u32(struct sftp_packet *p, uint32_t value);
void sftp_put_u64(struct sftp_packet *p, uint64_t value);
void sftp_put_bytes(struct sftp_packet *p, const void *data, size_t len);
void sftp_put_text(struct sftp_packet *p, const char *text);
void sftp_put_attrs(struct sftp_packet *p, const struct stat *st);

/* A file or folder that is open. */
struct sftp_handle {
    bool used;
    int fd;   /* of a folder: dir's */
    DIR *dir; /* NULL: a file */
    bool appends;
};

/* What an operation answers with: filled in by itself, or a status made of an errno. */
enum { SFTP_ANSWERED = -1, SFTP_ENDED = -2 };

/* Each reads the rest of its request; 0, an errno, SFTP_ENDED, or SFTP_ANSWERED. sftp_handles.c: */
int sftp_open(uint32_t id, struct sftp_packet *in, struct sftp_packet *out);
int sftp_close(uint32_t id, struct sftp_packet *in, struct sftp_packet *out);
int sftp_read(uint32_t id, struct sftp_packet *in, struct sftp_packet *out);
int sftp_write(uint32_t id, struct sftp_packet *in, struct sftp_packet *out);
int sftp_opendir(uint32_t id, struct sftp_packet *in, struct sftp_packet *out);
int sftp_readdir(uint32_t id, struct sftp_packet *in, struct sftp_packet *out);
/* NULL where there is none of that name. */
struct sftp_handle *sftp_get_handle(struct sftp_packet *in);
/* sftp_extended.c */
int sftp_extended(uint32_t id, struct sftp_packet *in, struct sftp_packet *out);
void sftp_put_extensions(struct sftp_packet *out);
/* path, or of an open file. follow: of what a link leads to. 0, or an errno. */
int sftp_set_attrs(const char *path, int fd, const struct sftp_attrs *attrs, bool follow);

/* in: a whole request, from its type on, of at least five bytes. Does it; out is the answer. */
void sftp_answer(struct sftp_packet *in, struct sftp_packet *out);
/* Serves until the end of stdin; the exit status. */
int sftp_run(void);

#endif
