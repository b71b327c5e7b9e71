/* Request ids whose operation or session memory has let go of: they are promised for a day, and
 * memory does not hold a busy day. What is kept here of each is a word (a hash), so that a new id
 * costs no look into the store; one that may be old is looked for there, and what it stands for
 * comes back into the registries before the request is handled. On the loop's thread. */
#ifndef BANGER_DAEMON_CORE_OPERATION_REQUEST_PAST_H
#define BANGER_DAEMON_CORE_OPERATION_REQUEST_PAST_H

#include <stdbool.h>
#include <stdint.h>

struct core;
struct err;
struct request_past;
struct store_request;

/* What a request id is kept for at least. */
static const int64_t request_kept_ns = INT64_C(24) * 3600 * 1000000000;

/* With every id that the store has; blocking. */
struct request_past *request_past_new(struct core *core, struct err *err);
void request_past_free(struct request_past *p);

/* Requests that became no operations, such as starts of sessions: what they are found by and what
 * takes them back. There is one such kind so far. */
struct request_kind {
    const char *method; /* of their rows, before the principal */
    int (*remember)(struct core *core, const struct store_request *row);
};

void request_past_others(struct core *core, const struct request_kind *kind);

/* Memory lets go of it. */
void request_past_add(struct core *core, const char *principal, const char *request_id);
/* False: it is certainly not an old one. */
bool request_past_may_have(const struct core *core, const char *principal, const char *request_id);
/* Looks into the store and enters what it finds into the registries, as if it had just ended. done
 * comes once, later, unless -1; err: it is not known (ERR_UNAVAILABLE and whatever commits say). */
int request_past_find(struct core *core, const char *principal, const char *request_id,
                      void (*done)(void *arg, const struct err *err), void *arg, struct err *err);

#endif
