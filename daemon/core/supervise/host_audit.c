/* The look at this host, and what is made of it; see host_audit.h. */
#include "daemon/core/supervise/host_audit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "daemon/core/core.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/supervise/garbage.h"
#include "daemon/core/supervise/object_sweep.h"
#include "daemon/core/vm/vm.h"
#include "daemon/core/vm/vm_objects.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/worker.h"

struct host_audit {
    struct job job;
    struct core *core;
    bool orphans_only;
    char state_dir[PATH_BYTES];
    struct vm_objects *should; /* owned; of VMs that are at rest */
    size_t n_should;
    struct host_thing **at; /* owned */
    size_t n, room;
    struct map by_name; /* of what is in at, but partial things */
    struct map asked;   /* by VM's id: those in should */
    struct err err;
    host_audit_fn *done;
    void *arg;
};

static const char recover_hint[] = "its VM has no record: see \"banger host recover\"";

int64_t host_thing_order(const struct host_thing *t)
{
    int64_t order = 0;
    if (!t->kind)
        return t->pid;
    while (strcmp(object_kind_at((size_t)order)->name, t->kind->name) != 0)
        order++;
    return (order + 1) << 32 | (t->partial ? 1 : 0);
}

const char *host_thing_kind(const struct host_thing *t)
{
    return t->kind ? t->kind->name : "process";
}

static int compare_things(const void *a, const void *b)
{
    const struct host_thing *x = *(struct host_thing *const *)a;
    const struct host_thing *y = *(struct host_thing *const *)b;
    int64_t before = host_thing_order(x), after = host_thing_order(y);
    return before != after ? (before > after) - (before < after) : strcmp(x->vm_id, y->vm_id);
}

static bool audit_grow(struct host_audit *a)
{
    size_t room = a->room ? 2 * a->room : 64;
    void *more = realloc(a->at, room * sizeof(struct host_thing *));
    if (!more)
        return false;
    a->at = more;
    a->room = room;
    return true;
}

/* NULL: no memory, and so no audit. */
static struct host_thing *audit_add(struct host_audit *a, const struct object_kind *kind,
                                    const char *vm_id, const char *name)
{
    struct host_thing *t = NULL;
    if (a->n < a->room || audit_grow(a))
        t = a->at[a->n] = calloc(1, sizeof(*t));
    if (!t) {
        err_set(&a->err, ERR_LIMIT, "out of memory for an audit of this host");
        return NULL;
    }
    a->n++;
    t->kind = kind;
    snprintf(t->vm_id, sizeof(t->vm_id), "%s", vm_id);
    snprintf(t->name, sizeof(t->name), "%s", name);
    return t;
}

static void audit_end(struct host_audit *a, const struct err *err)
{
    a->done(a->arg, a->at, err ? 0 : a->n, err);
    for (size_t i = 0; i < a->n; i++)
        free(a->at[i]);
    free(a->at);
    map_done(&a->by_name);
    map_done(&a->asked);
    free(a->should);
    free(a);
}

/* Judging, on the loop */

static bool audit_has_process(const struct host_audit *a, const char *vm_id)
{
    for (size_t i = 0; i < a->n && !a->at[i]->kind; i++)
        if (strcmp(a->at[i]->vm_id, vm_id) == 0)
            return true;
    return false;
}

static void judge_process(struct host_thing *t, const struct vm_entry *e, bool pending)
{
    t->state = HOST_THING_OK;
    if (!e && !pending) {
        t->state = HOST_THING_UNLISTED;
        snprintf(t->message, sizeof(t->message), "%s", recover_hint);
    } else if (e && !pending && !vm_has_machine(e)) {
        t->state = HOST_THING_EXTRA;
        snprintf(t->message, sizeof(t->message), "its VM is recorded as not running");
    }
}

/* What the look asked for stays as it found it, where that still means something: the VM was at
 * rest before it, and is. */
