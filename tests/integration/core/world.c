/* A core for tests; see world.h. */
#include "tests/integration/core/world.h"

#include <dirent.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/vm/handles.h"
#include "daemon/core/image/image.h"
#include "daemon/core/supervise/reconcile.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/store/store.h"
#include "rpc/event/worker.h"
#include "tests/support/commit.h"

enum { WORKERS_QUEUED = 1000 };

static void on_ready(void *arg)
{
    struct world *w = arg;
    w->ready = true;
    loop_stop(w->core.loop);
}

static void on_late(void *arg)
{
    struct world *w = arg;
    w->late = true;
    loop_stop(w->core.loop);
}

/* Runs the loop until someone stops it. */
static bool run(struct world *w)
{
    struct err err = ERR_INIT;
    w->late = false;
    timer_start(&w->deadline, WORLD_WAIT_MS);
    if (loop_run(w->core.loop, &err) < 0)
        fprintf(stderr, "loop: %s\n", err.message);
    timer_stop(&w->deadline);
    if (w->late)
        fprintf(stderr, "nothing came within %d ms\n", WORLD_WAIT_MS);
    return !w->late;
}

/* A kernel and an image that ./dev test has made, as if this daemon had: for engines that boot. */
static bool publish_assets(struct core *c, struct err *err)
{
    char path[PATH_BYTES];
    struct kernel kernel = {.name = "test"};
    struct image image = {.name = "debian-bookworm", .format = IMAGE_RAW};
    const char *folder = getenv("BANGER_TEST_ASSETS");
    if (image_next(c, NULL))
        return true;
    snprintf(path, sizeof(path), "%s/assets.json", folder ? folder : "");
    json_t *all = json_load_file(path, 0, NULL);
    const char *kernel_id = "", *vmlinux = "", *initramfs = "", *image_id = "", *file = "";
    bool ok = json_unpack(all, "{s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "kernel", "id", &kernel_id,
                          "vmlinux", &vmlinux, "initramfs", &initramfs, "image", "id", &image_id,
                          "path", &file) == 0;
    snprintf(kernel.id, sizeof(kernel.id), "%s", kernel_id);
    snprintf(kernel.vmlinux_path, sizeof(kernel.vmlinux_path), "%s", vmlinux);
    snprintf(kernel.initramfs_path, sizeof(kernel.initramfs_path), "%s", initramfs);
    snprintf(image.id, sizeof(image.id), "%s", image_id);
    snprintf(image.path, sizeof(image.path), "%s", file);
    snprintf(image.kernel_id, sizeof(image.kernel_id), "%s", kernel_id);
    json_decref(all);
    struct store_txn *txn = store_txn_new();
    ok = ok && kernel_publish(c, &kernel, txn, err) == 0 && image_publish(c, &image, txn, err) == 0;
    commit_now(c->loop, c->store, txn);
    if (!ok)
        err_set(err, ERR_NOT_FOUND, "nothing to boot in %s", path);
    return ok;
}

bool world_open(struct world *w, const char *dir, const char *driver)
{
    struct err err = ERR_INIT;
    memset(w, 0, sizeof(*w));
    if (!getenv("BANGER_TEST_LOG"))
        log_set_level(LOG_LEVEL_ERROR);
    struct core *c = &w->core;
    snprintf(c->config.state_dir, sizeof(c->config.state_dir), "%s", dir);
    snprintf(c->config.default_driver, sizeof(c->config.default_driver), "%s", driver);
    c->config.max_vms = 100;
    c->config.boot_timeout_ms = 30000;
    c->config.stop_grace_ms = 10000;
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/banger.db", dir);
    c->loop = loop_new(&err);
    c->quick = c->loop ? workers_new(c->loop, "quick", WORLD_WORKERS, WORKERS_QUEUED, &err) : NULL;
    c->slow = c->quick ? workers_new(c->loop, "slow", WORLD_WORKERS, WORKERS_QUEUED, &err) : NULL;
    c->privileged =
        c->slow ? workers_new(c->loop, "privileged", WORLD_WORKERS, WORKERS_QUEUED, &err) : NULL;
    c->store = c->privileged ? store_open(c->loop, path, &err) : NULL;
    w->vmm_host = (struct vmm_host){.loop = c->loop,
                                    .quick = c->quick,
                                    .slow = c->slow,
                                    .agent_path = AGENT_FILE,
                                    .net_path = NET_FILE,
                                    .state_dir = c->config.state_dir,
                                    .load_hint = handles_load};
    c->vmm_host = &w->vmm_host;
    bool boots = strcmp(driver, "qemu") == 0;
    if (!c->store || core_open(c, &err) < 0 || (boots && !publish_assets(c, &err)) ||
        timer_init(&w->deadline, c->loop, on_late, w) < 0) {
        fprintf(stderr, "cannot open a core: %s\n", err.message);
        return false;
    }
    reconcile_start(c, on_ready, w);
    return run(w) && w->ready;
}

void world_close(struct world *w)
{
    timer_done(&w->deadline);
    workers_stop(w->core.slow);
    workers_stop(w->core.quick);
    workers_stop(w->core.privileged);
    core_close(&w->core);
    store_close(w->core.store);
    workers_free(w->core.slow);
    workers_free(w->core.quick);
    workers_free(w->core.privileged);
    loop_free(w->core.loop);
}

