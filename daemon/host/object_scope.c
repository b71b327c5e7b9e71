/* A VM's place in the tree of control groups; see scope.h. Its name is that of a cgroup or of a
 * unit of systemd's, and none of it is below the state folder. It holds no data: where it is gone,
 * as after a reboot of the host, the next start makes it again. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "daemon/host/scope_internal.h"
#include "daemon/model/state_tag.h"

static int scope_need(struct err *err)
{
    if (host_scope_backend())
        return 0;
    return err_set(err, ERR_PRECONDITION, "there are no scopes on this host: %s",
                   host_scope()->why_not);
}

static int scope_probe(const char *folder, struct err *err)
{
    (void)folder;
    return scope_need(err);
}

static int scope_derive_name(const char *state_dir, const char *vm_id, enum object_role role,
                             char name[VM_PATH_BYTES], struct err *err)
{
    char tag[STATE_TAG_BYTES];
    (void)role;
    if (scope_need(err) < 0 || state_tag(state_dir, tag, err) < 0)
        return -1;
    return host_scope_backend()->derive_name(tag, vm_id, name, err);
}

static int scope_make(const struct object *o, int cancel_fd, struct err *err)
{
    (void)cancel_fd; /* it takes no longer than its deadline */
    if (scope_need(err) < 0 || host_scope_check_limits(&o->limits, err) < 0)
        return -1;
    return host_scope_backend()->make(o->name, &o->limits, err);
}

static int scope_find(const struct object *o, struct err *err)
{
    return scope_need(err) < 0 ? -1 : host_scope_backend()->find(o->name, err);
}

/* Until nothing lives in it: whoever was killed takes a moment. */
static int scope_wait_empty(const char *name, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + SCOPE_EMPTY_MS;
    pid_t pid;
    for (;;) {
        if (host_scope_backend()->first_process(name, &pid, err) < 0)
            return -1;
        int64_t left_ms = deadline_ms - clock_mono_ms();
        if (pid == 0)
            return 0;
        auto_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        struct pollfd p = {.fd = pidfd, .events = POLLIN};
        if (left_ms <= 0 || (pidfd >= 0 && poll(&p, 1, (int)left_ms) == 0))
            return err_set(err, ERR_PRECONDITION, "process %d still lives in %s", (int)pid, name);
    }
}

static int scope_remove(const struct object *o, struct err *err)
{
    struct err none = ERR_INIT;
    if (scope_need(err) < 0)
        return -1;
    if (host_scope_backend()->find(o->name, &none) < 0) {
        if (none.code == ERR_NOT_FOUND)
            return 0;
        if (err)
            *err = none;
        return -1;
    }
    if (scope_wait_empty(o->name, err) < 0)
        return -1;
    return host_scope_backend()->remove(o->name, err);
}

struct scope_listing {
    object_found_fn *found;
    void *arg;
};

static void scope_on_found(void *arg, const char *name, const char *vm_id)
{
    const struct scope_listing *l = arg;
    struct object_found f = {.kind = &object_scope, .role = OBJECT_SCOPE};
    snprintf(f.vm_id, sizeof(f.vm_id), "%s", vm_id);
    snprintf(f.name, sizeof(f.name), "%s", name);
    l->found(l->arg, &f);
}

static int scope_list(const char *state_dir, object_found_fn *found, void *arg, struct err *err)
{
    char tag[STATE_TAG_BYTES];
    struct scope_listing l = {found, arg};
    if (!host_scope_backend()) /* and so none of ours */
        return 0;
    if (state_tag(state_dir, tag, err) < 0)
        return -1;
    return host_scope_backend()->list(tag, scope_on_found, &l, err);
}

const struct object_kind object_scope = {
    .name = "scope",
    .roles = 1u << OBJECT_SCOPE,
    .probe = scope_probe,
    .transient = true,
    .derive_name = scope_derive_name,
    .make = scope_make,
    .find = scope_find,
    .remove = scope_remove,
    .list = scope_list,
};
