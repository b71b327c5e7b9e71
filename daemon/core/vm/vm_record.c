/* A VM's record on its way to the disk, and what is shown of it meanwhile; see vm.h. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/store/store.h"

const struct vm *vm_shown(const struct vm_entry *e)
{
    return !e->committed ? NULL : e->shown ? e->shown : &e->vm;
}

struct vm *vm_edit(struct vm_entry *e)
{
    e->edited = true;
    if (!e->committed || e->shown)
        return &e->vm;
    e->shown = malloc(sizeof(*e->shown));
    if (e->shown && vm_copy(e->shown, &e->vm) < 0) {
        free(e->shown);
        e->shown = NULL;
    }
    if (!e->shown)
        log_error(e->vm.id, "out of memory: a change is shown before it is on disk");
    return &e->vm;
}

/* Shows vm, which is moved from; NULL: the record itself. */
static void vm_show(struct vm_entry *e, struct vm *vm)
{
    if (vm && !e->shown)
        e->shown = calloc(1, sizeof(*e->shown));
    vm_done(e->shown);
    if (!vm) {
        free(e->shown);
        e->shown = NULL;
    } else if (e->shown) {
        *e->shown = *vm;
        *vm = (struct vm){.id = ""};
    }
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
        vm_show(e, e->n_unwritten == 0 && !e->edited ? NULL : &v->vm);
        vm_notify(e);
    }
    vm_unref(e);
    vm_done(&v->vm);
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
    if (vm_uses(e->core)) /* not while all is closed */
        vm_recount(vm_uses(e->core), e);
    struct vm_version *v = malloc(sizeof(*v));
    struct store_txn *own = txn ? NULL : store_txn_new();
    e->edited = false;
    e->vm.updated_ns = clock_real_ns();
    store_put_vm(txn ? txn : own, &e->vm);
    if (v && vm_copy(&v->vm, &e->vm) < 0) {
        free(v);
        v = NULL;
    }
    if (v) {
        v->e = vm_ref(e);
        e->n_unwritten++;
        store_on_commit(txn ? txn : own, vm_written, v);
    }
    if (own)
        store_commit(e->core->store, own, vm_ignore, NULL);
}
