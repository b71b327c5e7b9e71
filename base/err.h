/* Errors by value.
 *
 * A function that can fail returns 0 or -1 and fills a caller-held `struct err`. The code says what
 * the caller can do about it, the message reads from what failed to why: the layer that noticed
 * writes the cause, each layer above puts in front what only it knows (err_wrap). An error is
 * logged once, by the layer that decides what happens next. Codes have the values of gRPC's status
 * codes (https://grpc.io/docs/guides/status-codes/), but only rpc/wire turns one into a status. */
#ifndef BANGER_BASE_ERR_H
#define BANGER_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

enum err_code {
    ERR_NONE = 0,
    ERR_CANCELLED = 1,        /* the caller asked to stop */
    ERR_UNKNOWN = 2,          /* a peer said only that it failed */
    ERR_INVALID = 3,          /* the request is wrong whatever the state; change it */
    ERR_DEADLINE = 4,         /* time ran out; the work may have been done */
    ERR_NOT_FOUND = 5,        /* no such thing */
    ERR_EXISTS = 6,           /* the name or id is taken */
    ERR_DENIED = 7,           /* known caller, not allowed */
    ERR_LIMIT = 8,            /* a quota, size or disk limit */
    ERR_PRECONDITION = 9,     /* right request, wrong state; change the state first */
    ERR_ABORTED = 10,         /* lost a race (generation, takeover); read again and retry */
    ERR_RANGE = 11,           /* past the end */
    ERR_UNIMPLEMENTED = 12,   /* not built, or not by this driver */
    ERR_INTERNAL = 13,        /* our own invariant is broken */
    ERR_UNAVAILABLE = 14,     /* transient; retry with backoff */
    ERR_DATA_LOSS = 15,       /* bytes are gone for good */
    ERR_UNAUTHENTICATED = 16, /* caller not known */
};

struct err {
    enum err_code code;
    int sys;         /* errno behind it, or 0 */
    char reason[40]; /* stable word for programs, such as VM_NAME_TAKEN; "" if the code says all */
    char resource[96]; /* what it is about, such as vm/box; "" if nothing in particular */
    char stage[32];    /* step of an operation in which it happened; "" outside of one */
    char message[512]; /* for people */
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        .code = ERR_NONE                                                                           \
    }

/* All of these accept e == NULL and return -1, so that `return err_set(...)` reads well. What does
 * not fit is cut; the text is valid UTF-8 whatever was put into it. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Code derived from errnum (see err_code_of_errno); strerror's text is appended. */
int err_sys(struct err *e, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "text: " in front of the message and keeps everything else. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Adds the machine-readable part. resource_fmt may be NULL. */
int err_tag(struct err *e, const char *reason, const char *resource_fmt, ...)
    __attribute__((format(printf, 3, 4)));
void err_clear(struct err *e);

/* That these give -1 is for the compiler to see, too: then it knows that results behind them are
 * set. */
static inline int err_failed(int rc)
{
    (void)rc;
    return -1;
}
#define err_set(...)  err_failed(err_set(__VA_ARGS__))
#define err_sys(...)  err_failed(err_sys(__VA_ARGS__))
#define err_wrap(...) err_failed(err_wrap(__VA_ARGS__))
#define err_tag(...)  err_failed(err_tag(__VA_ARGS__))

enum err_code err_code_of_errno(int errnum);
/* "NOT_FOUND" and so on: gRPC's own spelling. Never NULL. */
const char *err_code_name(enum err_code code);
/* True where the same call may succeed later without any change: UNAVAILABLE and ABORTED. NULL is
 * none. */
bool err_retryable(const struct err *e);

#endif
