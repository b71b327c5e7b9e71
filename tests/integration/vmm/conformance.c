/* What every driver behind vmm.h must do, run over each: `vmm_conformance DRIVER [jailed]`.
 *
 * The guest is a tiny initramfs of ours or, where nothing boots, an agent on the host: nothing but
 * vmm.h and what the operating system shows is looked at. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "daemon/host/process.h"
#include "tests/integration/vmm/conformance.h"
#include "tests/integration/vmm/guest.h"
#include "tests/integration/vmm/world.h"
#include "tests/support/check.h"

const struct vmm_driver *driver;

void check_no_remains(const struct world *w)
{
    CHECK(!world_exists(w->config.api_sock_path));
    CHECK(!world_exists(w->config.channel.path));
    char log[600];
    snprintf(log, sizeof(log), "%s/monitor.log", w->config.vm_dir);
    CHECK(!world_exists(log));
    snprintf(log, sizeof(log), "%s/jail", w->config.vm_dir);
    CHECK(!world_exists(log));
}

void check_log_has(const struct world *w, const char *text)
{
    auto_free char *log = NULL;
    if (CHECK_INT(fs_read(w->config.console.log_path, 4 << 20, &log, NULL, NULL), 0))
        CHECK_CONTAINS(log, text);
}

static void test_start_and_kill(void)
{
    struct world w;
    struct vm_handles h;
    world_init(&w, driver, "stay");
    int64_t begun = clock_mono_ms();
    if (!CHECK_INT(world_do(&w, W_START), ERR_NONE))
        goto out;
    printf("     started and answering in %" PRId64 " ms\n", clock_mono_ms() - begun);
    uint64_t start;
    vmm_get_handles(w.m, &h);
    CHECK(h.pid > 0 && world_alive(h.pid));
    CHECK_INT(process_start_time(h.pid, &start, NULL), 0);
    CHECK_INT(h.pid_start_time, start);
    CHECK_INT(strlen(h.host_boot_id), 36);
    CHECK_INT(getsid(h.pid), h.pid); /* a session of its own: it outlives us */
    CHECK(world_connects(&w));
    CHECK_INT(world_do(&w, W_START), ERR_PRECONDITION);
    CHECK_INT(world_do(&w, W_DISCARD), ERR_PRECONDITION);
    CHECK_INT(world_do(&w, W_PAUSE), ERR_NONE);
    CHECK_INT(world_do(&w, W_RESUME), ERR_NONE);
    CHECK_INT(w.exits, 0);
    CHECK_INT(world_do(&w, W_KILL), ERR_NONE);
    world_wait_exit(&w);
    CHECK_INT(w.exits, 1);
    CHECK_INT(w.exit.kind, VMM_EXIT_KILLED);
    CHECK(!world_alive(h.pid));
    check_no_remains(&w);
    vmm_get_handles(w.m, &h);
    CHECK_INT(h.pid, 0);
    CHECK_INT(world_do(&w, W_START), ERR_NONE); /* and again */
out:
    world_done(&w);
}

static void test_second_object_does_not_start_it_again(void)
{
    struct world w;
    struct vm_handles before, after;
    world_init(&w, driver, "stay");
    if (!CHECK(world_up(&w)))
        goto out;
    vmm_get_handles(w.m, &before);
    world_reopen(&w);
    CHECK_INT(world_do(&w, W_START), ERR_PRECONDITION);
    CHECK_INT(world_do(&w, W_DISCARD), ERR_PRECONDITION);
    CHECK(world_connects(&w));
    CHECK_INT(world_adopt(&w, &(struct vm_handles){.pid = 0}), ERR_NONE);
    vmm_get_handles(w.m, &after);
    CHECK_INT(after.pid, before.pid);
out:
    world_done(&w);
}

