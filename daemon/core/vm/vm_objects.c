/* Objects of VMs; see vm_objects.h. */
#include "daemon/core/vm/vm_objects.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "daemon/core/core.h"
#include "daemon/core/image/image.h"
#include "daemon/core/vm/vm_egress.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_network.h"
#include "daemon/core/vm/vm_ssh.h"
#include "daemon/core/vm/vm_storage.h"
#include "daemon/host/scope.h"
#include "rpc/event/worker.h"

/* Which */

static int vm_objects_add(struct vm_objects *o, const char *kind, const struct core *core,
                          const struct vm *vm, enum object_role role, struct err *err)
{
    if (object_init(&o->at[o->n], kind, core->config.state_dir, vm->id, role, err) < 0)
        return -1;
    o->n++;
    return 0;
}

static int vm_objects_add_rules(const struct core *core, const struct vm *vm, struct vm_objects *o,
                                struct err *err)
{
    if (vm_objects_add(o, "rules", core, vm, OBJECT_TAP_RULES, err) < 0)
        return -1;
    struct vm_allow allow;
    vm_egress_of(vm, &allow);
    o->at[o->n - 1].egress = vm->spec.egress.mode;
    o->at[o->n - 1].allow = allow.list;
    return 0;
}

int vm_objects_of_rules(const struct core *core, const struct vm *vm, struct vm_objects *o,
                        struct err *err)
{
    o->n = 0;
    return vm_objects_add_rules(core, vm, o, err);
}

static int vm_objects_add_tap(const struct core *core, const struct vm *vm, struct vm_objects *o,
                              struct err *err)
{
    if (vm_objects_add(o, "tap", core, vm, OBJECT_TAP, err) < 0)
        return -1;
    o->at[o->n - 1].address = vm_net_address(vm);
    return vm_objects_add_rules(core, vm, o, err);
}

/* The disk, behind the file that it keeps what is written in where that is another. */
static int vm_objects_add_system(const struct core *core, const struct vm *vm, struct vm_objects *o,
                                 struct err *err)
{
    const struct vm_spec *spec = &vm->spec;
    const char *cow = vm_cow_kind(spec);
    const struct image *image =
        spec->image_id[0] ? image_find_id((struct core *)core, spec->image_id) : NULL;
    size_t first = o->n;
    if ((cow && vm_objects_add(o, cow, core, vm, OBJECT_COW, err) < 0) ||
        vm_objects_add(o, vm_disk_kind(spec, OBJECT_SYSTEM_DISK), core, vm, OBJECT_SYSTEM_DISK,
                       err) < 0)
        return -1;
    for (size_t i = first; i < o->n; i++) {
        o->at[i].bytes = spec->disk_bytes;
        if (cow)
            snprintf(o->at[i].cow, sizeof(o->at[i].cow), "%s", o->at[first].name);
        if (!image)
            continue;
        snprintf(o->at[i].source, sizeof(o->at[i].source), "%s", image->path);
        o->at[i].source_format = image->format;
    }
    return 0;
}

int vm_objects_of(const struct core *core, const struct vm *vm, struct vm_objects *o,
                  struct err *err)
{
    const struct vm_spec *spec = &vm->spec;
    o->n = 0;
    if (vm_objects_add(o, "folder", core, vm, OBJECT_FOLDER, err) < 0 ||
        vm_objects_add_system(core, vm, o, err) < 0)
        return -1;
    if (spec->work_disk_bytes > 0) {
        if (vm_objects_add(o, vm_disk_kind(spec, OBJECT_WORK_DISK), core, vm, OBJECT_WORK_DISK,
                           err) < 0)
            return -1;
        o->at[o->n - 1].bytes = spec->work_disk_bytes;
    }
    if (vm_ssh_has_own_key(spec) && vm_objects_add(o, "ssh_key", core, vm, OBJECT_SSH_KEY, err) < 0)
        return -1;
    if (spec->net == NET_TAP && vm_objects_add_tap(core, vm, o, err) < 0)
        return -1;
    if (!host_scope()->usable)
        return 0;
    if (vm_objects_add(o, "scope", core, vm, OBJECT_SCOPE, err) < 0)
        return -1;
    o->at[o->n - 1].limits = spec->limits;
    return 0;
}

