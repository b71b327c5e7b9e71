/* Sessions that an agent has and the store does not list; see session_internal.h.
 *
 * One that was deleted here is deleted there. Any other was lost with a database, as its VM may
 * have been, and lives on: it gets a record of what the agent says. What only the record said (its
 * command, its name) is gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"
#include "daemon/store/store.h"

enum {
    TAKEN_PER_VM_MAX = 256, /* a guest may say what it likes */
};

/* What is learned of it meanwhile has waited for this. */
static void taken_stored(void *arg, const struct err *err)
{
    struct session_entry *e = arg;
    if (err && !e->removed)
        session_remove(e, err); /* at the next hello it is told of again */
    else if (!e->removed)
        session_write_again(e);
    session_unref(e);
}

/* Its first record, before which nobody sees it. */
static int put_taken(struct session_entry *e)
{
    struct store_txn *txn = store_txn_new();
    if (session_put(e, txn, NULL) < 0) {
        store_txn_free(txn);
        return -1;
    }
    store_commit(e->core->store, txn, taken_stored, session_ref(e));
    return 0;
}

struct session_entry *session_take_unknown(struct core *core, const struct vm_entry *vm,
                                           const struct agent_session_status *status)
{
    static const char argv[] = "(unknown)";
    struct session_registry *r = core->sessions;
    struct session_vm *of = session_vm_get(core, vm_record(vm)->id);
    if (!of || status->state == AGENT_SESSION_UNKNOWN ||
        session_is_deleted(r, status->session_id) || session_find_id(core, status->session_id) ||
        of->n_taken >= TAKEN_PER_VM_MAX || of->n >= SESSIONS_PER_VM_MAX)
        return NULL;
    struct session s = {.state = SESSION_PENDING,
                        .spec.stdin_mode =
                            status->stdin_closed ? SESSION_STDIN_NONE : SESSION_STDIN_PIPE,
                        .stdin_closed = status->stdin_closed};
    snprintf(s.id, sizeof(s.id), "%s", status->session_id);
    snprintf(s.vm_id, sizeof(s.vm_id), "%s", vm_record(vm)->id);
    s.created_ns = s.updated_ns = clock_real_ns();
    struct session_entry *e =
        blob_set(&s.spec.argv, argv, sizeof(argv)) == 0 ? session_add(core, &s, of) : NULL;
    if (!e) {
        session_done(&s);
        return NULL;
    }
    struct err none = ERR_INIT;
    err_set(&none, ERR_LIMIT, "out of memory for a session");
    if (put_taken(e) < 0) {
        session_remove(e, &none);
        return NULL;
    }
    of->n_taken++;
    e->answered = true; /* it was told to start long ago */
    log_warn(vm_record(vm)->id, "session/%s, which the database does not list: listed again",
             e->session.id);
    return e;
}
