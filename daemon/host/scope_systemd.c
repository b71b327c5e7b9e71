/* Scopes of systemd's: a transient slice banger-TAG-ID.slice per VM, which has the limits and stays
 * while nothing runs in it; and in it, per launch, a transient scope that adopts the VMM before its
 * first instruction and is gone with it. So a VM is in no service, and no end or start of one
 * minds it.
 *
 * For root the system's manager is asked, for others the user's, and that only where it outlives a
 * log-out or takes the daemon with it: a VM must not end sooner for having a scope. One connection
 * a call: any thread, nothing kept.
 * org.freedesktop.systemd1(5), systemd.resource-control(5) */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "daemon/host/scope_internal.h"

#define MANAGER                                                                                    \
    "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
#define UNIT "org.freedesktop.systemd1.Unit"

static const char no_such_unit[] = "org.freedesktop.systemd1.NoSuchUnit";

/* A connection and what its latest call said. */
struct bus_call {
    sd_bus *bus;
    sd_bus_error error;
    sd_bus_message *reply;
    const char *job; /* of the reply */
    bool job_over;
    char job_result[32];
};

static void bus_close(struct bus_call *c)
{
    sd_bus_message_unref(c->reply);
    sd_bus_error_free(&c->error);
    sd_bus_close_unref(c->bus);
}
#define auto_bus __attribute__((cleanup(bus_close)))

static int bus_failed(struct bus_call *c, int rv, struct err *err)
{
    const char *said = c->error.message ? c->error.message : c->error.name;
    if (sd_bus_error_has_name(&c->error, no_such_unit))
        return err_set(err, ERR_NOT_FOUND, "%s", said);
    if (rv == -ETIMEDOUT)
        return err_set(err, ERR_DEADLINE, "systemd did not answer within %d s",
                       SCOPE_CALL_MS / 1000);
    if (said)
        return err_set(err, ERR_UNAVAILABLE, "systemd refuses it: %s", said);
    err_sys(err, -rv, "cannot speak to systemd");
    if (err)
        err->code = ERR_UNAVAILABLE;
    return -1;
}

static int bus_open(struct bus_call *c, struct err *err)
{
    int rv = geteuid() == 0 ? sd_bus_open_system(&c->bus) : sd_bus_open_user(&c->bus);
    if (rv >= 0)
        rv = sd_bus_set_method_call_timeout(c->bus, (uint64_t)SCOPE_CALL_MS * 1000);
    if (rv >= 0)
        return 0;
    err_sys(err, -rv, "cannot reach the %s's bus", geteuid() == 0 ? "system" : "user");
    if (err)
        err->code = ERR_UNAVAILABLE;
    return -1;
}

static int bus_send(struct bus_call *c, sd_bus_message *m, struct err *err)
{
    sd_bus_error_free(&c->error);
    c->reply = sd_bus_message_unref(c->reply);
    /* It may be started by the bus: where that is up before systemd has found it, as for the first
     * of a user's who calls, this waits for systemd. A host without one has nothing to be started.
     */
    int rv = sd_bus_call(c->bus, m, 0, &c->error, &c->reply);
    return rv < 0 ? bus_failed(c, rv, err) : 0;
}

static int bus_unbuilt(int rv, struct err *err)
{
    return err_sys(err, -rv, "cannot write a message to systemd");
}

/* Jobs: what starts and stops units ends later, and that is a signal. */

static int bus_on_job(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    struct bus_call *c = arg;
    const char *job, *result;
    (void)error;
    if (sd_bus_message_read(m, "uoss", NULL, &job, NULL, &result) < 0 || !c->job ||
        strcmp(job, c->job) != 0)
        return 0;
    c->job_over = true;
    snprintf(c->job_result, sizeof(c->job_result), "%s", result);
    return 0;
}

static int bus_begin_job(struct bus_call *c, struct err *err)
{
    sd_bus_error_free(&c->error); /* the call before may have had one */
    int rv = sd_bus_match_signal(c->bus, NULL, MANAGER, "JobRemoved", bus_on_job, c);
    return rv < 0 ? bus_failed(c, rv, err) : 0;
}

/* Signals that came before the reply wait in the connection: none is missed. */
static int bus_wait_job(struct bus_call *c, struct err *err)
{
    int64_t deadline_ms = clock_mono_ms() + SCOPE_CALL_MS;
    int rv = sd_bus_message_read(c->reply, "o", &c->job);
    while (rv >= 0 && !c->job_over) {
        int64_t left_ms = deadline_ms - clock_mono_ms();
        rv = left_ms <= 0 ? -ETIMEDOUT : sd_bus_process(c->bus, NULL);
        if (rv == 0)
            rv = sd_bus_wait(c->bus, (uint64_t)left_ms * 1000);
    }
    if (rv < 0)
        return bus_failed(c, rv, err);
    if (strcmp(c->job_result, "done") != 0)
        return err_set(err, ERR_UNAVAILABLE, "systemd's job ended as \"%s\"", c->job_result);
    return 0;
}

