/* Leaks; see reconcile_leaks.h.
 *
 * Only what carries one of our ids below our own state folder is ever touched. Monitors first, then
 * the folders they may still use. */
#include "daemon/core/reconcile_leaks.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/map.h"
#include "daemon/core/core.h"
#include "daemon/core/image.h"
#include "daemon/core/operation.h"
#include "daemon/core/vm.h"
#include "daemon/core/vm_machine.h"
#include "daemon/core/vm_spec.h"
#include "daemon/host/remove.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"

struct leaks {
    struct job job;
    struct core *core;
    size_t left;           /* monitors to be ended, and one */
    bool whole;            /* the scan saw everything and all strays are gone: folders may go */
    char (*ids)[ID_BYTES]; /* owned; of all records */
    size_t n_ids;
    void (*done)(void *arg);
    void *arg;
};

static void leaks_end(void *arg)
{
    struct leaks *l = arg;
    l->done(l->arg);
    free(l->ids);
    free(l);
}

/* Folders, on a worker */

static bool leaks_is_known(const struct leaks *l, const char *id)
{
    for (size_t i = 0; i < l->n_ids; i++)
        if (strcmp(l->ids[i], id) == 0)
            return true;
    return false;
}

static void leaks_sweep(const struct leaks *l, const char *folder)
{
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/%s", l->core->config.state_dir, folder);
    auto_dir DIR *dir = opendir(path);
    if (!dir) {
        if (errno != ENOENT)
            log_warn(path, "cannot look for leftovers: %s", strerror(errno));
        return;
    }
    for (struct dirent *d; (d = readdir(dir));) {
        if (!id_is_valid(d->d_name) || leaks_is_known(l, d->d_name))
            continue;
        char leak[PATH_BYTES + 64];
        struct err err = ERR_INIT;
        snprintf(leak, sizeof(leak), "%s/%.16s", path, d->d_name);
        if (fs_remove_tree(leak, &err) < 0)
            log_err(LOG_LEVEL_WARN, leak, &err, "cannot remove a leftover");
        else
            log_info(leak, "removed: nothing knows of it");
    }
}

static void leaks_run(struct job *job)
{
    struct leaks *l = container_of(job, struct leaks, job);
    static const char *const folders[] = {"images", "kernels", "vms"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char path[PATH_BYTES + 16];
        struct err err = ERR_INIT;
        snprintf(path, sizeof(path), "%s/%s", l->core->config.state_dir, folders[i]);
        if (host_remove_leftovers(path, &err) < 0 && err.code != ERR_NOT_FOUND)
            log_err(LOG_LEVEL_WARN, path, &err, "cannot remove leftovers");
        leaks_sweep(l, folders[i]);
    }
}

static void leaks_swept(struct job *job)
{
    leaks_end(container_of(job, struct leaks, job));
}

static int leaks_collect_ids(struct leaks *l)
{
    struct core *core = l->core;
    size_t n = vm_count(core);
    for (const struct image *i = NULL; (i = image_next(core, i));)
        n++;
    for (const struct kernel *k = NULL; (k = kernel_next(core, k));)
        n++;
    l->ids = calloc(n + 1, sizeof(l->ids[0]));
    if (!l->ids)
        return -1;
    for (struct vm_entry *e = NULL; (e = vm_next(core, e));)
        memcpy(l->ids[l->n_ids++], e->vm.id, ID_BYTES);
    for (const struct image *i = NULL; (i = image_next(core, i));)
        memcpy(l->ids[l->n_ids++], i->id, ID_BYTES);
    for (const struct kernel *k = NULL; (k = kernel_next(core, k));)
        memcpy(l->ids[l->n_ids++], k->id, ID_BYTES);
    return 0;
}

static void leaks_less(struct leaks *l)
{
    if (--l->left > 0)
        return;
    struct err err = ERR_INIT;
    l->job = (struct job){.run = leaks_run, .done = leaks_swept};
    if (!l->whole || leaks_collect_ids(l) < 0)
        log_warn(NULL, "leftover folders are left for the next start");
    else if (workers_submit(l->core->slow, &l->job, &err) == 0)
        return;
    leaks_end(l);
}

/* Monitors. One that no record knows gets a machine of its own for its end. */

struct stray {
    struct leaks *of;
    struct vmm_machine *machine; /* owned */
    char id[ID_BYTES];
};

