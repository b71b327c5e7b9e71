/* The stage of the conformance tests; see world.h. */
#include "tests/integration/vmm/world.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/id.h"
#include "daemon/host/object.h"
#include "rpc/event/worker.h"
#include "tests/integration/vmm/guest.h"

static struct err world_last;
bool world_jailed;

static void world_die(const char *what, const struct err *err)
{
    fprintf(stderr, "%s: %s\n", what, err ? err->message : strerror(errno));
    exit(1);
}

static void world_guarded(void *arg)
{
    struct world *w = arg;
    w->late = true;
    loop_stop(w->loop);
}

static void world_exited(void *arg, const struct vmm_exit *how)
{
    struct world *w = arg;
    w->exits++;
    w->exit = *how;
    if (w->waiting_exit)
        loop_stop(w->loop);
}

static const struct vmm_events world_events = {.exited = world_exited};

static void world_open(struct world *w)
{
    struct err err = ERR_INIT;
    w->exits = 0;
    w->m = vmm_open(w->driver, &w->host, &w->config, &world_events, w, &err);
    if (!w->m)
        world_die("open", &err);
}

struct vmm_disk *world_disk(struct world *w, enum vmm_disk_role role)
{
    for (size_t i = 0; i < w->config.n_disks; i++)
        if (w->config.disks[i].role == role)
            return &w->config.disks[i];
    world_die("no such disk", NULL);
    return NULL;
}

static void world_add_disk(struct world *w, enum vmm_disk_role role, const char *kind,
                           const char *image, uint64_t bytes)
{
    struct err err = ERR_INIT;
    struct object o;
    enum object_role as = role == VMM_DISK_SYSTEM ? OBJECT_SYSTEM_DISK : OBJECT_WORK_DISK;
    struct vmm_disk *d = &w->config.disks[w->config.n_disks++];
    if (object_init(&o, kind, w->dir, w->config.vm_id, as, &err) < 0)
        world_die("disk", &err);
    o.bytes = bytes;
    o.source_format = IMAGE_RAW;
    snprintf(o.source, sizeof(o.source), "%s", image);
    if (objects_make(&o, 1, false, -1, &err) < 0)
        world_die("disk", &err);
    d->role = role;
    d->format = o.kind->format == IMAGE_QCOW2 ? VMM_DISK_QCOW2 : VMM_DISK_RAW;
    snprintf(d->serial, sizeof(d->serial), "%s", vmm_disk_role_name(role));
    snprintf(d->path, sizeof(d->path), "%s", o.name);
}

/* What the core makes before it starts a machine. */
static void world_make_disks(struct world *w)
{
    struct err err = ERR_INIT;
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/image.raw", w->dir);
    auto_file FILE *image = fopen(path, "we");
    if (!image || ftruncate(fileno(image), 16 << 20) < 0)
        world_die("image", NULL);
    if (fs_make_dirs(w->config.vm_dir, 0700, &err) < 0)
        world_die("folder", &err);
    bool layers = w->driver->can.disk_formats >> VMM_DISK_QCOW2 & 1;
    world_add_disk(w, VMM_DISK_SYSTEM, layers ? "overlay" : "copy", path, 0);
    world_add_disk(w, VMM_DISK_WORK, "work", "", 8u << 20);
}

static void world_configure(struct world *w, const char *mode)
{
    struct vmm_config *c = &w->config;
    const char *d = w->dir;
    id_make(c->vm_id);
    snprintf(c->vm_dir, sizeof(c->vm_dir), "%s/vms/%s", d, c->vm_id);
    snprintf(c->api_sock_path, sizeof(c->api_sock_path), "%s/api,.sock", c->vm_dir);
    snprintf(c->channel.path, sizeof(c->channel.path), "%s/agent.sock", c->vm_dir);
    snprintf(c->console.log_path, sizeof(c->console.log_path), "%s/console.log", c->vm_dir);
    snprintf(c->initramfs_path, sizeof(c->initramfs_path), "%s/initramfs", d);
    world_make_disks(w);
    snprintf(c->vmlinux_path, sizeof(c->vmlinux_path), "%s",
             w->driver->can.boots ? guest_kernel() : "/nonexistent");
    c->cpus = 1;
    c->memory_bytes = 128u << 20;
    c->channel.kind = vmm_channel_of(w->driver);
    c->channel.port = VMM_AGENT_PORT;
    c->nics[0].backend = vmm_net_of(w->driver);
    vmm_mac_make(c->vm_id, c->nics[0].mac);
    c->n_nics = c->nics[0].backend != NET_NONE;
    if (w->driver->can.boots && guest_write_initramfs(c->initramfs_path, mode) < 0)
        exit(1);
}

