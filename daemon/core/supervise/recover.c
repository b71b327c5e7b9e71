/* Listing things again from their records, or setting them aside; see recover.h. What a record says
 * is checked as a request would be; paths are derived from the id, never taken from it. */
#include "daemon/core/supervise/recover.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/image/image.h"
#include "daemon/core/supervise/reconcile.h"
#include "daemon/core/record.h"
#include "daemon/core/supervise/recover_internal.h"
#include "daemon/core/vm/vm.h"
#include "daemon/core/vm/vm_spec.h"
#include "daemon/core/vm/vm_storage.h"
#include "daemon/store/record.h"
#include "daemon/store/store.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"

/* What is there */

void recover_free(struct recover *r)
{
    if (!r)
        return;
    unlisted_free_all(&r->found);
    free(r);
}

const struct unlisted *recover_next(const struct core *core, const struct unlisted *after)
{
    const struct list *all = &core->recover->found;
    const struct list *l = after ? after->link.next : all->next;
    return l == all ? NULL : container_of(l, const struct unlisted, link);
}

void recover_count(const struct core *core, uint32_t *unlisted, uint32_t *aside)
{
    *unlisted = *aside = 0;
    for (const struct unlisted *u = NULL; (u = recover_next(core, u));)
        *(u->aside ? aside : unlisted) += 1;
}

/* It may have ended since the look. */
static bool recover_runs(const struct unlisted *u)
{
    return u->driver && (kill(u->pid, 0) == 0 || errno != ESRCH);
}

/* What VMs that run without a row take of the host; by their records, else as if by default. */
static void recover_add_use(void *arg, uint32_t *cpus, uint64_t *memory_bytes)
{
    const struct core *core = arg;
    for (const struct unlisted *u = NULL; core->recover && (u = recover_next(core, u));) {
        if (!recover_runs(u))
            continue;
        bool known = vm_memory_check(u->memory_bytes, NULL) == 0;
        *cpus += vm_cpus_check(u->cpus, NULL) == 0 ? u->cpus : 1;
        *memory_bytes += known ? u->memory_bytes : VM_MEMORY_DEFAULT;
        *memory_bytes += vmm_overhead_bytes(u->driver, core->vmm_host);
    }
}

static void recover_forget_vm(void *arg, struct vm_entry *e)
{
    (void)arg;
    reconcile_forget(e);
}

static void recover_vm_removed(void *arg, struct vm_entry *e, struct store_txn *txn)
{
    (void)arg, (void)txn;
    reconcile_forget(e);
}

static const struct vm_events recover_vm_events = {
    .removing = recover_vm_removed,
    .leaving = recover_forget_vm,
    .add_use = recover_add_use,
};

struct recover *recover_new(struct core *core, struct err *err)
{
    struct recover *r = calloc(1, sizeof(*r));
    if (!r) {
        err_set(err, ERR_LIMIT, "out of memory for what is not listed");
        return NULL;
    }
    list_init(&r->found);
    r->vm_listener = (struct vm_listener){.events = &recover_vm_events, .arg = core};
    vm_listen(core, &r->vm_listener);
    return r;
}

static void recover_tell(struct core *core, const struct unlisted_scan *scan)
{
    uint32_t unlisted, aside;
    char text[TEXT_BYTES];
    recover_count(core, &unlisted, &aside);
    list_foreach(l, &scan->told)
    {
        const struct unlisted *u = container_of(l, struct unlisted, link);
        char resource[96];
        snprintf(resource, sizeof(resource), "%s/%s", unlisted_kind_name(u->kind), u->id);
        log_warn(resource, "nothing knows of it: set aside in %s", u->folder);
        event_emit(core, NULL, "host.set_aside", resource, u->kind == UNLISTED_VM ? u->id : NULL,
                   u->folder, NULL);
    }
    if (unlisted == 0)
        return;
    snprintf(
        text, sizeof(text),
        "%u VMs, images or kernels in this state folder are not in the database; they are left "
        "alone: see `banger host recover --dry-run`",
        unlisted);
    log_warn(NULL, "%s", text);
    event_emit(core, NULL, "host.unlisted", "host", NULL, text, NULL);
    for (const struct unlisted *u = NULL; (u = recover_next(core, u));)
        if (!u->aside)
            log_warn(u->folder, "not in the database%s%s%s%s", *u->name ? ": " : "", u->name,
                     u->driver ? ", runs on" : "", u->record ? "" : "; cannot be recovered");
}

