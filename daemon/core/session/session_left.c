/* What an ended session has left in the guest, and guests that stand still; see session.h.
 *
 * Processes that a command started may live on after it. They are the agent's to count; the record
 * of their session stays as long as there are any, however it was deleted, so that they are seen
 * and can be ended. They go with their VM. */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/session/session_internal.h"
#include "daemon/core/vm/vm.h"
#include "daemon/store/store.h"

void session_take_left(struct session_entry *e, uint32_t left, uint64_t late_bytes)
{
    if (late_bytes > e->late_bytes)
        e->late_bytes = late_bytes;
    if (left != e->left) {
        e->left = left;
        session_touch(e);
    }
    if (left == 0 && e->session.forget && !session_is_live(e) && !session_is_going(e))
        session_delete_row(e, true, NULL, NULL, NULL);
}

struct forgetting {
    struct session_entry *session; /* referenced */
    void (*done)(void *arg, const struct err *err);
    void *arg;
};

static void on_promised(void *arg, const struct err *err)
{
    struct forgetting *f = arg;
    struct session_entry *e = f->session;
    e->session.forget |= !err;
    session_stay(e);
    session_take_left(e, e->left, e->late_bytes); /* they may have ended meanwhile */
    if (f->done)
        f->done(f->arg, e->session.forget ? NULL : err); /* an older promise holds */
    session_unref(e);
    free(f);
}

int session_forget_later(struct session_entry *e, void (*done)(void *arg, const struct err *err),
                         void *arg, struct err *err)
{
    struct forgetting *f = calloc(1, sizeof(*f));
    if (!f)
        return err_sys(err, ENOMEM, "deleting a session");
    struct store_txn *txn = store_txn_new();
    bool promised = e->session.forget;
    session_edit(e);
    e->session.forget = true;
    int put = session_put(e, txn, err);
    e->session.forget = promised; /* it holds when it is on disk */
    if (put < 0) {
        store_txn_free(txn);
        free(f);
        return -1;
    }
    *f = (struct forgetting){session_ref(e), done, arg};
    e->n_deletions++;
    store_propose(e->core->store, txn, on_promised, f);
    return 0;
}

bool session_output_is_kept(const struct session_entry *e)
{
    enum session_state state = e->session.state;
    return !e->removed && state != SESSION_LOST && state != SESSION_FAILED;
}

int session_check_vm_awake(const struct vm_entry *vm, struct err *err)
{
    if (!vm || vm_record(vm)->runtime.state != VM_PAUSED)
        return 0;
    err_set(err, ERR_PRECONDITION, "VM %s is paused; resume it first", vm_record(vm)->name);
    return err_tag(err, "VM_PAUSED", "vm/%s", vm_record(vm)->id);
}

int session_check_awake(const struct session_entry *e, struct err *err)
{
    return session_check_vm_awake(vm_find_id(e->core, e->session.vm_id), err);
}
