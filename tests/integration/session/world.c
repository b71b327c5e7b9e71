/* See world.h. */
#include "tests/integration/session/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/event/event.h"
#include "daemon/core/host/room.h"
#include "daemon/core/operation/operation.h"
#include "daemon/core/operation/request_past.h"
#include "daemon/store/store.h"
#include "rpc/event/worker.h"
#include "tests/integration/session/world_ssh.h"
#include "tests/support/commit.h"

struct world world;

static bool (*wanted)(void *arg);
static void *wanted_arg;

/* The stand-in for vm.c */

/* What sessions, and tools behind them, want to hear of VMs. */
enum { LISTENERS = 2 };
static const struct vm_listener *listeners[LISTENERS];
static int n_listeners;

void vm_listen(struct core *core, struct vm_listener *l)
{
    (void)core;
    if (n_listeners < LISTENERS)
        listeners[n_listeners++] = l;
}

#define TELL(event, ...)                                                                           \
    do {                                                                                           \
        for (int i_ = 0; i_ < n_listeners; i_++)                                                   \
            if (listeners[i_]->events->event)                                                      \
                listeners[i_]->events->event(listeners[i_]->arg, __VA_ARGS__);                     \
    } while (0)

int core_check_room(const struct core *core, uint64_t bytes, struct err *err)
{
    (void)core, (void)bytes, (void)err;
    return 0;
}

struct vm_entry *vm_ref(struct vm_entry *e)
{
    return e;
}

void vm_unref(struct vm_entry *e)
{
    (void)e;
}

void world_vm_gone(const char *reason)
{
    TELL(gone, &world.vm, reason);
}

void request_past_others(struct core *core, const struct request_kind *kind)
{
    (void)core, (void)kind;
}

/* Nothing is let go of here. */
void request_past_add(struct core *core, const char *principal, const char *request_id)
{
    (void)core, (void)principal, (void)request_id;
}

struct vm_entry *vm_find_id(struct core *core, const char *id)
{
    (void)core;
    return strcmp(id, world.vm.vm.id) == 0 ? &world.vm : NULL;
}

static void on_up(void *arg, const struct agent_hello *hello)
{
    (void)arg;
    (void)hello;
    world.ups++;
    if (world.on_up)
        world.on_up();
    TELL(link_up, &world.vm);
}

static void on_synced(void *arg)
{
    (void)arg;
    world.vm.guest = VM_GUEST_READY;
    if (world.on_synced)
        world.on_synced();
    TELL(synced, &world.vm);
    world_poke();
}

static void on_down(void *arg, const struct err *why)
{
    (void)arg;
    (void)why;
    world.downs++;
    world.vm.guest = VM_GUEST_DOWN;
    TELL(link_down, &world.vm);
    world_poke();
}

static void on_status(void *arg, const struct agent_session_status *status)
{
    (void)arg;
    TELL(session_status, &world.vm, status);
}

static void on_deleted(void *arg, const char *session_id)
{
    (void)arg;
    TELL(session_deleted, &world.vm, session_id);
    world.deletions++;
    world_poke();
}

void world_agent_deleted(const char *session_id)
{
    on_deleted(NULL, session_id);
}

static void on_stdin_ack(void *arg, const char *session_id, uint64_t offset, bool closed)
{
    (void)arg;
    TELL(stdin_ack, &world.vm, session_id, offset, closed);
}

static void on_shutting_down(void *arg)
{
    (void)arg;
    TELL(shutting_down, &world.vm);
}

void world_shutting_down(void)
{
    on_shutting_down(NULL);
}

static void on_writable(void *arg)
{
    (void)arg;
    TELL(writable, &world.vm);
}

static const struct agent_events agent_events = {
    .link_up = on_up,
    .synced = on_synced,
    .link_down = on_down,
    .session_status = on_status,
    .session_deleted = on_deleted,
    .stdin_ack = on_stdin_ack,
    .writable = on_writable,
    .shutting_down = on_shutting_down,
};

static void must(bool ok, const char *what, const struct err *err)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, err ? err->message : "");
    exit(EXIT_FAILURE);
}

/* Connections over SSH take a second on a busy machine. */
enum { SSH_FEWER = 2, SSH_LONGER = 3 };

/* With BANGER_TEST_CHANNEL=vsock: behind a proxy that behaves as Firecracker's. */
static bool vsock_wanted(void)
{
    const char *kind = getenv("BANGER_TEST_CHANNEL");
    return kind && strcmp(kind, "vsock") == 0;
}

void world_set_cuts(size_t min, size_t max)
{
    size_t scale = world_ssh_wanted() ? SSH_FEWER : 1;
    proxy_set_cuts(&world.proxy, min * scale, max * scale);
}