void recover_take(struct core *core, struct unlisted_scan *scan)
{
    struct list *to = &core->recover->found;
    unlisted_free_all(to);
    list_move_all(to, &scan->found);
    recover_tell(core, scan);
}

/* A recovery */

void recovery_say(struct recover_item *item, const struct err *err)
{
    item->outcome = RECOVER_NOTHING;
    snprintf(item->message, sizeof(item->message), "%.255s", err->message);
}

static void recovery_end(void *arg, const struct err *err)
{
    struct recovery *r = arg;
    (void)err; /* of no rows */
    for (size_t i = 0; i < r->n; i++)
        r->items[i] = r->parts[i].item;
    if (r->core->recover)
        r->core->recover->under_way = NULL;
    r->done(r->arg, r->items, r->n, NULL);
    for (size_t i = 0; i < r->n; i++)
        unlisted_free(r->parts[i].work);
    free(r->parts);
    free(r->items);
    free(r);
}

/* What was found of VMs is on its way to the disk: a caller that looks sees it. */
void recovery_less(struct recovery *r)
{
    bool listed = false;
    if (--r->left > 0)
        return;
    for (size_t i = 0; i < r->n; i++)
        listed |= r->parts[i].item.outcome == RECOVER_LISTED;
    if (listed && r->core->recover)
        store_commit(r->core->store, store_txn_new(), recovery_end, r);
    else
        recovery_end(r, NULL);
}

/* It is listed, or gone: no longer ours to tell of. */
void recovery_forget(struct recovery_part *p)
{
    struct core *core = p->of->core;
    if (core->recover && p->unlisted) {
        list_remove(&p->unlisted->link);
        unlisted_free(p->unlisted);
    }
    p->unlisted = NULL;
}

static void recovery_looked(void *arg)
{
    recovery_less(((struct recovery_part *)arg)->of);
}

static void recovery_stored(void *arg, const struct err *err)
{
    struct recovery_part *p = arg;
    struct core *core = p->of->core;
    if (err) {
        recovery_say(&p->item, err);
        if (p->vm)
            vm_withdraw(p->vm);
    } else {
        p->item.outcome = RECOVER_LISTED;
        recovery_forget(p);
    }
    struct vm_entry *e = p->vm;
    p->vm = NULL;
    if (!err && e && core->vms) {
        record_keep_vm(core, vm_record(e)); /* its name may be another now */
        if (reconcile_look_for(e, "recovered, and not looked for yet", recovery_looked, p) == 0) {
            vm_unref(e);
            return;
        }
    }
    if (e)
        vm_unref(e);
    recovery_less(p->of);
}

