/* Reads an attach and holds it against the rules: each stream's bytes contiguous or announced by a
 * gap, a StreamEnd with the right total for each, Exit or Lost once and last. */
#ifndef BANGER_TESTS_ATTACH_READER_H
#define BANGER_TESTS_ATTACH_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "banger/attach.h"
#include "base/buf.h"
#include "tests/support/told.h"

enum { READER_KEEP_BYTES = 16 * 1024 * 1024 };

struct attach_reader {
    struct banger_attach *attach; /* owned */
    uint64_t next[3], total[3];   /* by stream: 1 stdout, 2 stderr */
    bool known[3], ended[3];      /* an offset was seen; its StreamEnd was */
    bool over, lost, detached;
    int status;          /* of Exit, as a shell has it */
    int signal;          /* if by a signal */
    char reason[80];     /* of Lost */
    char violation[160]; /* the first broken rule; "" */
    uint64_t gap_bytes, data_bytes;
    unsigned gaps, opened, broken, exits;
    char gap_reason[32]; /* of the latest gap */
    uint64_t stdin_acked;
    bool stdin_closed, writer, writer_told;
    bool keep, check; /* collect output; compare it with emit's of this seed */
    uint64_t seed;
    struct buf out[3]; /* kept output, by stream */
    struct banger_error error;
};

/* options may be NULL: a viewer from offset 0. */
void reader_open(struct attach_reader *r, struct banger_client *client, const char *session,
                 const struct told_attach *options);
/* One frame: 1, 0 nothing within timeout_ms, -1 the attach is over (see over, error). */
int reader_step(struct attach_reader *r, int64_t timeout_ms);
/* To the last frame: true if it came and no rule was broken; else the reason is on stderr. */
bool reader_finish(struct attach_reader *r, int64_t timeout_ms);
/* Until so many bytes of stdout have been seen. */
bool reader_await_bytes(struct attach_reader *r, uint64_t n, int64_t timeout_ms);
/* Writes all of it to stdin, reading meanwhile, then EOF where asked. */
bool reader_write(struct attach_reader *r, const void *data, size_t len, bool eof,
                  int64_t timeout_ms);
/* Tells the broken rule, the error; always false. */
bool reader_complain(const struct attach_reader *r, const char *what);
void reader_close(struct attach_reader *r);

#endif