unsigned world_many_cuts(void)
{
    return world_ssh_wanted() ? 1 : 10;
}

void world_open_link(void)
{
    struct err err = ERR_INIT;
    struct channel_config channel = {.kind = &channel_unix};
    snprintf(channel.socket_path, sizeof(channel.socket_path), "%s",
             world.proxied ? world.proxy.path : world.agent.socket);
    if (world_ssh_wanted())
        world_ssh_use(&channel);
    if (vsock_wanted()) {
        channel.kind = &channel_vsock;
        channel.port = PROXY_VSOCK_PORT;
    }
    world.vm.agent = agent_client_open(world.core.loop, &channel, &agent_events, &world, &err);
    must(world.vm.agent, "agent client", &err);
}

void world_close_link(void)
{
    world.vm.guest = VM_GUEST_DOWN;
    TELL(link_down, &world.vm);
    agent_client_close(world.vm.agent);
    world.vm.agent = NULL;
}

/* The loop */

static void on_deadline(void *arg)
{
    (void)arg;
    world.timed_out = true;
    loop_stop(world.core.loop);
}

void world_poke(void)
{
    if (wanted && wanted(wanted_arg)) {
        wanted = NULL;
        loop_stop(world.core.loop);
    }
}

bool world_run(bool (*done)(void *arg), void *arg)
{
    if (done(arg))
        return true;
    wanted = done;
    wanted_arg = arg;
    world.timed_out = false;
    timer_start(&world.deadline, WORLD_DEADLINE_MS * (world_ssh_wanted() ? SSH_LONGER : 1));
    loop_run(world.core.loop, NULL);
    timer_stop(&world.deadline);
    wanted = NULL;
    if (world.timed_out)
        fprintf(stderr, "the deadline passed\n");
    return !world.timed_out;
}

static void on_tick(void *arg)
{
    struct timer *t = arg;
    world_poke();
    timer_start(t, 20);
}

bool world_await(bool (*done)(void *arg), void *arg)
{
    struct timer tick;
    must(timer_init(&tick, world.core.loop, on_tick, &tick) == 0, "timer", NULL);
    timer_start(&tick, 20);
    bool ok = world_run(done, arg);
    timer_done(&tick);
    return ok;
}

/* The daemon */

static bool link_ready(void *arg)
{
    (void)arg;
    return vm_guest_is_ready(&world.vm);
}

void world_open_daemon(int proxy_kind)
{
    struct err err = ERR_INIT;
    struct core *core = &world.core;
    char path[128];
    core->loop = loop_new(&err);
    must(core->loop, "loop", &err);
    timer_init(&world.deadline, core->loop, on_deadline, NULL);
    snprintf(path, sizeof(path), "%s/banger.db", world.agent.dir);
    core->store = store_open(core->loop, path, &err);
    must(core->store, "store", &err);
    core->quick = workers_new(core->loop, "quick", 2, 256, &err);
    must(core->quick, "workers", &err);
    core->events = event_hub_new(core, &err);
    must(core->events, "events", &err);
    must(session_registry_new(core, &err), "sessions", &err);
    if (vsock_wanted())
        proxy_kind = PROXY_VSOCK;
    world.proxied = proxy_kind >= 0;
    world.ups = world.downs = 0;
    if (world.proxied) {
        snprintf(path, sizeof(path), "%s/proxy.sock", world.agent.dir);
        proxy_open(&world.proxy, core->loop, (enum proxy_kind)proxy_kind, path, world.agent.socket);
    }
    world_open_link();
    must(world_run(link_ready, NULL), "link to the agent", NULL);
}

void world_close_daemon(void)
{
    struct core *core = &world.core;
    if (world.vm.agent)
        world_close_link();
    if (world.proxied)
        proxy_close(&world.proxy);
    workers_stop(core->quick);
    session_registry_free(core->sessions);
    core->sessions = NULL;
    n_listeners = 0;
    workers_free(core->quick);
    store_close(core->store);
    event_hub_free(core->events);
    timer_done(&world.deadline);
    loop_free(core->loop);
}

static void make_source(void)
{
    world.source = malloc(WORLD_SOURCE_BYTES);
    must(world.source, "memory", NULL);
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i + 8 <= WORLD_SOURCE_BYTES; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(world.source + i, &x, 8);
    }
    snprintf(world.source_path, sizeof(world.source_path), "%s/source", world.agent.dir);
    struct err err = ERR_INIT;
    must(fs_write_atomic(world.source_path, world.source, WORLD_SOURCE_BYTES, 0600, &err) == 0,
         "source", &err);
}