void world_init(struct world *w, const struct vmm_driver *driver, const char *mode)
{
    struct err err = ERR_INIT;
    *w = (struct world){.driver = driver};
    strcpy(w->dir, "/tmp/banger-vmm-XXXXXX");
    if (!mkdtemp(w->dir))
        world_die("mkdtemp", NULL);
    w->loop = loop_new(&err);
    w->workers = w->loop ? workers_new(w->loop, "test", 2, 64, &err) : NULL;
    if (!w->workers || timer_init(&w->guard, w->loop, world_guarded, w) < 0)
        world_die("loop", &err);
    const char *firecracker = getenv("BANGER_FIRECRACKER"), *jailer = getenv("BANGER_JAILER");
    w->host = (struct vmm_host){
        .loop = w->loop,
        .quick = w->workers,
        .slow = w->workers,
        .agent_path = AGENT_FILE,
        .firecracker_path = firecracker ? firecracker : FIRECRACKER_FILE,
        .net_path = NET_FILE,
        .jailer_path = jailer ? jailer : JAILER_FILE,
        .firecracker_jailed = world_jailed,
        .firecracker_first_uid = JAILED_FIRST_UID,
        .state_dir = w->dir,
        /* KVM has a test of its own; its trial would cost each test its seconds. */
        .kvm_known = true,
        .kvm_usable = getenv("BANGER_TEST_HOST") != NULL,
    };
    world_configure(w, mode);
    world_open(w);
}

void world_reopen(struct world *w)
{
    vmm_close(w->m);
    world_open(w);
}

void world_done(struct world *w)
{
    struct err err = ERR_INIT;
    world_do(w, W_KILL);
    if (world_scan(w, NULL) > 0)
        world_die("a process of the VM is left", &err);
    vmm_close(w->m);
    workers_close(w->workers);
    timer_done(&w->guard);
    loop_free(w->loop);
    if (fs_remove_tree(w->dir, &err) < 0)
        world_die("clean-up", &err);
}

/* Waiting */

static void world_run(struct world *w)
{
    struct err err = ERR_INIT;
    /* Its guests share processors that are emulated. */
    timer_start(&w->guard, getenv("BANGER_TEST_HOST") ? 4 * WORLD_DEADLINE_MS : WORLD_DEADLINE_MS);
    if (loop_run(w->loop, &err) < 0)
        world_die("loop", &err);
    timer_stop(&w->guard);
    if (w->late)
        world_die("waited in vain", &world_last);
}

void world_done_fn(void *arg, const struct err *err)
{
    struct outcome *o = arg;
    o->calls++;
    if (err) {
        o->err = *err;
        world_last = *err;
    }
    loop_stop(o->world->loop);
}

void world_wait(struct world *w, const struct outcome *o)
{
    while (o->calls == 0)
        world_run(w);
}

void world_wait_exit(struct world *w)
{
    w->waiting_exit = true;
    while (w->exits == 0)
        world_run(w);
    w->waiting_exit = false;
}

enum err_code world_do(struct world *w, enum world_call call)
{
    static void (*const calls[])(struct vmm_machine *, vmm_done_fn *,
                                 void *) = {[W_START] = vmm_start,
                                            [W_KILL] = vmm_kill,
                                            [W_PAUSE] = vmm_pause,
                                            [W_RESUME] = vmm_resume,
                                            [W_DISCARD] = vmm_discard};
    struct outcome o = {.world = w};
    calls[call](w->m, world_done_fn, &o);
    world_wait(w, &o);
    return o.err.code;
}

enum err_code world_adopt(struct world *w, const struct vm_handles *hint)
{
    struct outcome o = {.world = w};
    vmm_adopt(w->m, hint, world_done_fn, &o);
    world_wait(w, &o);
    return o.err.code;
}

enum err_code world_stop(struct world *w, int64_t grace_ms)
{
    struct outcome o = {.world = w};
    vmm_stop(w->m, grace_ms, world_done_fn, &o);
    world_wait(w, &o);
    return o.err.code;
}

const char *world_error(void)
{
    return world_last.message;
}

bool world_up(struct world *w)
{
    if (world_do(w, W_START) == ERR_NONE)
        return true;
    fprintf(stderr, "the machine does not start: %s\n", world_error());
    return false;
}

/* Looking */

bool world_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool world_connects(const struct world *w)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, w->config.channel.path, sizeof(addr.sun_path));
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
}

bool world_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

struct world_scan {
    struct outcome outcome;
    struct vmm_found first;
    size_t n;
};

static void world_scanned(void *arg, const struct vmm_found *found, size_t n, const struct err *err)
{
    struct world_scan *s = arg;
    s->n = n;
    if (n > 0)
        s->first = found[0];
    world_done_fn(&s->outcome, err);
}

size_t world_scan(struct world *w, struct vmm_found *first)
{
    struct world_scan s = {.outcome = {.world = w}};
    char folder[80];
    snprintf(folder, sizeof(folder), "%s/vms", w->dir);
    vmm_scan(&w->host, folder, world_scanned, &s);
    world_wait(w, &s.outcome);
    if (first)
        *first = s.first;
    return s.n;
}