static int recover_vm(struct recovery_part *p, struct store_txn *txn, struct err *err)
{
    struct core *core = p->of->core;
    const struct unlisted *u = p->unlisted;
    struct vm vm;
    int64_t now = clock_real_ns();
    if (record_read_vm(u->record, strlen(u->record), &vm, err) < 0)
        return -1;
    if (vm.spec.restart == 0) /* from before there were policies */
        vm.spec.restart = RESTART_NEVER;
    if (vm.spec.storage == 0) /* or a choice of storage */
        vm.spec.storage = vm_storage_once(&vm.spec);
    struct labels labels;
    label_list_get(&vm.labels, &labels);
    if (labels_check(&labels, err) < 0 || vm_spec_check_made(&vm.spec, err) < 0) {
        vm_done(&vm);
        return -1;
    }
    memcpy(vm.id, u->id, sizeof(vm.id));
    if (!name_is_valid(vm.name) || vm_name_check_free(core, NULL, vm.name, NULL) < 0) {
        snprintf(p->item.message, sizeof(p->item.message), "its name %s is taken: it is vm-%s now",
                 vm.name, vm.id);
        snprintf(vm.name, sizeof(vm.name), "vm-%s", vm.id);
    }
    if (vm.created_ns <= 0 || vm.created_ns > now)
        vm.created_ns = now;
    if (vm.generation == 0)
        vm.generation = 1;
    vm.runtime.state = VM_UNKNOWN;
    vm.wanted = u->driver ? VM_WANTED_RUNNING : VM_WANTED_STOPPED;
    struct vm_entry *e = vm_paths_make(core, &vm, err) < 0 ? NULL : vm_add(core, &vm, err);
    vm_done(&vm);
    if (!e)
        return -1;
    p->vm = vm_ref(e);
    snprintf(p->item.name, sizeof(p->item.name), "%s", vm.name);
    vm_save(e, txn);
    event_emit(core, txn, "vm.recovered", p->item.resource, vm.id, vm.name, NULL);
    return 0;
}

static int recover_image(struct recovery_part *p, struct store_txn *txn, struct err *err)
{
    struct core *core = p->of->core;
    const struct unlisted *u = p->unlisted;
    struct image image;
    if (record_read_image(u->record, strlen(u->record), &image, err) < 0)
        return -1;
    memcpy(image.id, u->id, sizeof(image.id));
    for (const struct image *i = NULL; (i = image_next(core, i));)
        if (strcmp(i->name, image.name) == 0)
            image.name[0] = '\0';
    if (image.name[0] && image_name_check(image.name, err) < 0)
        return -1;
    snprintf(image.path, sizeof(image.path), "%.400s/images/%s/%s", core->config.state_dir,
             image.id, image.format == IMAGE_RAW ? "root.raw" : "root.qcow2");
    return image_publish(core, &image, txn, err);
}

static int recover_kernel(struct recovery_part *p, struct store_txn *txn, struct err *err)
{
    struct core *core = p->of->core;
    const struct unlisted *u = p->unlisted;
    struct kernel kernel;
    if (record_read_kernel(u->record, strlen(u->record), &kernel, err) < 0)
        return -1;
    memcpy(kernel.id, u->id, sizeof(kernel.id));
    snprintf(kernel.vmlinux_path, sizeof(kernel.vmlinux_path), "%.400s/kernels/%s/vmlinux",
             core->config.state_dir, kernel.id);
    snprintf(kernel.initramfs_path, sizeof(kernel.initramfs_path),
             "%.400s/kernels/%s/initramfs.cpio", core->config.state_dir, kernel.id);
    return kernel_publish(core, &kernel, txn, err);
}

static void recover_one(struct recovery_part *p)
{
    static int (*const with[N_UNLISTED_KINDS])(struct recovery_part *, struct store_txn *,
                                               struct err *) = {
        [UNLISTED_VM] = recover_vm,
        [UNLISTED_IMAGE] = recover_image,
        [UNLISTED_KERNEL] = recover_kernel,
    };
    struct err err = ERR_INIT;
    if (!p->item.recoverable)
        return;
    struct store_txn *txn = store_txn_new();
    if (with[p->unlisted->kind](p, txn, &err) < 0) {
        store_txn_free(txn);
        recovery_say(&p->item, &err);
        return;
    }
    p->of->left++;
    store_propose(p->of->core->store, txn, recovery_stored, p);
}

/* What a VM is on comes before it. */
static void recover_all(struct recovery *r)
{
    static const enum unlisted_kind order[] = {UNLISTED_KERNEL, UNLISTED_IMAGE, UNLISTED_VM};
    for (size_t k = 0; k < N_UNLISTED_KINDS; k++)
        for (size_t i = 0; i < r->n; i++)
            if (r->parts[i].unlisted && r->parts[i].unlisted->kind == order[k])
                recover_one(&r->parts[i]);
}