static void judge_of_vm(const struct host_audit *a, struct host_thing *t, const struct vm_entry *e)
{
    bool rests = map_find(&a->asked, t->vm_id) && object_sweep_is_at_rest(a->core, e);
    if (t->state != 0) {
        if (t->state != HOST_THING_OK && !rests)
            t->state = 0;
        return;
    }
    t->state = !rests ? HOST_THING_OK : t->partial ? HOST_THING_PARTIAL : HOST_THING_EXTRA;
    snprintf(t->message, sizeof(t->message), "%s",
             !rests       ? "an operation on its VM is under way"
             : t->partial ? "its making was cut off; the next one replaces it"
                          : "its VM should have none such");
}

static void judge_unlisted(const struct host_audit *a, struct host_thing *t)
{
    if (t->state != 0) /* its VM was deleted since */
        t->state = 0;
    else if (t->has_folder || audit_has_process(a, t->vm_id))
        t->state = HOST_THING_UNLISTED;
    else
        t->state = HOST_THING_ORPHAN;
    if (t->state == HOST_THING_UNLISTED)
        snprintf(t->message, sizeof(t->message), "%s", recover_hint);
}

/* state 0: not to be shown. */
static void audit_judge(const struct host_audit *a, struct host_thing *t)
{
    char resource[96];
    struct vm_entry *e = vm_find_id(a->core, t->vm_id);
    snprintf(resource, sizeof(resource), "vm/%s", t->vm_id);
    bool pending = operation_pending(a->core, resource, NULL);
    if (e)
        snprintf(t->vm_name, sizeof(t->vm_name), "%s", vm_record(e)->name);
    if (!t->vm_id[0])
        return;
    if (!t->kind)
        judge_process(t, e, pending);
    else if (e)
        judge_of_vm(a, t, e);
    else if (!pending)
        judge_unlisted(a, t);
    if (a->orphans_only && t->state != HOST_THING_ORPHAN)
        t->state = 0;
}

static void audit_looked(struct job *job)
{
    struct host_audit *a = container_of(job, struct host_audit, job);
    size_t kept = 0;
    if (a->err.code != ERR_NONE) {
        audit_end(a, &a->err);
        return;
    }
    if (a->n > 0)
        qsort(a->at, a->n, sizeof(struct host_thing *), compare_things);
    for (size_t i = 0; i < a->n; i++)
        audit_judge(a, a->at[i]);
    for (size_t i = 0; i < a->n; i++) {
        if (a->at[i]->state != 0)
            a->at[kept++] = a->at[i];
        else
            free(a->at[i]);
    }
    a->n = kept;
    garbage_see(a->core, a->at, a->n, a->orphans_only);
    audit_end(a, NULL);
}

/* Looking, on a worker */

static int64_t audit_birth(const char *name)
{
    struct statx st;
    if (name[0] != '/' ||
        statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_BTIME, &st) < 0 ||
        !(st.stx_mask & STATX_BTIME))
        return 0;
    return st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
}

static void audit_find(struct host_audit *a, const struct object *o)
{
    struct err why = ERR_INIT;
    struct host_thing *t = audit_add(a, o->kind, o->vm_id, o->name);
    if (!t || map_put(&a->by_name, t->name, t) < 0)
        return;
    t->role = o->role;
    t->state = HOST_THING_OK;
    if (o->kind->find(o, &why) == 0) {
        t->since_ns = audit_birth(t->name);
    } else if (why.code == ERR_NOT_FOUND) {
        t->state = HOST_THING_MISSING;
        snprintf(t->message, sizeof(t->message), "%s",
                 o->kind->keeps_data ? "its data are gone: put it back, or delete the VM"
                                     : "the next start of its VM makes it again");
    } else {
        bool is_another = why.code == ERR_EXISTS || why.code == ERR_PRECONDITION;
        t->state = is_another && strcmp(why.reason, "PRIVILEGES_MISSING") != 0 ? HOST_THING_STRANGER
                                                                               : HOST_THING_UNKNOWN;
        snprintf(t->message, sizeof(t->message), "%.250s", why.message);
    }
}