/* Names */

/* A dash in a slice's name is a step down: banger.slice and banger-TAG.slice are above it. */
static const char *slice_prefix(void)
{
    return geteuid() == 0 ? "banger" : "app-banger";
}

static int slice_derive_name(const char *tag, const char *vm_id, char name[VM_PATH_BYTES],
                             struct err *err)
{
    (void)err; /* it always fits: SCOPE_TAG_BYTES */
    snprintf(name, VM_PATH_BYTES, "%s-%s-%s.slice", slice_prefix(), tag, vm_id);
    return 0;
}

/* Of one launch alone: systemd may not have noticed yet that the one before is gone. */
static void slice_scope_name(const char *slice, pid_t pid, char name[VM_PATH_BYTES + 16])
{
    int stem = (int)(strlen(slice) - strlen(".slice"));
    snprintf(name, VM_PATH_BYTES + 16, "%.*s-%d.scope", stem, slice, (int)pid);
}

/* Properties */

static uint64_t or_infinite(uint64_t value)
{
    return value > 0 ? value : UINT64_MAX;
}

static int slice_append_limits(sd_bus_message *m, const struct vm_limits *l)
{
    uint64_t cpu_us = (uint64_t)l->cpu_quota_percent * 10000; /* in each second */
    return sd_bus_message_append(m, "(sv)(sv)(sv)", "MemoryMax", "t",
                                 or_infinite(l->memory_max_bytes), "CPUQuotaPerSecUSec", "t",
                                 or_infinite(cpu_us), "TasksMax", "t", or_infinite(l->tasks_max));
}

/* Takes m. */
static int slice_send(struct bus_call *c, sd_bus_message *m, int rv, struct err *err)
{
    int failed = rv < 0 ? bus_unbuilt(rv, err) : bus_send(c, m, err);
    sd_bus_message_unref(m);
    return failed;
}

static int slice_start(struct bus_call *c, const char *name, const struct vm_limits *limits,
                       struct err *err)
{
    sd_bus_message *m = NULL;
    if (bus_begin_job(c, err) < 0)
        return -1;
    int rv = sd_bus_message_new_method_call(c->bus, &m, MANAGER, "StartTransientUnit");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "ss", name, "fail");
    if (rv >= 0)
        rv = sd_bus_message_open_container(m, 'a', "(sv)");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "(sv)", "Description", "s", "a banger VM");
    if (rv >= 0)
        rv = slice_append_limits(m, limits);
    if (rv >= 0)
        rv = sd_bus_message_close_container(m);
    if (rv >= 0)
        rv = sd_bus_message_append(m, "a(sa(sv))", 0);
    return slice_send(c, m, rv, err) < 0 ? -1 : bus_wait_job(c, err);
}

static int slice_set(struct bus_call *c, const char *name, const struct vm_limits *limits,
                     struct err *err)
{
    sd_bus_message *m = NULL;
    int rv = sd_bus_message_new_method_call(c->bus, &m, MANAGER, "SetUnitProperties");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "sb", name, 1);
    if (rv >= 0)
        rv = sd_bus_message_open_container(m, 'a', "(sv)");
    if (rv >= 0)
        rv = slice_append_limits(m, limits);
    if (rv >= 0)
        rv = sd_bus_message_close_container(m);
    return slice_send(c, m, rv, err);
}

/* The object */

/* Units that systemd forgets with us have no file that somebody wrote. */
static int slice_check(struct bus_call *c, const char *name, struct err *err)
{
    sd_bus_message *m = NULL;
    const char *path;
    char *state = NULL;
    int transient = 0;
    int rv = sd_bus_message_new_method_call(c->bus, &m, MANAGER, "GetUnit");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "s", name);
    if (slice_send(c, m, rv, err) < 0)
        return -1;
    rv = sd_bus_message_read(c->reply, "o", &path);
    if (rv >= 0)
        rv = sd_bus_get_property_trivial(c->bus, "org.freedesktop.systemd1", path, UNIT,
                                         "Transient", &c->error, 'b', &transient);
    if (rv >= 0)
        rv = sd_bus_get_property_string(c->bus, "org.freedesktop.systemd1", path, UNIT,
                                        "ActiveState", &c->error, &state);
    if (rv < 0)
        return bus_failed(c, rv, err);
    bool active = strcmp(state, "active") == 0;
    free(state);
    if (!transient)
        return err_set(err, ERR_PRECONDITION, "unit %s is not ours: it has a file", name);
    return active ? 0 : err_set(err, ERR_NOT_FOUND, "unit %s is not active", name);
}