/* A child of ours that is no VMM. */
static pid_t start_stranger(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execlp("sleep", "sleep", "1000", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void end_stranger(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_adopt(void)
{
    struct world w;
    struct vm_handles real, got;
    pid_t stranger = start_stranger();
    world_init(&w, driver, "stay");
    if (!CHECK(world_up(&w)))
        goto out;
    vmm_get_handles(w.m, &real);
    struct vm_handles hints[] = {
        real,
        {.pid = 0},
        {.pid = stranger},
        {.pid = 0x7ffffff0, .pid_start_time = 77, .host_boot_id = "another boot"},
        {.pid = -1, .pid_start_time = UINT64_MAX},
    };
    snprintf(hints[2].host_boot_id, sizeof(hints[2].host_boot_id), "%s", real.host_boot_id);
    CHECK_INT(process_start_time(stranger, &hints[2].pid_start_time, NULL), 0);
    for (size_t i = 0; i < sizeof(hints) / sizeof(*hints); i++) {
        world_reopen(&w);
        CHECK_INT(world_adopt(&w, &hints[i]), ERR_NONE);
        vmm_get_handles(w.m, &got);
        CHECK_INT(got.pid, real.pid);
        CHECK_INT(got.pid_start_time, real.pid_start_time);
        CHECK(world_alive(stranger));
    }
    CHECK_INT(world_do(&w, W_PAUSE), ERR_NONE); /* control is back as well */
    CHECK_INT(world_do(&w, W_RESUME), ERR_NONE);
    CHECK_INT(world_stop(&w, 0), ERR_NONE);
    world_wait_exit(&w);
    CHECK_INT(w.exits, 1);
    CHECK_INT(w.exit.kind, VMM_EXIT_KILLED);
    CHECK(world_alive(stranger));
    check_no_remains(&w);
out:
    end_stranger(stranger);
    world_done(&w);
}

static void test_adopt_finds_nothing(void)
{
    struct world w;
    pid_t stranger = start_stranger();
    world_init(&w, driver, "stay");
    CHECK_INT(fs_write_atomic(w.config.api_sock_path, "", 0, 0600, NULL), 0);
    CHECK_INT(fs_write_atomic(w.config.channel.path, "", 0, 0600, NULL), 0);
    struct vm_handles hint = {.pid = stranger};
    CHECK_INT(world_adopt(&w, &hint), ERR_NOT_FOUND);
    check_no_remains(&w);
    CHECK(world_alive(stranger));
    CHECK_INT(world_do(&w, W_KILL), ERR_NONE); /* nothing to do is fine */
    CHECK_INT(world_stop(&w, 1000), ERR_NONE);
    CHECK(world_alive(stranger));
    CHECK_INT(w.exits, 0);
    end_stranger(stranger);
    world_done(&w);
}

static void test_stopped_process(void)
{
    struct world w;
    struct vm_handles h;
    world_init(&w, driver, "stay");
    if (!CHECK(world_up(&w)))
        goto out;
    vmm_get_handles(w.m, &h);
    CHECK_INT(kill(h.pid, SIGSTOP), 0);
    world_reopen(&w);
    int64_t begun = clock_mono_ms();
    CHECK_INT(world_adopt(&w, &(struct vm_handles){.pid = 0}), ERR_NONE);
    CHECK_INT(world_do(&w, W_KILL), ERR_NONE);
    CHECK(clock_mono_ms() - begun < 5000);
    world_wait_exit(&w);
    CHECK_INT(w.exit.kind, VMM_EXIT_KILLED);
    CHECK(!world_alive(h.pid));
    check_no_remains(&w);
    /* The same without adopting first, and by a stop. */
    CHECK_INT(world_do(&w, W_START), ERR_NONE);
    vmm_get_handles(w.m, &h);
    CHECK_INT(kill(h.pid, SIGSTOP), 0);
    world_reopen(&w);
    CHECK_INT(world_do(&w, W_KILL), ERR_NONE);
    CHECK(!world_alive(h.pid));
    CHECK_INT(world_do(&w, W_START), ERR_NONE);
    vmm_get_handles(w.m, &h);
    CHECK_INT(kill(h.pid, SIGSTOP), 0);
    CHECK_INT(world_stop(&w, 50), ERR_NONE);
    CHECK(!world_alive(h.pid));
out:
    world_done(&w);
}

static void test_crash_is_told(void)
{
    struct world w;
    struct vm_handles h;
    world_init(&w, driver, "stay");
    if (!CHECK(world_up(&w)))
        goto out;
    vmm_get_handles(w.m, &h);
    CHECK_INT(kill(h.pid, SIGKILL), 0);
    world_wait_exit(&w);
    CHECK_INT(w.exits, 1);
    CHECK_INT(w.exit.kind, VMM_EXIT_CRASHED);
    CHECK_CONTAINS(w.exit.detail, "Killed");
    check_no_remains(&w);
out:
    world_done(&w);
}

/* An agent on this host ends in good order; a guest of mode "off" does so by itself. */
static void power_off(const struct world *w)
{
    struct vm_handles h;
    vmm_get_handles(w->m, &h);
    if (!driver->can.boots)
        CHECK_INT(kill(h.pid, SIGTERM), 0);
}

static void test_guest_powers_off(void)
{
    struct world w;
    world_init(&w, driver, "off");
    if (!CHECK(world_up(&w)))
        goto out;
    power_off(&w);
    world_wait_exit(&w);
    CHECK_INT(w.exits, 1);
    CHECK_INT(w.exit.kind, VMM_EXIT_POWER_OFF);
    check_no_remains(&w);
out:
    world_done(&w);
}

static void test_stop_lets_the_guest_end(void)
{
    struct world w;
    struct outcome stopped = {.world = &w};
    world_init(&w, driver, "off");
    if (!CHECK(world_up(&w)))
        goto out;
    vmm_stop(w.m, 30000, world_done_fn, &stopped);
    power_off(&w);
    world_wait(&w, &stopped);
    CHECK_INT(stopped.err.code, ERR_NONE);
    world_wait_exit(&w);
    CHECK_INT(w.exit.kind, VMM_EXIT_POWER_OFF);
    check_no_remains(&w);
out:
    world_done(&w);
}

static void test_stop_forces_after_grace(void)
{
    struct world w;
    world_init(&w, driver, "stay");
    if (!CHECK(world_up(&w)))
        goto out;
    int64_t begun = clock_mono_ms();
    CHECK_INT(world_stop(&w, 300), ERR_NONE);
    int64_t took = clock_mono_ms() - begun;
    CHECK(took >= 300);
    CHECK(took < 4000);
    world_wait_exit(&w);
    CHECK_INT(w.exit.kind, VMM_EXIT_KILLED);
    check_no_remains(&w);
out:
    world_done(&w);
}

static void test_failed_start_leaves_nothing(void)
{
    struct world w;
    char broken[128];
    world_init(&w, driver, "stay");
    struct vmm_config good = w.config;
    const char *good_agent = w.host.agent_path;
    snprintf(broken, sizeof(broken), "%s/broken", w.dir);
    CHECK_INT(fs_write_atomic(broken, "no kernel\n", 10, 0644, NULL), 0);
    snprintf(w.config.vmlinux_path, sizeof(w.config.vmlinux_path), "%s", broken);
    w.host.agent_path = "/bin/false";
    world_reopen(&w);
    enum err_code code = world_do(&w, W_START);
    CHECK_INT(code, ERR_UNAVAILABLE);
    CHECK_CONTAINS(world_error(), strcmp(driver->name, "firecracker") == 0
                                      ? "firecracker refused the start: Start microvm error"
                                      : "ended with code 1 while starting");
    CHECK_INT(w.exits, 0);
    check_no_remains(&w);
    CHECK_INT(world_scan(&w, NULL), 0);
    w.host.agent_path = "/nonexistent/agent";
    snprintf(w.config.vmlinux_path, sizeof(w.config.vmlinux_path), "/nonexistent/vmlinux");
    world_reopen(&w);
    CHECK(world_do(&w, W_START) != ERR_NONE);
    CHECK_CONTAINS(world_error(), "/nonexistent/");
    check_no_remains(&w);
    w.config = good;
    w.host.agent_path = good_agent;
    world_reopen(&w);
    CHECK_INT(world_do(&w, W_START), ERR_NONE);
    world_done(&w);
}

static void test_kill_preempts(void)
{
    struct world w;
    world_init(&w, driver, "stay");
    struct outcome discarded = {.world = &w}, killed = {.world = &w}, started = {.world = &w},
                   refused = {.world = &w};
    vmm_discard(w.m, world_done_fn, &discarded);
    vmm_start(w.m, world_done_fn, &refused);
    CHECK_INT(discarded.calls + refused.calls, 0);
    world_wait(&w, &refused);
    CHECK_INT(refused.err.code, ERR_PRECONDITION);
    world_wait(&w, &discarded);
    CHECK_INT(discarded.err.code, ERR_NONE);
    vmm_start(w.m, world_done_fn, &started);
    vmm_kill(w.m, world_done_fn, &killed);
    world_wait(&w, &started);
    world_wait(&w, &killed);
    CHECK_INT(started.err.code, ERR_ABORTED);
    CHECK_INT(killed.err.code, ERR_NONE);
    CHECK_INT(world_scan(&w, NULL), 0);
    check_no_remains(&w);
    CHECK_INT(world_do(&w, W_START), ERR_NONE);
    /* A stop with much patience, cut short. */
    struct outcome stopped = {.world = &w};
    killed = (struct outcome){.world = &w};
    vmm_stop(w.m, 3600000, world_done_fn, &stopped);
    vmm_kill(w.m, world_done_fn, &killed);
    world_wait(&w, &stopped);
    world_wait(&w, &killed);
    CHECK_INT(stopped.err.code, ERR_ABORTED);
    CHECK_INT(killed.err.code, ERR_NONE);
    CHECK_INT(started.calls + stopped.calls + killed.calls + discarded.calls + refused.calls, 5);
    world_done(&w);
}

static void test_close_at_any_time(void)
{
    struct world w;
    world_init(&w, driver, "stay");
    struct outcome o = {.world = &w};
    vmm_start(w.m, world_done_fn, &o);
    world_reopen(&w); /* during the job */
    vmm_kill(w.m, world_done_fn, &o);
    world_reopen(&w);
    CHECK(world_up(&w));
    vmm_stop(w.m, 1000, world_done_fn, &o);
    world_reopen(&w); /* during the grace */
    CHECK_INT(world_adopt(&w, &(struct vm_handles){.pid = 0}), ERR_NONE);
    CHECK_INT(o.calls, 0);
    world_done(&w);
    CHECK_INT(o.calls, 0);
}

static void test_discard(void)
{
    struct world w;
    world_init(&w, driver, "stay");
    CHECK_INT(world_do(&w, W_DISCARD), ERR_NONE); /* nothing there is fine */
    if (!CHECK(world_up(&w)))
        goto out;
    CHECK_INT(world_do(&w, W_KILL), ERR_NONE);
    CHECK_INT(world_do(&w, W_DISCARD), ERR_NONE);
    CHECK(!world_exists(w.config.console.log_path));
    /* Its disks are not the driver's, and there is nothing else. */
    CHECK_INT(unlink(world_disk(&w, VMM_DISK_SYSTEM)->path), 0);
    CHECK_INT(unlink(world_disk(&w, VMM_DISK_WORK)->path), 0);
    CHECK_INT(rmdir(w.config.vm_dir), 0);
out:
    world_done(&w);
}

static void test_scan_finds_orphans(void)
{
    struct world w;
    struct vmm_found found = {.pid = 0};
    struct vm_handles h;
    world_init(&w, driver, "stay");
    CHECK_INT(world_scan(&w, NULL), 0);
    if (!CHECK(world_up(&w)))
        goto out;
    vmm_get_handles(w.m, &h);
    CHECK_INT(world_scan(&w, &found), 1);
    CHECK_INT(found.pid, h.pid);
    CHECK_STR(found.vm_id, w.config.vm_id);
    CHECK_STR(found.driver ? found.driver->name : NULL, driver->name);
out:
    world_done(&w);
}

static struct vmm_probe_result probe_result;

static void probed(void *arg, const struct vmm_probe_result *result)
{
    probe_result = *result;
    world_done_fn(arg, NULL);
}

static void test_probe(void)
{
    struct world w;
    world_init(&w, driver, "stay");
    struct outcome o = {.world = &w};
    w.host.kvm_known = false;
    w.host.probe_kernel = driver->can.boots ? w.config.vmlinux_path : NULL;
    vmm_probe(driver, &w.host, probed, &o);
    world_wait(&w, &o);
    CHECK(probe_result.usable);
    CHECK(probe_result.version[0]);
    printf("     version %s, accelerator %s %s\n", probe_result.version, probe_result.accelerator,
           probe_result.explanation);
    if (driver->can.uses_kvm)
        CHECK(w.host.kvm_known);
    world_done(&w);
}

/* With guests that boot */

static void test_a_size_that_it_does_not_take(void)
{
    struct world w;
    world_init(&w, driver, "stay");
    w.config.memory_bytes = 1 << 20;
    world_reopen(&w);
    CHECK_INT(world_do(&w, W_START), ERR_INVALID);
    CHECK_INT(world_scan(&w, NULL), 0);
    check_no_remains(&w);
    world_done(&w);
}

/* Of a test that has failed; they would hold our output open for ever. */
static void end_what_is_left(void)
{
    process_signal_descendants(getpid(), SIGKILL, NULL);
}

int main(int argc, char **argv)
{
    atexit(end_what_is_left);
    struct err err = ERR_INIT;
    world_jailed = argc == 3 && strcmp(argv[2], "jailed") == 0;
    driver = argc == 2 || world_jailed ? vmm_find_driver(argv[1], &err) : NULL;
    if (!driver) {
        fprintf(stderr, "usage: vmm_conformance DRIVER [jailed]: %s\n", err.message);
        return 2;
    }
    if (driver->can.boots && !getenv("BANGER_TEST_ASSETS"))
        return check_skip("no kernel: BANGER_TEST_ASSETS names no folder of test_assets");
    if (driver->can.boots && !guest_kernel()) {
        fprintf(stderr, "no kernel in %s\n", getenv("BANGER_TEST_ASSETS"));
        return 1;
    }
    if (world_jailed && geteuid() != 0)
        return check_skip("firecracker's jailer needs root");
    if (!driver->can.boots && access(AGENT_FILE, X_OK) < 0)
        return check_skip("no agent: build banger-agent-host");
    RUN(test_probe);
    RUN(test_start_and_kill);
    RUN(test_second_object_does_not_start_it_again);
    RUN(test_adopt);
    RUN(test_adopt_finds_nothing);
    RUN(test_stopped_process);
    RUN(test_crash_is_told);
    RUN(test_guest_powers_off);
    RUN(test_stop_lets_the_guest_end);
    RUN(test_stop_forces_after_grace);
    RUN(test_failed_start_leaves_nothing);
    RUN(test_kill_preempts);
    RUN(test_close_at_any_time);
    RUN(test_discard);
    RUN(test_scan_finds_orphans);
    if (driver->can.boots) {
        RUN(test_a_size_that_it_does_not_take);
        conformance_ends();
    }
    if (driver->can.console_input)
        conformance_console();
    if (world_jailed)
        conformance_jail();
    return check_end();
}
