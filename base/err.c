/* Errors by value; see err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const char *const code_names[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

const char *err_code_name(enum err_code code)
{
    size_t i = (size_t)code;
    return i < sizeof(code_names) / sizeof(code_names[0]) ? code_names[i] : "UNKNOWN";
}

enum err_code err_code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ESRCH:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EFBIG:
        return ERR_LIMIT;
    case EINVAL:
    case ENAMETOOLONG:
        return ERR_INVALID;
    case ETIMEDOUT:
        return ERR_DEADLINE;
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
        return ERR_UNAVAILABLE;
    case EBUSY:
        return ERR_PRECONDITION;
    case ENOSYS:
    case EOPNOTSUPP:
        return ERR_UNIMPLEMENTED;
    default:
        return ERR_INTERNAL;
    }
}

void err_clear(struct err *e)
{
    if (e)
        memset(e, 0, sizeof(*e));
}

int(err_set)(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (!e)
        return -1;
    err_clear(e);
    e->code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    utf8_mend(e->message);
    return -1;
}

int(err_sys)(struct err *e, int errnum, const char *fmt, ...)
{
    if (!e)
        return -1;
    err_clear(e);
    e->code = err_code_of_errno(errnum);
    e->sys = errnum;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(e->message, sizeof(e->message), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(e->message))
        snprintf(e->message + n, sizeof(e->message) - (size_t)n, ": %s", strerror(errnum));
    utf8_mend(e->message);
    return -1;
}

int(err_wrap)(struct err *e, const char *fmt, ...)
{
    if (!e)
        return -1;
    char front[sizeof(e->message)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(front, sizeof(front), fmt, ap);
    va_end(ap);
    char why[sizeof(e->message)];
    memcpy(why, e->message, sizeof(why));
    size_t room = sizeof(e->message);
    size_t n = strnlen(front, room - 1);
    memcpy(e->message, front, n);
    snprintf(e->message + n, room - n, ": %s", why);
    utf8_mend(e->message);
    return -1;
}

int(err_tag)(struct err *e, const char *reason, const char *resource_fmt, ...)
{
    if (!e)
        return -1;
    snprintf(e->reason, sizeof(e->reason), "%s", reason);
    if (resource_fmt) {
        va_list ap;
        va_start(ap, resource_fmt);
        vsnprintf(e->resource, sizeof(e->resource), resource_fmt, ap);
        va_end(ap);
        utf8_mend(e->resource);
    }
    return -1;
}

bool err_retryable(const struct err *e)
{
    return e && (e->code == ERR_UNAVAILABLE || e->code == ERR_ABORTED);
}
