/* Stands in for systemd's manager on a bus: as much of org.freedesktop.systemd1 as scopes take,
 * held to what systemd 252 takes. Transient slices and scopes, with properties of the right names
 * and types and no others; a scope adopts a process that lives and is gone with it; jobs end later,
 * by a signal. Prints a line for each call that changes something, with all of its arguments.
 *
 * stand_in [hang|file UNIT]: never answers what starts units; has such a unit with a file. The bus
 * is DBUS_SYSTEM_BUS_ADDRESS. Ends with its stdin. */
#include <fnmatch.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

enum { UNITS_MAX = 32, NAME_ROOM = 256 };

#define MANAGER "org.freedesktop.systemd1.Manager"
#define UNIT    "org.freedesktop.systemd1.Unit"
#define ROOT    "/org/freedesktop/systemd1"

struct unit {
    char name[NAME_ROOM]; /* "": free */
    char slice[NAME_ROOM];
    int transient;
    pid_t pid; /* of a scope */
    int pidfd;
};

static struct unit units[UNITS_MAX];
static sd_bus *bus;
static bool hangs;
static unsigned n_jobs;

static struct unit *find_unit(const char *name)
{
    for (size_t i = 0; i < UNITS_MAX; i++)
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    return NULL;
}

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), n = strlen(end);
    return len > n && strcmp(name + len - n, end) == 0;
}

static void forget(struct unit *u)
{
    if (u->pid)
        close(u->pidfd);
    *u = (struct unit){.name = ""};
}

static void unit_path(const struct unit *u, char path[64])
{
    snprintf(path, 64, ROOT "/unit/u%d", (int)(u - units));
}

/* Replies with a job, and tells its end behind that. */
static int reply_job(sd_bus_message *call, const char *unit)
{
    char job[64];
    snprintf(job, sizeof(job), ROOT "/job/%u", ++n_jobs);
    int rv = sd_bus_reply_method_return(call, "o", job);
    if (rv < 0)
        return rv;
    return sd_bus_emit_signal(bus, ROOT, MANAGER, "JobRemoved", "uoss", n_jobs, job, unit, "done");
}

static int refuse(sd_bus_message *call, const char *name, const char *text)
{
    printf("refused %s: %s\n", sd_bus_message_get_member(call), text);
    return sd_bus_reply_method_errorf(call, name, "%s", text);
}

#define BAD "org.freedesktop.DBus.Error.InvalidArgs"

/* One property into the unit; -1: systemd knows no such one of this type, or not on such a unit. */
static int take_property(sd_bus_message *m, struct unit *u)
{
    static const struct {
        const char *name, *type;
        bool of_scope, of_slice;
    } known[] = {{"Description", "s", true, true},
                 {"MemoryMax", "t", true, true},
                 {"CPUQuotaPerSecUSec", "t", true, true},
                 {"TasksMax", "t", true, true},
                 {"Slice", "s", true, false},
                 {"PIDs", "au", true, false},
                 {"CollectMode", "s", true, true}};
    const char *name, *text, *type;
    uint64_t number;
    uint32_t pid;
    size_t i = 0;
    bool scope = ends_with(u->name, ".scope");
    if (sd_bus_message_read(m, "s", &name) < 0 || sd_bus_message_peek_type(m, NULL, &type) < 0)
        return -1;
    while (i < sizeof(known) / sizeof(known[0]) && strcmp(known[i].name, name) != 0)
        i++;
    if (i == sizeof(known) / sizeof(known[0]) || strcmp(known[i].type, type) != 0 ||
        !(scope ? known[i].of_scope : known[i].of_slice) ||
        sd_bus_message_enter_container(m, 'v', type) < 0)
        return -1;
    if (*type == 's') {
        if (sd_bus_message_read(m, "s", &text) < 0)
            return -1;
        printf(" %s=%s", name, text);
        if (strcmp(name, "Slice") == 0)
            snprintf(u->slice, sizeof(u->slice), "%s", text);
    } else if (*type == 't') {
        if (sd_bus_message_read(m, "t", &number) < 0 || number == 0)
            return -1;
        if (number == UINT64_MAX)
            printf(" %s=infinity", name);
        else
            printf(" %s=%llu", name, (unsigned long long)number);
    } else {
        if (sd_bus_message_enter_container(m, 'a', "u") < 0 ||
            sd_bus_message_read(m, "u", &pid) <= 0 || sd_bus_message_exit_container(m) < 0)
            return -1;
        u->pid = (pid_t)pid;
        printf(" PIDs=%s", "one");
    }
    return sd_bus_message_exit_container(m);
}