static void stray_end(struct stray *s, const struct err *err)
{
    struct leaks *l = s->of;
    if (err) {
        log_err(LOG_LEVEL_ERROR, s->id, err, "cannot end a VM that nothing knows of");
        l->whole = false;
    } else {
        log_warn(s->id, "ended a VM that nothing knows of");
    }
    vmm_close(s->machine);
    free(s);
    leaks_less(l);
}

static void stray_killed(void *arg, const struct err *err)
{
    stray_end(arg, err);
}

static void stray_adopted(void *arg, const struct err *err)
{
    struct stray *s = arg;
    if (!err)
        vmm_kill(s->machine, stray_killed, s);
    else
        stray_end(s, err->code == ERR_NOT_FOUND ? NULL : err);
}

static void stray_exited(void *arg, const struct vmm_exit *exit)
{
    (void)arg, (void)exit; /* stray_killed says it */
}

static int stray_begin(struct leaks *l, const struct vmm_found *found, struct err *err)
{
    static const struct vmm_events events = {.exited = stray_exited};
    struct vm vm = {.id = ""};
    struct vmm_config c = {.cpus = 1};
    memcpy(vm.id, found->vm_id, ID_BYTES);
    if (vm_paths_make(l->core, &vm, err) < 0)
        return -1;
    memcpy(c.vm_id, vm.id, ID_BYTES);
    memcpy(c.vm_dir, vm.runtime.vm_dir, sizeof(c.vm_dir));
    memcpy(c.api_sock_path, vm.runtime.api_sock_path, sizeof(c.api_sock_path));
    memcpy(c.agent_sock_path, vm.runtime.agent_sock_path, sizeof(c.agent_sock_path));
    memcpy(c.log_path, vm.runtime.log_path, sizeof(c.log_path));
    memcpy(c.system_overlay, vm.runtime.system_overlay, sizeof(c.system_overlay));
    struct stray *s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(err, ERR_LIMIT, "out of memory");
    s->of = l;
    memcpy(s->id, vm.id, ID_BYTES);
    s->machine = vmm_open(found->driver, l->core->vmm_host, &c, &events, s, err);
    if (!s->machine) {
        free(s);
        return -1;
    }
    l->left++;
    struct vm_handles none = {0};
    vmm_adopt(s->machine, &none, stray_adopted, s);
    return 0;
}

static void leaks_vm_killed(void *arg, const struct err *err)
{
    struct leaks *l = arg;
    if (err)
        log_err(LOG_LEVEL_ERROR, NULL, err, "cannot end the process of a VM that is stopped");
    leaks_less(l);
}

/* A process of a VM that is recorded as down, and that no operation is about to deal with. */
static bool leaks_is_zombie(const struct vm_entry *e)
{
    char resource[96];
    vm_resource(e, resource);
    return !e->machine && !vm_state_is_active(e->vm.runtime.state) &&
           !operation_pending(e->core, resource, NULL);
}

static void leaks_found(void *arg, const struct vmm_found *found, size_t n, const struct err *err)
{
    struct leaks *l = arg;
    struct err why = ERR_INIT;
    l->whole = !err;
    if (err)
        log_err(LOG_LEVEL_WARN, NULL, err, "cannot look for VMs that nothing knows of");
    for (size_t i = 0; i < n; i++) {
        struct vm_entry *e = vm_find_id(l->core, found[i].vm_id);
        if (!e) {
            if (stray_begin(l, &found[i], &why) < 0) {
                log_err(LOG_LEVEL_ERROR, found[i].vm_id, &why, "cannot end a stray VM");
                l->whole = false;
            }
        } else if (leaks_is_zombie(e)) {
            l->left++;
            if (vm_machine_kill(e, leaks_vm_killed, l, &why) < 0)
                leaks_vm_killed(l, &why);
        }
    }
    leaks_less(l);
}

void reconcile_leaks(struct core *core, void (*done)(void *arg), void *arg)
{
    struct leaks *l = calloc(1, sizeof(*l));
    if (!l) {
        log_error(NULL, "out of memory looking for leaks");
        loop_post(core->loop, done, arg);
        return;
    }
    l->core = core;
    l->done = done;
    l->arg = arg;
    l->left = 1;
    char folder[PATH_BYTES + 8];
    snprintf(folder, sizeof(folder), "%s/vms", core->config.state_dir);
    vmm_scan(core->vmm_host, folder, leaks_found, l);
}