void world_make_dir(char dir[PATH_BYTES])
{
    snprintf(dir, PATH_BYTES, "/tmp/banger-core-XXXXXX");
    if (!mkdtemp(dir)) {
        perror("mkdtemp");
        exit(EXIT_FAILURE);
    }
}

void world_remove_dir(const char *dir)
{
    struct err err = ERR_INIT;
    if (fs_remove_tree(dir, &err) < 0)
        fprintf(stderr, "%s\n", err.message);
}

static void on_operation(void *arg, struct operation_entry *op)
{
    struct world *w = arg;
    if (operation_is_over(op))
        loop_stop(w->core.loop);
}

bool world_wait(struct world *w, struct operation_entry *op)
{
    if (!op)
        return false;
    struct operation_watch watch;
    operation_watch(op, &watch, on_operation, w);
    bool over = operation_is_over(op) || (run(w) && operation_is_over(op));
    operation_unwatch(&watch);
    return over;
}

bool world_wait_all(struct world *w)
{
    for (;;) {
        struct operation_entry *op = operation_next(&w->core, NULL);
        while (op && operation_is_over(op))
            op = operation_next(&w->core, op);
        if (!op)
            return true;
        if (!world_wait(w, op))
            return false;
    }
}

struct wait_state {
    struct world *w;
    enum vm_state state;
    bool agent;
};

static bool reached(const struct wait_state *s, const struct vm_entry *e)
{
    if (s->agent)
        return vm_guest_is_ready(e);
    return s->state == VM_STATE_UNSPECIFIED ? vm_is_removed(e)
                                            : vm_record(e)->runtime.state == s->state;
}

static void on_vm(void *arg, struct vm_entry *e)
{
    struct wait_state *s = arg;
    if (reached(s, e))
        loop_stop(s->w->core.loop);
}

static bool wait_vm(struct wait_state *s, struct vm_entry *e)
{
    struct vm_watch watch;
    vm_watch(e, &watch, on_vm, s);
    bool there = reached(s, e) || (run(s->w) && reached(s, e));
    vm_unwatch(&watch);
    return there;
}

bool world_wait_state(struct world *w, struct vm_entry *e, enum vm_state state)
{
    return wait_vm(&(struct wait_state){.w = w, .state = state}, e);
}

bool world_wait_agent(struct world *w, struct vm_entry *e)
{
    return wait_vm(&(struct wait_state){.w = w, .agent = true}, e);
}

struct wait_until {
    struct world *w;
    bool (*there)(void *arg);
    void *arg;
};

static void look(void *arg)
{
    struct wait_until *u = arg;
    if (u->there(u->arg))
        loop_stop(u->w->core.loop);
    else if (!u->w->late)
        loop_post(u->w->core.loop, look, u);
}

bool world_wait_until(struct world *w, bool (*there)(void *arg), void *arg)
{
    struct wait_until u = {w, there, arg};
    w->late = false;
    return loop_post(w->core.loop, look, &u) == 0 && run(w);
}

struct count {
    struct world *w;
    int n;
};

static void on_counted(void *arg, const struct vmm_found *found, size_t n, const struct err *err)
{
    struct count *c = arg;
    c->n = err ? -1 : 0;
    for (size_t i = 0; i < n && !err; i++)
        c->n += !found[i].left; /* those may be anybody's whose folder is gone */
    loop_stop(c->w->core.loop);
}

int world_count_monitors(struct world *w)
{
    struct count c = {.w = w, .n = -1};
    char folder[PATH_BYTES + 8];
    snprintf(folder, sizeof(folder), "%s/vms", w->core.config.state_dir);
    vmm_scan(&w->vmm_host, folder, on_counted, &c);
    run(w);
    return c.n;
}

void world_end_process(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    kill(pid, SIGKILL);
    if (fd >= 0 && poll(&ended, 1, WORLD_WAIT_MS) != 1)
        fprintf(stderr, "process %d does not end\n", (int)pid);
    if (fd >= 0)
        close(fd);
}

int world_count_entries(const char *dir, const char *folder)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof(path), "%s/%s", dir, folder);
    DIR *d = opendir(path);
    if (!d)
        return -1;
    int n = 0;
    for (struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

struct vm_entry *world_create(struct world *w, const char *name, bool start)
{
    return world_create_as(w, &(struct vm_create_request){.name = name, .start = start});
}

struct vm_entry *world_create_as(struct world *w, const struct vm_create_request *req)
{
    struct err err = ERR_INIT;
    const char *name = req->name;
    struct operation_entry *op = vm_ask_create(&w->core, req, NULL, &err);
    if (!op) {
        fprintf(stderr, "create %s: %s\n", name, err.message);
        return NULL;
    }
    operation_ref(op);
    bool ok = world_wait(w, op) && operation_row(op)->state == OP_SUCCEEDED;
    if (!ok)
        fprintf(stderr, "create %s: %s: %s\n", name, operation_row(op)->error_stage,
                text_get(operation_row(op)->error_message));
    operation_unref(op);
    return ok ? vm_find(&w->core, name, &err) : NULL;
}
