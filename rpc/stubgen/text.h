/* Text that grows: a generated file, a list of complaints. */
#ifndef BANGER_RPC_STUBGEN_TEXT_H
#define BANGER_RPC_STUBGEN_TEXT_H

#include <stdbool.h>

#include "base/buf.h"

struct text {
    struct buf bytes;
    bool failed; /* memory ran out, or it grew over TEXT_MAX_BYTES; checked once, at the end */
};

enum { TEXT_MAX_BYTES = 16 << 20 };

void text_init(struct text *t);
void text_done(struct text *t);
void text_add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* NUL-terminated content, owned by the caller; NULL when failed. t is empty then. */
char *text_take(struct text *t);

#endif
