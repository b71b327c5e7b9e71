/* Asking the helper, banger-priv. All calls block, so long; on any thread but the loop's.
 *
 * A daemon that is root starts a helper of its own when it first needs one, which ends with it; any
 * other finds one at a socket. So what needs privileges has one way, whoever the daemon is. Where
 * the helper dies amid a request the next one is asked again, once: every request may be repeated.
 */
#ifndef BANGER_DAEMON_PRIV_PRIV_CALL_H
#define BANGER_DAEMON_PRIV_PRIV_CALL_H

#include "banger/priv/v1/priv.pb-c.h"
#include "daemon/priv/priv_names.h"

struct err;

#define PRIV_SOCKET "/run/banger-priv.sock"
enum { PRIV_CALL_MS = 20000 };

struct priv_config {
    const char *state_dir; /* holds the lock that one helper of our own has at a time */
    const char *socket;    /* ""; root: a helper of our own, others: PRIV_SOCKET */
    const char *pool;      /* for a helper of our own */
    const char *program;   /* that helper; NULL: looked for beside this one */
};

/* Before the first call; what is in config is copied. -1: there is no such state folder. */
int priv_use(const struct priv_config *config, struct err *err);
/* The helper of our own ends. No call is under way. */
void priv_end(void);

/* Somebody has asked a helper, which is still there. */
bool priv_is_open(void);

typedef void priv_call_found_fn(void *arg, const char *vm_id);

/* state is filled in here. found: of LIST; NULL with all else. ERR_PRECONDITION
 * (PRIVILEGES_MISSING): there is no helper; ERR_DEADLINE; or the helper's error. */
int priv_call(Banger__Priv__V1__Request *request, priv_call_found_fn *found, void *arg,
              struct err *err);

#endif