static int take_properties(sd_bus_message *m, struct unit *u)
{
    int rv = sd_bus_message_enter_container(m, 'a', "(sv)");
    while (rv >= 0 && (rv = sd_bus_message_enter_container(m, 'r', "sv")) > 0)
        if ((rv = take_property(m, u)) >= 0)
            rv = sd_bus_message_exit_container(m);
    return rv < 0 ? rv : sd_bus_message_exit_container(m);
}

static int on_start(sd_bus_message *m, void *data, sd_bus_error *error)
{
    const char *name, *mode;
    struct unit u = {.transient = 1}, *place;
    (void)data, (void)error;
    if (sd_bus_message_read(m, "ss", &name, &mode) < 0)
        return -1;
    if (hangs)
        return 1;
    if (find_unit(name))
        return refuse(m, "org.freedesktop.systemd1.UnitExists", "such a unit exists");
    bool scope = ends_with(name, ".scope");
    if (strcmp(mode, "fail") != 0 || (!scope && !ends_with(name, ".slice")) ||
        strlen(name) >= NAME_ROOM)
        return refuse(m, BAD, "no such mode, or unit");
    snprintf(u.name, sizeof(u.name), "%s", name);
    printf("start %s", name);
    int rv = take_properties(m, &u);
    printf("\n");
    if (rv < 0 || sd_bus_message_skip(m, "a(sa(sv))") < 0)
        return refuse(m, BAD, "no such property");
    if (scope) {
        u.pidfd = u.pid ? (int)syscall(SYS_pidfd_open, u.pid, 0) : -1;
        if (u.pidfd < 0)
            return refuse(m, BAD, "a scope adopts a process");
        if (!find_unit(u.slice))
            return refuse(m, BAD, "no such slice");
    }
    place = find_unit("");
    if (!place)
        return refuse(m, BAD, "too many");
    *place = u;
    return reply_job(m, name);
}

static int on_set(sd_bus_message *m, void *data, sd_bus_error *error)
{
    const char *name;
    int runtime;
    (void)data, (void)error;
    if (sd_bus_message_read(m, "sb", &name, &runtime) < 0)
        return -1;
    struct unit *u = find_unit(name);
    if (!u || !runtime)
        return refuse(m, BAD, "no such unit, or for good");
    printf("set %s", name);
    int rv = take_properties(m, u);
    printf("\n");
    return rv < 0 ? refuse(m, BAD, "no such property") : sd_bus_reply_method_return(m, NULL);
}

static int no_such_unit(sd_bus_message *m, const char *name)
{
    return sd_bus_reply_method_errorf(m, "org.freedesktop.systemd1.NoSuchUnit",
                                      "Unit %s not loaded.", name);
}

static int on_get(sd_bus_message *m, void *data, sd_bus_error *error)
{
    const char *name;
    char path[64];
    (void)data, (void)error;
    if (sd_bus_message_read(m, "s", &name) < 0)
        return -1;
    const struct unit *u = *name ? find_unit(name) : NULL;
    if (!u)
        return no_such_unit(m, name);
    unit_path(u, path);
    return sd_bus_reply_method_return(m, "o", path);
}

static int on_stop(sd_bus_message *m, void *data, sd_bus_error *error)
{
    const char *name, *mode;
    (void)data, (void)error;
    if (sd_bus_message_read(m, "ss", &name, &mode) < 0)
        return -1;
    struct unit *u = *name ? find_unit(name) : NULL;
    if (!u)
        return no_such_unit(m, name);
    printf("stop %s %s\n", name, mode);
    for (size_t i = 0; i < UNITS_MAX; i++) /* what is in a slice stops with it */
        if (strcmp(units[i].slice, name) == 0)
            forget(&units[i]);
    int rv = reply_job(m, name);
    forget(u);
    return rv;
}

static int on_processes(sd_bus_message *m, void *data, sd_bus_error *error)
{
    const char *name;
    sd_bus_message *reply = NULL;
    (void)data, (void)error;
    if (sd_bus_message_read(m, "s", &name) < 0)
        return -1;
    if (!*name || !find_unit(name))
        return no_such_unit(m, name);
    int rv = sd_bus_message_new_method_return(m, &reply);
    if (rv >= 0)
        rv = sd_bus_message_open_container(reply, 'a', "(sus)");
    for (size_t i = 0; rv >= 0 && i < UNITS_MAX; i++)
        if (units[i].pid && strcmp(units[i].slice, name) == 0)
            rv = sd_bus_message_append(reply, "(sus)", "/", (uint32_t)units[i].pid, "x");
    if (rv >= 0)
        rv = sd_bus_message_close_container(reply);
    if (rv >= 0)
        rv = sd_bus_send(bus, reply, NULL);
    sd_bus_message_unref(reply);
    return rv;
}

