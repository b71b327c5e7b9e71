/* Text that grows; see text.h. */
#include "rpc/stubgen/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_init(struct text *t)
{
    buf_init(&t->bytes, TEXT_MAX_BYTES);
    t->failed = false;
}

void text_done(struct text *t)
{
    buf_done(&t->bytes);
}

void text_add(struct text *t, const char *fmt, ...)
{
    char line[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof(line) || buf_append(&t->bytes, line, (size_t)n) < 0)
        t->failed = true;
}

char *text_take(struct text *t)
{
    char *s = t->failed ? NULL : strndup((const char *)buf_data(&t->bytes), buf_len(&t->bytes));
    buf_done(&t->bytes);
    text_init(t);
    return s;
}