static int slice_find(const char *name, struct err *err)
{
    auto_bus struct bus_call c = {.bus = NULL};
    return bus_open(&c, err) < 0 ? -1 : slice_check(&c, name, err);
}

static int slice_make(const char *name, const struct vm_limits *limits, struct err *err)
{
    auto_bus struct bus_call c = {.bus = NULL};
    struct err none = ERR_INIT;
    if (bus_open(&c, err) < 0)
        return -1;
    if (slice_check(&c, name, &none) == 0)
        return slice_set(&c, name, limits, err);
    if (none.code == ERR_NOT_FOUND)
        return slice_start(&c, name, limits, err);
    if (err)
        *err = none;
    return -1;
}

static int slice_remove(const char *name, struct err *err)
{
    auto_bus struct bus_call c = {.bus = NULL};
    sd_bus_message *m = NULL;
    struct err why = ERR_INIT;
    if (bus_open(&c, err) < 0 || bus_begin_job(&c, err) < 0)
        return -1;
    int rv = sd_bus_message_new_method_call(c.bus, &m, MANAGER, "StopUnit");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "ss", name, "replace");
    if (slice_send(&c, m, rv, &why) == 0)
        return bus_wait_job(&c, err);
    if (why.code == ERR_NOT_FOUND)
        return 0;
    if (err)
        *err = why;
    return -1;
}

static int slice_first_process(const char *name, pid_t *pid, struct err *err)
{
    auto_bus struct bus_call c = {.bus = NULL};
    sd_bus_message *m = NULL;
    struct err why = ERR_INIT;
    uint32_t first = 0;
    *pid = 0;
    if (bus_open(&c, err) < 0)
        return -1;
    int rv = sd_bus_message_new_method_call(c.bus, &m, MANAGER, "GetUnitProcesses");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "s", name);
    if (slice_send(&c, m, rv, &why) < 0) {
        if (why.code == ERR_NOT_FOUND)
            return 0;
        if (err)
            *err = why;
        return -1;
    }
    rv = sd_bus_message_enter_container(c.reply, 'a', "(sus)");
    if (rv >= 0)
        rv = sd_bus_message_read(c.reply, "(sus)", NULL, &first, NULL);
    if (rv < 0)
        return bus_failed(&c, rv, err);
    *pid = (pid_t)first;
    return 0;
}

/* 1, 0: it ended meanwhile, or somebody wrote it; -1. */
static int slice_is_ours(const char *name, struct err *err)
{
    struct err why = ERR_INIT;
    if (slice_find(name, &why) == 0)
        return 1;
    if (why.code == ERR_NOT_FOUND || why.code == ERR_PRECONDITION)
        return 0;
    if (err)
        *err = why;
    return -1;
}

static int slice_list_reply(struct bus_call *c, const char *tag,
                            void (*found)(void *arg, const char *name, const char *vm_id),
                            void *arg, struct err *err)
{
    sd_bus_message *m = c->reply;
    char stem[VM_PATH_BYTES];
    const char *name, *state;
    int rv = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");
    int len = snprintf(stem, sizeof(stem), "%s-%s-", slice_prefix(), tag);
    while (rv > 0 && (rv = sd_bus_message_read(m, "(ssssssouso)", &name, NULL, NULL, &state, NULL,
                                               NULL, NULL, NULL, NULL, NULL)) > 0) {
        char vm_id[ID_BYTES];
        if (strncmp(name, stem, (size_t)len) != 0 || strcmp(state, "active") != 0 ||
            strlen(name) != (size_t)len + ID_CHARS + strlen(".slice") ||
            strcmp(name + len + ID_CHARS, ".slice") != 0)
            continue;
        snprintf(vm_id, sizeof(vm_id), "%.*s", ID_CHARS, name + len);
        int ours = id_is_valid(vm_id) ? slice_is_ours(name, err) : 0;
        if (ours < 0)
            return -1;
        if (ours)
            found(arg, name, vm_id);
    }
    return rv < 0 ? bus_failed(c, rv, err) : 0;
}