/* Jobs */

struct vm_objects_job {
    struct job job;
    struct list link; /* vm_object_jobs */
    struct workers *pool;
    struct vm_objects set;
    bool made, removes, slow, privileged;
    int cancel_fd; /* eventfd; readable: no more */
    struct err err;
    vm_objects_done_fn *done;
    void *arg;
};

static void vm_objects_run(struct job *job)
{
    struct vm_objects_job *j = container_of(job, struct vm_objects_job, job);
    uint64_t told;
    if (j->removes) {
        objects_remove(j->set.at, j->set.n, &j->err);
        return;
    }
    if (objects_make(j->set.at, j->set.n, j->made, j->cancel_fd, &j->err) < 0 &&
        read(j->cancel_fd, &told, sizeof(told)) == sizeof(told))
        err_set(&j->err, ERR_CANCELLED, "cancelled");
}

static void vm_objects_back(struct job *job)
{
    struct vm_objects_job *j = container_of(job, struct vm_objects_job, job);
    list_remove(&j->link);
    j->done(j->arg, j->err.code == ERR_NONE ? NULL : &j->err);
    close(j->cancel_fd);
    free(j);
}

static struct vm_objects_job *vm_objects_submit(struct core *core, struct vm_objects_job *j,
                                                struct err *err)
{
    j->job.run = vm_objects_run;
    j->job.done = vm_objects_back;
    j->job.frees = j->removes;
    for (size_t i = 0; i < j->set.n; i++) {
        j->slow |= j->set.at[i].kind->slow && !j->made && !j->removes;
        j->privileged |= j->set.at[i].kind->privileged;
    }
    j->pool = j->slow ? core->slow : j->privileged ? core->privileged : core->quick;
    j->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (j->cancel_fd < 0) {
        err_sys(err, errno, "cannot work for vm/%s", j->set.at[0].vm_id);
    } else if (workers_submit(j->pool, &j->job, err) == 0) {
        list_add_tail(vm_object_jobs(core), &j->link);
        return j;
    } else {
        close(j->cancel_fd);
    }
    free(j);
    return NULL;
}

static struct vm_objects_job *
vm_objects_job_new(const struct vm_objects *o, vm_objects_done_fn *done, void *arg, struct err *err)
{
    struct vm_objects_job *j = calloc(1, sizeof(*j));
    if (!j) {
        err_set(err, ERR_LIMIT, "out of memory for what a VM has on its host");
        return NULL;
    }
    j->set = *o;
    j->done = done;
    j->arg = arg;
    return j;
}

struct vm_objects_job *vm_objects_make(struct core *core, const struct vm_objects *o, bool made,
                                       vm_objects_done_fn *done, void *arg, struct err *err)
{
    struct vm_objects_job *j = vm_objects_job_new(o, done, arg, err);
    if (!j)
        return NULL;
    j->made = made;
    j = vm_objects_submit(core, j, err);
    if (j && j->slow && core->closing)
        vm_objects_hurry(j);
    return j;
}

struct vm_objects_job *vm_objects_remove(struct core *core, const struct vm_objects *o,
                                         vm_objects_done_fn *done, void *arg, struct err *err)
{
    struct vm_objects_job *j = vm_objects_job_new(o, done, arg, err);
    if (!j)
        return NULL;
    j->removes = true;
    return vm_objects_submit(core, j, err);
}

void vm_objects_hurry(struct vm_objects_job *j)
{
    uint64_t one = 1;
    while (!j->removes && write(j->cancel_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    workers_hurry(j->pool, &j->job);
}

void vm_objects_drain(struct core *core)
{
    list_foreach(at, vm_object_jobs(core))
    {
        struct vm_objects_job *j = container_of(at, struct vm_objects_job, link);
        if (j->slow)
            vm_objects_hurry(j);
    }
}