static int on_list(sd_bus_message *m, void *data, sd_bus_error *error)
{
    sd_bus_message *reply = NULL;
    const char *pattern;
    char path[64];
    (void)data, (void)error;
    int rv = sd_bus_message_skip(m, "as");
    if (rv < 0 || sd_bus_message_enter_container(m, 'a', "s") < 0 ||
        sd_bus_message_read(m, "s", &pattern) <= 0)
        return -1;
    rv = sd_bus_message_new_method_return(m, &reply);
    if (rv >= 0)
        rv = sd_bus_message_open_container(reply, 'a', "(ssssssouso)");
    for (size_t i = 0; rv >= 0 && i < UNITS_MAX; i++) {
        if (!units[i].name[0] || fnmatch(pattern, units[i].name, FNM_NOESCAPE) != 0)
            continue;
        unit_path(&units[i], path);
        rv = sd_bus_message_append(reply, "(ssssssouso)", units[i].name, "", "loaded", "active",
                                   "active", "", path, 0, "", "/");
    }
    if (rv >= 0)
        rv = sd_bus_message_close_container(reply);
    if (rv >= 0)
        rv = sd_bus_send(bus, reply, NULL);
    sd_bus_message_unref(reply);
    return rv;
}

static int get_text(sd_bus *b, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *data, sd_bus_error *error)
{
    (void)b, (void)path, (void)interface, (void)data, (void)error;
    return sd_bus_message_append(reply, "s", strcmp(property, "Version") == 0 ? "252" : "active");
}

static int get_transient(sd_bus *b, const char *path, const char *interface, const char *property,
                         sd_bus_message *reply, void *data, sd_bus_error *error)
{
    const struct unit *u = data;
    (void)b, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "b", u->transient);
}

static int find_object(sd_bus *b, const char *path, const char *interface, void *data, void **found,
                       sd_bus_error *error)
{
    unsigned i;
    (void)b, (void)interface, (void)data, (void)error;
    if (sscanf(path, ROOT "/unit/u%u", &i) != 1 || i >= UNITS_MAX || !units[i].name[0])
        return 0;
    *found = &units[i];
    return 1;
}

static const sd_bus_vtable manager[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "s", get_text, 0, 0),
    SD_BUS_METHOD("StartTransientUnit", "ssa(sv)a(sa(sv))", "o", on_start,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SetUnitProperties", "sba(sv)", "", on_set, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetUnit", "s", "o", on_get, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("StopUnit", "ss", "o", on_stop, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetUnitProcesses", "s", "a(sus)", on_processes, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ListUnitsByPatterns", "asas", "a(ssssssouso)", on_list,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable unit_object[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Transient", "b", get_transient, 0, 0),
    SD_BUS_PROPERTY("ActiveState", "s", get_text, 0, 0),
    SD_BUS_VTABLE_END,
};

/* Scopes whose process has ended are gone. */
static void collect(void)
{
    for (size_t i = 0; i < UNITS_MAX; i++) {
        struct pollfd p = {.fd = units[i].pidfd, .events = POLLIN};
        if (units[i].pid && poll(&p, 1, 0) > 0) {
            printf("gone %s\n", units[i].name);
            forget(&units[i]);
        }
    }
}

static int serve(void)
{
    for (;;) {
        int rv;
        while ((rv = sd_bus_process(bus, NULL)) > 0)
            collect();
        struct pollfd p[UNITS_MAX + 2] = {{.fd = 0, .events = 0},
                                          {.fd = sd_bus_get_fd(bus), .events = POLLIN}};
        nfds_t n = 2;
        for (size_t i = 0; i < UNITS_MAX; i++)
            if (units[i].pid)
                p[n++] = (struct pollfd){.fd = units[i].pidfd, .events = POLLIN};
        if (rv < 0 || poll(p, n, -1) < 0 || p[0].revents)
            return rv < 0;
        collect();
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    hangs = argc > 1 && strcmp(argv[1], "hang") == 0;
    if (argc > 2 && strcmp(argv[1], "file") == 0)
        snprintf(units[0].name, NAME_ROOM, "%s", argv[2]);
    if (sd_bus_open_system(&bus) < 0 ||
        sd_bus_add_object_vtable(bus, NULL, ROOT, MANAGER, manager, NULL) < 0 ||
        sd_bus_add_fallback_vtable(bus, NULL, ROOT "/unit", UNIT, unit_object, find_object, NULL) <
            0 ||
        sd_bus_request_name(bus, "org.freedesktop.systemd1", 0) < 0)
        return EXIT_FAILURE;
    printf("ready\n");
    return serve();
}