static int slice_list(const char *tag,
                      void (*found)(void *arg, const char *name, const char *vm_id), void *arg,
                      struct err *err)
{
    auto_bus struct bus_call c = {.bus = NULL};
    sd_bus_message *m = NULL;
    char pattern[VM_PATH_BYTES];
    snprintf(pattern, sizeof(pattern), "%s-%s-*.slice", slice_prefix(), tag);
    if (bus_open(&c, err) < 0)
        return -1;
    int rv = sd_bus_message_new_method_call(c.bus, &m, MANAGER, "ListUnitsByPatterns");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "asas", 0, 1, pattern);
    if (slice_send(&c, m, rv, err) < 0)
        return -1;
    return slice_list_reply(&c, tag, found, arg, err);
}

static int slice_enter(const char *name, pid_t pid, struct err *err)
{
    auto_bus struct bus_call c = {.bus = NULL};
    sd_bus_message *m = NULL;
    char scope[VM_PATH_BYTES + 16];
    slice_scope_name(name, pid, scope);
    if (bus_open(&c, err) < 0 || bus_begin_job(&c, err) < 0)
        return -1;
    int rv = sd_bus_message_new_method_call(c.bus, &m, MANAGER, "StartTransientUnit");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "ssa(sv)a(sa(sv))", scope, "fail", 5, "Description", "s",
                                   "VMM of a banger VM", "Slice", "s", name, "PIDs", "au", 1,
                                   (uint32_t)pid, "TasksMax", "t", UINT64_MAX, "CollectMode", "s",
                                   "inactive-or-failed", 0);
    return slice_send(&c, m, rv, err) < 0 ? -1 : bus_wait_job(&c, err);
}

/* Choosing */

/* The user's manager ends with his last log-out unless he lingers, and with it its units; a daemon
 * that is one of them ends with it anyway. */
static int systemd_check_lingers(struct err *err)
{
    char path[512], line[4096], of_manager[64];
    const struct passwd *user = getpwuid(geteuid());
    snprintf(path, sizeof(path), "/var/lib/systemd/linger/%s", user ? user->pw_name : "");
    if (user && access(path, F_OK) == 0)
        return 0;
    FILE *file = fopen("/proc/self/cgroup", "re");
    snprintf(of_manager, sizeof(of_manager), "/user@%u.service/", (unsigned)geteuid());
    bool below = false;
    while (file && fgets(line, sizeof(line), file))
        below |= strstr(line, of_manager) != NULL;
    if (file)
        fclose(file);
    if (below)
        return 0;
    return err_set(err, ERR_PRECONDITION,
                   "VMs would end with your last log-out (loginctl enable-linger)");
}

/* What a user's manager was given; the system's has every controller there is, of cgroup v1 too. */
static void systemd_find_limits(struct bus_call *c, struct host_scope *host)
{
    char *group = NULL, mount[VM_PATH_BYTES], path[1024], lacking[64];
    host->can = (1u << N_SCOPE_LIMITS) - 1;
    if (geteuid() == 0)
        return;
    host->can = 0;
    if (host_scope_find_mount(mount, NULL) == 0 &&
        sd_bus_get_property_string(c->bus, MANAGER, "ControlGroup", NULL, &group) >= 0) {
        snprintf(path, sizeof(path), "%s%s/cgroup.controllers", mount, group);
        host->can = host_scope_read_controllers(path);
    }
    free(group);
    host_scope_name_lacking(host->can, lacking);
    if (lacking[0])
        snprintf(host->why_not, sizeof(host->why_not),
                 "your user's systemd was not given the controller %s (Delegate= of user@.service)",
                 lacking);
}

static int systemd_probe(struct host_scope *host, struct err *err)
{
    auto_bus struct bus_call c = {.bus = NULL};
    sd_bus_message *m = NULL;
    if (bus_open(&c, err) < 0)
        return -1;
    int rv = sd_bus_message_new_method_call(c.bus, &m, "org.freedesktop.systemd1",
                                            "/org/freedesktop/systemd1",
                                            "org.freedesktop.DBus.Properties", "Get");
    if (rv >= 0)
        rv = sd_bus_message_append(m, "ss", "org.freedesktop.systemd1.Manager", "Version");
    if (slice_send(&c, m, rv, err) < 0 || (geteuid() != 0 && systemd_check_lingers(err) < 0))
        return -1;
    systemd_find_limits(&c, host);
    return 0;
}

const struct scope_backend scope_systemd = {
    .name = "systemd",
    .probe = systemd_probe,
    .derive_name = slice_derive_name,
    .make = slice_make,
    .find = slice_find,
    .remove = slice_remove,
    .first_process = slice_first_process,
    .list = slice_list,
    .enter = slice_enter,
};
