/* Client of Firecracker's API on its Unix socket, as events of the loop: one request at a time, in
 * order. https://github.com/firecracker-microvm/firecracker,
 * src/firecracker/swagger/firecracker.yaml
 *
 * A request waits for the socket, which Firecracker makes some time after its exec, within its own
 * deadline; the connection is kept. Nothing that comes is trusted (firecracker_http.h): what is no
 * answer, or comes unasked, ends the connection and the request under way. */
#ifndef BANGER_DAEMON_VMM_FIRECRACKER_API_H
#define BANGER_DAEMON_VMM_FIRECRACKER_API_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/list.h"
#include "daemon/model/model.h"
#include "rpc/event/loop.h"

struct err;

enum { FIRECRACKER_CALLS_MAX = 32, FIRECRACKER_PATH_BYTES = 64 };

/* value is the body of the answer, borrowed, NULL where it has none; or err: ERR_DEADLINE,
 * ERR_UNAVAILABLE (the connection went, or what came is no answer), ERR_ABORTED (closed),
 * ERR_UNKNOWN (Firecracker refused, with its words). */
typedef void firecracker_answer_fn(void *arg, const json_t *value, const struct err *err);

struct firecracker_api {
    struct loop *loop;
    char path[SOCKET_PATH_BYTES];
    void (*find)(void *arg); /* before each try to connect: make it be there, if it can be */
    void *find_arg;
    int fd; /* owned; -1 */
    struct watch watch;
    struct timer retry;
    struct buf in, out;
    struct list calls; /* of struct firecracker_call; the first is the one under way once sent */
    size_t n_calls;
    bool is_open; /* calls are taken */
};

/* find may be NULL. */
int firecracker_api_init(struct firecracker_api *api, struct loop *loop, const char *path,
                         void (*find)(void *arg), void *arg);
void firecracker_api_open(struct firecracker_api *api);
/* Ends what waits with ERR_ABORTED, from inside this call; then nothing comes any more. */
void firecracker_api_close(struct firecracker_api *api);
/* Like close, without a word to anybody. */
void firecracker_api_done(struct firecracker_api *api);
/* what: for people, "the system disk". Takes body (a new reference, or NULL). answered comes
 * exactly once, or -1 and never; NULL: nobody cares. */
int firecracker_api_call(struct firecracker_api *api, const char *method, const char *path,
                         json_t *body, const char *what, int64_t deadline_ms,
                         firecracker_answer_fn *answered, void *arg, struct err *err);

#endif
