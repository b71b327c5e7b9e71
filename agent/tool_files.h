/* The tools for files; proto/banger/agent/v1/file.proto has what they say.
 *
 *   files                         small requests on stdin, answers on stdout, in order
 *   read [--offset N] [--length N] [--sha256] -- PATH
 *                                 FileInfo, the content, and if asked for 32 bytes of its digest
 *   write [--mode M] [--sha256 HEX] [--resume TOKEN] -- PATH
 *                                 FilePlace with where to begin, then one for what was taken by
 * then; at the end of stdin the file is whole: FileInfo tar-out [--name N] [--follow] [--xattrs]
 * [--devices] [--portable] [--from PLACE] -- PATH an archive (tree/pack.h) tar-in [--owners
 * ids|names] [--special] [--xattrs] [--devices] [--or-parent] [--from PLACE] -- PATH takes one
 * (tree/unpack.h); FilePlace now and then, FileDone last watch [--recursive] -- PATH   FileEvent,
 * READY first
 *
 * A PLACE is OFFSET:DIGEST, both decimal. Each is an ordinary process of the user whose files it
 * handles: the kernel says what it may. */
#ifndef BANGER_AGENT_TOOL_FILES_H
#define BANGER_AGENT_TOOL_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "agent/codec.h"
#include "banger/agent/v1/file.pb.h"
#include "tree/owners.h"
#include "tree/tar_read.h"

int tool_files(int argc, char **argv);
int tool_read(int argc, char **argv);
int tool_write_file(int argc, char **argv);
int tool_tar_out(int argc, char **argv);
int tool_tar_in(int argc, char **argv);
int tool_watch(int argc, char **argv);

enum { FILES_CALL_MAX_BYTES = 10 * 1024, FILES_BLOCK_BYTES = 256 * 1024 };

/* Options of all of them. */
struct files_options {
    const char *path, *name, *sha256, *resume, *owners;
    uint64_t offset, length;
    int64_t mode; /* -1: not given */
    bool with_sha256, follow, xattrs, devices, portable, special, recursive, or_parent;
    struct tar_place from;
};
/* tool_fail where they are wrong. */
void files_parse(int argc, char **argv, struct files_options *o);

/* What a request says; false: it is none. */
bool files_decode(const uint8_t *message, size_t len, PB(FileCall) * call);
/* The next request; false: no more comes. tool_fail where it is none. */
bool files_receive(PB(FileCall) * call);
void files_send(const PB(FileReply) * reply);
/* Does it, and answers. */
void files_answer(const PB(FileCall) * call);
/* A reply of one kind: FILES_REPLY(info, INFO) gives reply and a pointer info into it. */
#define FILES_REPLY(name)                                                                          \
    {                                                                                              \
        .which_kind = PB_TAG(FileReply, name)                                                      \
    }
/* What stat says of it; the link's target is read in dir (path_at in it). */
void files_fill_info(PB(FileInfo) * info, const char *path, const struct stat *st, int dir,
                     const char *path_at);
/* Bytes that are at most as many as fit. */
#define FILES_SET_BYTES(field, text)                                                               \
    do {                                                                                           \
        size_t n_ = strnlen((text), sizeof((field).bytes));                                        \
        memcpy((field).bytes, (text), n_);                                                         \
        (field).size = (pb_size_t)n_;                                                              \
    } while (0)

/* Reads up to len; 0 at the end; tool_fail. */
size_t files_read(int fd, void *data, size_t len);

#endif