/* Kinds of disks look for the same files: the first that lists one has it. */
static void audit_listed(void *arg, const struct object_found *f)
{
    struct host_audit *a = arg;
    char folder[PATH_BYTES + 32];
    if (!f->partial && map_find(&a->by_name, f->name))
        return;
    struct host_thing *t = audit_add(a, object_find_kind(f->kind->name), f->vm_id, f->name);
    if (!t || (!f->partial && map_put(&a->by_name, t->name, t) < 0))
        return;
    t->role = f->role;
    t->partial = f->partial;
    t->since_ns = audit_birth(t->name);
    snprintf(folder, sizeof(folder), "%s/vms/%s", a->state_dir, f->vm_id);
    t->has_folder = access(folder, F_OK) == 0;
}

static void audit_look(struct job *job)
{
    struct host_audit *a = container_of(job, struct host_audit, job);
    const struct object_kind *kind;
    for (size_t i = 0; i < a->n_should; i++)
        for (size_t k = 0; k < a->should[i].n; k++)
            audit_find(a, &a->should[i].at[k]);
    for (size_t i = 0; (kind = object_kind_at(i)); i++) {
        struct err why = ERR_INIT;
        struct host_thing *t;
        if (kind->list(a->state_dir, audit_listed, a, &why) == 0 || a->orphans_only ||
            !(t = audit_add(a, kind, "", "")))
            continue;
        t->state = HOST_THING_UNKNOWN;
        snprintf(t->message, sizeof(t->message), "%.250s", why.message);
    }
}

/* Beginning */

static void audit_fill(struct host_audit *a)
{
    struct core *core = a->core;
    a->should = a->orphans_only ? NULL : calloc(vm_count(core) + 1, sizeof(*a->should));
    for (struct vm_entry *e = NULL; a->should && (e = vm_next(core, e));)
        if (object_sweep_is_at_rest(core, e) &&
            vm_objects_of(core, vm_record(e), &a->should[a->n_should], NULL) == 0 &&
            map_put(&a->asked, a->should[a->n_should].at[0].vm_id, &a->should[a->n_should]) == 0)
            a->n_should++;
    if (!a->should && !a->orphans_only)
        err_set(&a->err, ERR_LIMIT, "out of memory for an audit of this host");
}

static void audit_scanned(void *arg, const struct vmm_found *found, size_t n, const struct err *err)
{
    struct host_audit *a = arg;
    if (err)
        a->err = *err;
    for (size_t i = 0; i < n; i++) {
        char name[32];
        if (found[i].left) /* it may be of any state folder */
            continue;
        snprintf(name, sizeof(name), "pid %d", (int)found[i].pid);
        struct host_thing *t = audit_add(a, NULL, found[i].vm_id, name);
        if (!t)
            break;
        t->pid = found[i].pid;
    }
    audit_fill(a);
    a->job = (struct job){.run = audit_look, .done = audit_looked};
    if (a->err.code != ERR_NONE || workers_submit(a->core->quick, &a->job, &a->err) < 0)
        audit_end(a, &a->err);
}

int host_audit_start(struct core *core, bool orphans_only, host_audit_fn *done, void *arg,
                     struct err *err)
{
    char folder[PATH_BYTES + 8];
    struct host_audit *a = calloc(1, sizeof(*a));
    if (!a)
        return err_set(err, ERR_LIMIT, "out of memory for an audit of this host");
    *a = (struct host_audit){.core = core, .orphans_only = orphans_only, .done = done, .arg = arg};
    map_init(&a->by_name);
    map_init(&a->asked);
    memcpy(a->state_dir, core->config.state_dir, sizeof(a->state_dir));
    snprintf(folder, sizeof(folder), "%s/vms", core->config.state_dir);
    vmm_scan(core->vmm_host, folder, audit_scanned, a);
    return 0;
}
