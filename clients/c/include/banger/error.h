/* What went wrong, by value. Part of libbanger; see banger/client.h. */
#ifndef BANGER_CLIENT_ERROR_H
#define BANGER_CLIENT_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* gRPC's status codes: what the caller can do about it. */
enum banger_code {
    BANGER_OK = 0,
    BANGER_CANCELLED = 1,
    BANGER_UNKNOWN = 2,
    BANGER_INVALID_ARGUMENT = 3,
    BANGER_DEADLINE_EXCEEDED = 4,
    BANGER_NOT_FOUND = 5,
    BANGER_ALREADY_EXISTS = 6,
    BANGER_PERMISSION_DENIED = 7,
    BANGER_RESOURCE_EXHAUSTED = 8,
    BANGER_FAILED_PRECONDITION = 9,
    BANGER_ABORTED = 10,
    BANGER_OUT_OF_RANGE = 11,
    BANGER_UNIMPLEMENTED = 12,
    BANGER_INTERNAL = 13,
    BANGER_UNAVAILABLE = 14,
    BANGER_DATA_LOSS = 15,
    BANGER_UNAUTHENTICATED = 16
};

struct banger_error {
    enum banger_code code;
    int sys;               /* errno behind it, or 0 */
    char reason[40];       /* stable word for programs, such as VM_NAME_TAKEN, or "" */
    char resource[96];     /* what it is about, such as vm/box, or "" */
    char stage[32];        /* step of an operation in which it happened, or "" */
    char operation_id[32]; /* the operation that failed, or "" */
    char message[512];     /* for people: what failed and why */
    char reserved[304];    /* for fields to come: the size stays */
};

/* "NOT_FOUND" and so on. Never NULL. */
const char *banger_code_name(enum banger_code code);

#ifdef __cplusplus
}
#endif

#endif
