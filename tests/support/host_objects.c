/* What the kernel has of VMs; see host_objects.h. */
#include "tests/support/host_objects.h"

#include <dirent.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/host/object.h"
#include "daemon/host/scope.h"
#include "daemon/model/state_tag.h"
#include "daemon/priv/priv_names.h"
#include "tests/support/check.h"

void host_objects_want(struct harness *h)
{
    static bool looked, taps, groups;
    if (!looked) {
        taps = geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0 &&
               system("nft --version >/dev/null 2>&1") == 0 && harness_own_network();
        host_scope_choose("cgroup");
        groups = host_scope()->usable;
        looked = true;
    }
    h->tap = taps;
    h->groups = groups;
}

void host_objects_open(struct harness *h, const char *driver)
{
    harness_prepare(h, driver);
    host_objects_want(h);
    h->args[0] = "--scopes";
    h->args[1] = h->groups ? "cgroup" : "none";
}

static size_t count_taps(void)
{
    size_t n = 0;
    struct if_nameindex *all = if_nameindex();
    for (struct if_nameindex *i = all; i && i->if_index; i++)
        n += priv_is_tap_name(i->if_name);
    if (all)
        if_freenameindex(all);
    return n;
}

static bool is_quoted_tap(const char *quote)
{
    char name[PRIV_TAP_BYTES];
    snprintf(name, sizeof(name), "%.*s", PRIV_TAP_BYTES - 1, quote + 1);
    return priv_is_tap_name(name) && quote[PRIV_TAP_BYTES] == '"';
}

/* No table is no rules. */
static void count_rules(struct host_objects *o)
{
    char line[4096];
    bool in_lists = false;
    FILE *nft = popen("nft list table inet banger 2>/dev/null", "r");
    while (nft && fgets(line, sizeof(line), nft)) {
        if (strchr(line, '{') && !strstr(line, "elements"))
            in_lists = strstr(line, "set listed {") != NULL;
        for (const char *at = line; (at = strchr(at, '"')); at++)
            *(in_lists ? &o->listed : &o->rules) += is_quoted_tap(at);
    }
    if (nft)
        pclose(nft);
}

static size_t count_groups(const struct harness *h)
{
    static const char *const trees[] = {"/sys/fs/cgroup/banger", "/sys/fs/cgroup/unified/banger"};
    char tag[STATE_TAG_BYTES];
    size_t n = 0;
    if (state_tag(h->state, tag, NULL) < 0)
        return 0;
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        auto_dir DIR *dir = opendir(trees[i]);
        for (const struct dirent *e; dir && (e = readdir(dir));)
            n += strncmp(e->d_name, tag, strlen(tag)) == 0;
    }
    return n;
}

/* Block devices of whose file below /sys/block is_ours says yes. */
static size_t count_devices(const struct harness *h, const char *file,
                            bool (*is_ours)(const struct harness *h, const char *text))
{
    size_t n = 0;
    auto_dir DIR *dir = opendir("/sys/block");
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        char path[300];
        auto_free char *text = NULL;
        snprintf(path, sizeof(path), "/sys/block/%s/%s", e->d_name, file);
        if (fs_read(path, 4096, &text, NULL, NULL) == 0) {
            text[strcspn(text, "\n")] = '\0';
            n += is_ours(h, text);
        }
    }
    return n;
}

static bool is_file_of(const struct harness *h, const char *text)
{
    size_t len = strlen(h->state);
    return strncmp(text, h->state, len) == 0 && text[len] == '/';
}

static bool is_disk_of(const struct harness *h, const char *text)
{
    struct priv_owner owner;
    char vm_id[ID_BYTES];
    return priv_owner_of(h->state, &owner, NULL) == 0 && priv_dm_uuid_read(&owner, text, vm_id);
}

void host_objects_count(const struct harness *h, struct host_objects *o)
{
    *o = (struct host_objects){.taps = h->tap ? count_taps() : 0,
                               .groups = h->groups ? count_groups(h) : 0,
                               .disks = count_devices(h, "dm/uuid", is_disk_of),
                               .loops = count_devices(h, "loop/backing_file", is_file_of)};
    if (h->tap)
        count_rules(o);
}

bool host_objects_are_of(const struct harness *h, size_t vms)
{
    struct host_objects o;
    host_objects_count(h, &o);
    bool are = CHECK_INT(o.taps, h->tap ? vms : 0);
    are &= CHECK_INT(o.rules, h->tap ? 2 * vms : 0);
    are &= CHECK_INT(vms > 0 ? 0 : o.listed, 0);
    are &= CHECK_INT(o.disks, 0);
    are &= CHECK_INT(o.loops, 0);
    return CHECK_INT(o.groups, h->groups ? vms : 0) && are;
}

__attribute__((format(printf, 2, 3))) static void run(const struct harness *h, const char *fmt, ...)
{
    char command[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof(command), fmt, ap);
    va_end(ap);
    if (system(command) != 0)
        harness_die(h, "%s", command);
}

void host_objects_plant(const struct harness *h, const char *id)
{
    struct priv_owner owner;
    char tap[PRIV_TAP_BYTES], label[PRIV_LABEL_BYTES], group[VM_PATH_BYTES];
    CHECK_INT(priv_owner_of(h->state, &owner, NULL), 0);
    priv_tap_name(&owner, id, tap);
    priv_label(&owner, id, label);
    if (h->groups &&
        CHECK_INT(object_scope.derive_name(h->state, id, OBJECT_SCOPE, group, NULL), 0))
        run(h, "mkdir %s", group);
    if (!h->tap)
        return;
    run(h, "ip tuntap add dev %s mode tap && ip link set %s alias '%s'", tap, tap, label);
    run(h, "nft add element inet banger taps \\{ '\"%s\"' comment '\"%s\"' \\}", tap, label);
    run(h, "nft add element inet banger egress \\{ '\"%s\"' : goto egress_all \\}", tap);
}

pid_t host_objects_helper(const struct harness *h)
{
    char path[64], name[32];
    snprintf(path, sizeof(path), "/proc/%d/task", (int)h->daemon);
    auto_dir DIR *tasks = opendir(path); /* whichever thread has begun it */
    for (const struct dirent *e; tasks && (e = readdir(tasks));) {
        char list[96];
        int pid;
        snprintf(list, sizeof(list), "/proc/%d/task/%.20s/children", (int)h->daemon, e->d_name);
        auto_file FILE *file = fopen(list, "re");
        while (file && fscanf(file, "%d", &pid) == 1) {
            snprintf(path, sizeof(path), "/proc/%d/comm", pid);
            auto_file FILE *comm = fopen(path, "re");
            if (comm && fscanf(comm, "%31s", name) == 1 && strcmp(name, "banger-priv") == 0)
                return pid;
        }
    }
    return 0;
}

size_t host_objects_fds(pid_t pid)
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
    auto_dir DIR *dir = opendir(path);
    while (dir && readdir(dir))
        n++;
    return n;
}
