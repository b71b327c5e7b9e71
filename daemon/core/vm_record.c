/* A VM's record on its way to the disk, and what is shown of it meanwhile; see vm.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/vm.h"
#include "daemon/store/store.h"

const struct vm *vm_shown(const struct vm_entry *e)
{
    return !e->committed ? NULL : e->shown ? e->shown : &e->vm;
}

void vm_edit(struct vm_entry *e)
{
    e->edited = true;
    if (!e->committed || e->shown)
        return;
    e->shown = malloc(sizeof(*e->shown));
    if (e->shown)
        *e->shown = e->vm;
    else
        log_error(e->vm.id, "out of memory: a change is shown before it is on disk");
}

/* A version on its way to the disk. */
struct vm_version {
    struct vm_entry *e; /* referenced */
    struct vm vm;
};

static void vm_written(void *arg, const struct err *err)
{
    struct vm_version *v = arg;
    struct vm_entry *e = v->e;
    e->n_unwritten--;
    if (!err) {
        e->committed = true;
        if (e->n_unwritten == 0 && strcmp(v->vm.name, e->vm.name) == 0)
            vm_name_settled(e);
        if (e->n_unwritten == 0 && !e->edited) {
            free(e->shown);
            e->shown = NULL;
        } else if (e->shown || (e->shown = malloc(sizeof(*e->shown)))) {
            *e->shown = v->vm;
        }
        vm_notify(e);
    }
    vm_unref(e);
    free(v);
}

static void vm_ignore(void *arg, const struct err *err)
{
    (void)arg, (void)err; /* vm_written has it */
}

void vm_save(struct vm_entry *e, struct store_txn *txn)
{
    if (e->removed)
        return;
    struct vm_version *v = malloc(sizeof(*v));
    struct store_txn *own = txn ? NULL : store_txn_new();
    e->edited = false;
    e->vm.updated_ns = clock_real_ns();
    store_put_vm(txn ? txn : own, &e->vm);
    if (v) {
        *v = (struct vm_version){.e = vm_ref(e), .vm = e->vm};
        e->n_unwritten++;
        store_on_commit(txn ? txn : own, vm_written, v);
    }
    if (own)
        store_commit(e->core->store, own, vm_ignore, NULL);
}