/* Choosing */

static bool recover_is_meant(const struct unlisted *u, const char *word)
{
    char resource[96];
    const char *entry = strrchr(u->folder, '/');
    snprintf(resource, sizeof(resource), "%s/%s", unlisted_kind_name(u->kind), u->id);
    return strcmp(word, u->id) == 0 || strcmp(word, resource) == 0 ||
           strcmp(word, u->folder) == 0 || (entry && strcmp(word, entry + 1) == 0) ||
           (*word && strcmp(word, u->name) == 0);
}

static bool recover_is_chosen(const struct unlisted *u, const struct recover_request *req)
{
    bool chosen = req->n_only == 0;
    for (size_t i = 0; i < req->n_only && !chosen; i++)
        chosen = recover_is_meant(u, req->only[i]);
    return chosen;
}

static int recover_check_only(const struct core *core, const struct recover_request *req,
                              struct err *err)
{
    for (size_t i = 0; i < req->n_only; i++) {
        bool there = false;
        for (const struct unlisted *u = NULL; (u = recover_next(core, u));)
            there |= recover_is_meant(u, req->only[i]);
        if (there)
            continue;
        err_set(err, ERR_NOT_FOUND, "there is no %.100s that the database does not list",
                req->only[i]);
        return err_tag(err, "UNLISTED_NOT_FOUND", NULL);
    }
    return 0;
}

static void recover_fill(struct recovery_part *p, struct unlisted *u)
{
    struct recover_item *item = &p->item;
    p->unlisted = u;
    *item = (struct recover_item){.running = u->driver != NULL,
                                  .recoverable = u->record && !u->aside,
                                  .outcome = RECOVER_NOTHING};
    snprintf(item->resource, sizeof(item->resource), "%s/%s", unlisted_kind_name(u->kind), u->id);
    snprintf(item->name, sizeof(item->name), "%s", u->name);
    snprintf(item->folder, sizeof(item->folder), "%s", u->folder);
    snprintf(item->message, sizeof(item->message), "%s", u->why);
}

static void recover_begin(void *arg)
{
    struct recovery *r = arg;
    if (r->core->recover && !r->dry_run && r->discard)
        recovery_discard(r);
    else if (r->core->recover && !r->dry_run)
        recover_all(r);
    recovery_less(r);
}

int recover_start(struct core *core, const struct recover_request *req,
                  void (*done)(void *arg, const struct recover_item *items, size_t n,
                               const struct err *err),
                  void *arg, struct err *err)
{
    size_t n = 1;
    if (recover_check_only(core, req, err) < 0)
        return -1;
    if (core->recover->under_way) {
        err_set(err, ERR_ABORTED, "another recovery is under way; try again in a moment");
        return err_tag(err, "RECOVER_UNDER_WAY", NULL);
    }
    list_foreach(l, &core->recover->found) n++;
    struct recovery *r = calloc(1, sizeof(*r));
    if (r) {
        r->items = calloc(n, sizeof(*r->items));
        r->parts = calloc(n, sizeof(*r->parts));
    }
    if (!r || !r->items || !r->parts || loop_post(core->loop, recover_begin, r) < 0) {
        if (r) {
            free(r->items);
            free(r->parts);
        }
        free(r);
        return err_set(err, ERR_LIMIT, "out of memory for a recovery");
    }
    r->core = core;
    r->discard = req->discard;
    r->dry_run = req->dry_run;
    r->done = done;
    r->arg = arg;
    r->left = 1;
    list_foreach(l, &core->recover->found)
    {
        struct unlisted *u = container_of(l, struct unlisted, link);
        if (!recover_is_chosen(u, req))
            continue;
        r->parts[r->n].of = r;
        recover_fill(&r->parts[r->n++], u);
    }
    core->recover->under_way = r;
    return 0;
}