void world_begin(void)
{
    agent_process_start(&world.agent);
    make_source();
    struct vm *vm = &world.vm.vm;
    id_make(vm->id);
    snprintf(vm->name, sizeof(vm->name), "box");
    snprintf(vm->runtime.vm_dir, sizeof(vm->runtime.vm_dir), "%s", world.agent.dir);
    vm->runtime.state = VM_RUNNING;
    world.vm.core = &world.core;
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof(path), "%s/banger.db", world.agent.dir);
    /* Sessions refer to their VM's row. */
    struct loop *loop = loop_new(&err);
    struct store *store = store_open(loop, path, &err);
    must(store, "store", &err);
    struct store_txn *txn = store_txn_new();
    store_put_vm(txn, vm);
    commit_now(loop, store, txn);
    store_close(store);
    loop_free(loop);
}

void world_end(void)
{
    agent_process_stop(&world.agent);
    world_ssh_end();
    free(world.source);
}

/* Sessions */

int world_start_async(const char *script, const struct session *more,
                      const struct request_meta *meta,
                      void (*started)(void *arg, struct session_entry *e, const struct err *err),
                      void *arg, struct err *err)
{
    struct session spec = more ? *more : (struct session){0};
    char argv[1024];
    int n = snprintf(argv, sizeof(argv), "/bin/sh%c-c%c%s", 0, 0, script);
    spec.spec.argv = (struct blob){(uint8_t *)argv, (size_t)n + 1};
    return session_start(&world.core, &world.vm, &spec, meta, INT64_MAX, started, arg, NULL, err);
}

struct start {
    struct session_entry *e;
    struct err err;
    bool done;
};

static void on_started(void *arg, struct session_entry *e, const struct err *err)
{
    struct start *s = arg;
    s->e = e;
    if (err)
        s->err = *err;
    s->done = true;
    world_poke();
}

static bool start_done(void *arg)
{
    return ((struct start *)arg)->done;
}

struct session_entry *world_start(const char *script, const struct session *more, struct err *err)
{
    struct start s = {0};
    if (world_start_async(script, more, NULL, on_started, &s, err) < 0)
        return NULL;
    if (!world_run(start_done, &s))
        exit(EXIT_FAILURE); /* its callback would come into this frame */
    if (err)
        *err = s.err;
    return s.e;
}

static void on_changed(void *arg, struct session_entry *e)
{
    (void)arg;
    (void)e;
    world_poke();
}

static bool has_ended(void *arg)
{
    const struct session_entry *e = arg;
    return session_is_terminal(session_shown(e)->state) || session_is_removed(e);
}

bool world_wait_ended(struct session_entry *e)
{
    struct session_watch w;
    session_watch(e, &w, on_changed, NULL);
    bool ok = world_run(has_ended, e);
    session_unwatch(&w);
    return ok;
}

static void on_gone(void *arg, const struct err *err)
{
    must(!err, "deleting a session", err);
    *(bool *)arg = true;
    world_poke();
}

static bool is_gone(void *arg)
{
    return *(bool *)arg;
}

void world_delete(struct session_entry *e, bool force)
{
    struct err err = ERR_INIT;
    bool gone = false;
    must(session_delete(e, force, on_gone, &gone, &err) == 0, "deleting a session", &err);
    must(world_run(is_gone, &gone), "deleting a session", NULL);
}

void world_settle(void)
{
    for (int i = 0; i < 2; i++) {
        struct session_entry *e = world_start("exit 0", NULL, NULL);
        must(e && world_wait_ended(e), "a round with the agent", NULL);
        world_delete(e, true);
    }
}

static bool has_left(void *arg)
{
    return session_left_processes(arg) > 0;
}

struct session_entry *world_leave_one(pid_t *pid)
{
    char script[200], path[100];
    snprintf(path, sizeof(path), "%s/left", world.agent.dir);
    snprintf(script, sizeof(script), "sleep 600 >/dev/null 2>&1 & echo $! >%s", path);
    struct session_entry *e = world_start(script, NULL, NULL);
    must(e && world_wait_ended(e) && world_await(has_left, e), "leaving a process", NULL);
    auto_free char *text = NULL;
    size_t len;
    struct err err = ERR_INIT;
    must(fs_read(path, 32, &text, &len, &err) == 0, "the process that is left", &err);
    *pid = (pid_t)strtol(text, NULL, 10);
    must(*pid > 1, "the process that is left", NULL);
    return e;
}

void world_delete_all(void)
{
    for (struct session_entry *e; (e = session_next(&world.core, NULL));)
        world_delete(e, true);
}
