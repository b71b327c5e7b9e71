/* What Firecracker's API server answers, as bytes: as much of HTTP/1.1 (RFC 9112) as it speaks, and
 * not a byte more. Sans I/O.
 *
 * An answer is a status line, fields, and a body whose length is said, or none. What is longer than
 * its bound, has its length said twice or in another way (chunks), or is no such answer, is an
 * error: the connection is of no use then. */
#ifndef BANGER_DAEMON_VMM_FIRECRACKER_HTTP_H
#define BANGER_DAEMON_VMM_FIRECRACKER_HTTP_H

#include <stddef.h>

struct err;

enum {
    FIRECRACKER_HEAD_BYTES = 4096, /* status line and fields */
    FIRECRACKER_BODY_BYTES = 64 * 1024,
    FIRECRACKER_ANSWER_BYTES = FIRECRACKER_HEAD_BYTES + FIRECRACKER_BODY_BYTES,
};

/* body is borrowed from what was parsed; not terminated. */
struct firecracker_answer {
    int status; /* 200 to 599 */
    const char *body;
    size_t body_len;
};

/* 1: a whole one, of *used bytes; 0: more has to come; -1 with err (ERR_INVALID). */
int firecracker_answer_parse(const char *data, size_t len, struct firecracker_answer *answer,
                             size_t *used, struct err *err);

#endif
