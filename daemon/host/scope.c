/* Which scopes this host has, and what both ways to make them share; see scope.h. */
#include "daemon/host/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/host/scope_internal.h"

static const struct scope_backend *const scope_backends[] = {&scope_systemd, &scope_cgroup};
enum { SCOPE_BACKENDS = sizeof(scope_backends) / sizeof(scope_backends[0]) };

static const struct scope_backend *scope_chosen;
static struct host_scope scope_found = {.by = "none", .why_not = "nobody asked for any"};

int host_scope_check_wish(const char *wish, struct err *err)
{
    for (size_t i = 0; i < SCOPE_BACKENDS; i++)
        if (strcmp(wish, scope_backends[i]->name) == 0)
            return 0;
    if (strcmp(wish, "auto") == 0 || strcmp(wish, "none") == 0)
        return 0;
    return err_set(err, ERR_INVALID, "\"%s\" is not auto, systemd, cgroup or none", wish);
}

static void scope_say(struct host_scope *host, const char *why)
{
    size_t len = strlen(host->why_not);
    snprintf(host->why_not + len, sizeof(host->why_not) - len, "%s%s", len > 0 ? "; " : "", why);
}

void host_scope_choose(const char *wish)
{
    struct host_scope none = {.by = "none"};
    scope_chosen = NULL;
    for (size_t i = 0; i < SCOPE_BACKENDS && !scope_chosen; i++) {
        const struct scope_backend *b = scope_backends[i];
        struct host_scope host = {.usable = true};
        struct err err = ERR_INIT;
        if (strcmp(wish, "auto") != 0 && strcmp(wish, b->name) != 0)
            continue;
        if (b->probe(&host, &err) < 0) {
            scope_say(&none, err.message);
            continue;
        }
        scope_chosen = b;
        scope_found = host;
        snprintf(scope_found.by, sizeof(scope_found.by), "%s", b->name);
    }
    if (scope_chosen)
        return;
    if (!none.why_not[0])
        scope_say(&none, "the configuration wants none (scopes)");
    scope_found = none;
}

const struct host_scope *host_scope(void)
{
    return &scope_found;
}

const struct scope_backend *host_scope_backend(void)
{
    return scope_chosen;
}

int host_scope_check_limits(const struct vm_limits *limits, struct err *err)
{
    char lacking[64];
    unsigned asked = (limits->memory_max_bytes ? 1u << SCOPE_MEMORY : 0) |
                     (limits->cpu_quota_percent ? 1u << SCOPE_CPU : 0) |
                     (limits->tasks_max ? 1u << SCOPE_TASKS : 0);
    if (!(asked & ~scope_found.can))
        return 0;
    host_scope_name_lacking(~asked | scope_found.can, lacking);
    err_set(err, ERR_PRECONDITION, "this host cannot limit a VM's %s: %s", lacking,
            scope_found.why_not);
    return err_tag(err, "LIMITS_UNAVAILABLE", NULL);
}

int host_scope_enter(const char *name, pid_t pid, struct err *err)
{
    if (!scope_chosen)
        return err_set(err, ERR_PRECONDITION, "there are no scopes: %s", scope_found.why_not);
    return scope_chosen->enter(name, pid, err);
}

/* Shared */

const char *host_scope_limit_name(enum scope_limit limit)
{
    static const char *const names[N_SCOPE_LIMITS] = {"memory", "cpu", "pids"};
    return names[limit];
}

unsigned host_scope_read_controllers(const char *path)
{
    char text[512], *save = NULL;
    unsigned found = 0;
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (n < 0)
        return 0;
    text[n] = '\0';
    for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
        for (int i = 0; i < N_SCOPE_LIMITS; i++)
            if (strcmp(word, host_scope_limit_name((enum scope_limit)i)) == 0)
                found |= 1u << i;
    return found;
}

void host_scope_name_lacking(unsigned can, char text[64])
{
    text[0] = '\0';
    for (int i = 0; i < N_SCOPE_LIMITS; i++)
        if (!(can >> i & 1)) {
            size_t len = strlen(text);
            snprintf(text + len, 64 - len, "%s%s", len > 0 ? ", " : "",
                     host_scope_limit_name((enum scope_limit)i));
        }
}

/* proc_pid_mountinfo(5): the mount point is field 5, the type the first behind " - ". */
int host_scope_find_mount(char path[VM_PATH_BYTES], struct err *err)
{
    char line[4096], point[VM_PATH_BYTES];
    auto_file FILE *file = fopen("/proc/self/mountinfo", "re");
    if (!file)
        return err_sys(err, errno, "cannot read /proc/self/mountinfo");
    while (fgets(line, sizeof(line), file)) {
        const char *type = strstr(line, " - ");
        _Static_assert(sizeof(point) > 127, "as the format says");
        if (!type || strncmp(type + 3, "cgroup2 ", 8) != 0 ||
            sscanf(line, "%*s %*s %*s %*s %127s", point) != 1)
            continue;
        snprintf(path, VM_PATH_BYTES, "%s", point);
        return 0;
    }
    return err_set(err, ERR_PRECONDITION, "cgroup v2 is not mounted");
}
