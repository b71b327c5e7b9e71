/* A state folder that is moved to another file system under a VM that runs: a copy and a deletion,
 * which leave its process with files that nobody else has. It is told, never started a second time,
 * and ended when that is asked for. moved_folder_test sim|qemu
 *
 * The other file system is a tmpfs in a mount namespace of this program's own. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { END_MS = 15000, GUEST_MS = 120000, MAP_BYTES = 48, STATE_BYTES = 40 };

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];

static bool write_own(const char *name, const char *text)
{
    char path[48];
    snprintf(path, sizeof(path), "/proc/self/%s", name);
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static const char *map_of(char map[MAP_BYTES], unsigned id)
{
    snprintf(map, MAP_BYTES, "%u %u 1", id, id);
    return map;
}

/* Before any thread. */
static bool own_mounts(void)
{
    char map[MAP_BYTES];
    uid_t uid = getuid();
    gid_t gid = getgid();
    if (unshare(CLONE_NEWNS) < 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
            return false;
        if (!write_own("setgroups", "deny") || !write_own("uid_map", map_of(map, uid)) ||
            !write_own("gid_map", map_of(map, gid)))
            return false;
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

__attribute__((format(printf, 1, 2))) static void shell(const char *fmt, ...)
{
    char line[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    CHECK_INT(system(line), 0);
}

static void use_state(const char *path)
{
    snprintf(h.state, sizeof(h.state), "%s", path);
    snprintf(h.socket, sizeof(h.socket), "%s/run/bangerd.sock", h.state);
}

static void start_there(void)
{
    harness_start(&h, NULL);
    banger_close(client);
    client = harness_connect(&h);
}

static bool box_works(void)
{
    static const char *const argv[] = {"sh", "-c", "exit 5", NULL};
    return steps_run(client, &h, box, argv, NULL, 0, NULL, 0) == 5;
}

/* It says which process, and where; nothing is started beside it. */
static void check_left_behind(int pid)
{
    struct banger_error error = {0};
    char process[32];
    snprintf(process, sizeof(process), "process %d ", pid);
    if (!CHECK(steps_await_vm(&h, client, box, VM_STATE(UNKNOWN), END_MS)))
        return;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = box;
    Banger__V1__VM *vm = banger_get_vm(client, &get, NULL, &error);
    if (CHECK(vm != NULL)) {
        CHECK_CONTAINS(vm->runtime->last_error, process);
        CHECK_CONTAINS(vm->runtime->last_error, "another file system");
    }
    banger_message_free(vm ? &vm->base : NULL);
    CHECK_INT(steps_do(client, STEPS_START, box, &error), -1);
    CHECK_INT(steps_do(client, STEPS_RECOVER, box, &error), -1);
    CHECK_CONTAINS(error.message, process);
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(UNKNOWN));
    CHECK(harness_alive(pid));
}

static void what_is_left_behind_is_told_and_killed(void)
{
    char to[STATE_BYTES];
    struct banger_error error = {0};
    int pid = steps_vm_pid(client, box);
    harness_end(&h, SIGTERM);
    snprintf(to, sizeof(to), "%s/m/s", h.dir);
    shell("mv %s %s", h.state, to);
    use_state(to);
    start_there();
    check_left_behind(pid);
    harness_crash(&h);
    check_left_behind(pid);
    CHECK_INT(steps_do(client, STEPS_KILL, box, &error), 0);
    CHECK(!harness_alive(pid));
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(STOPPED));
    /* It goes on with what was moved. */
    CHECK_INT(steps_do(client, STEPS_START, box, &error), 0);
    CHECK_STR(error.message, "");
    CHECK(box_works());
}

/* Its loop has nothing to do: to be stopped then holds up no callback. */
static bool daemon_sleeps(void *arg)
{
    char path[48], *text = NULL;
    (void)arg;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)h.daemon);
    const char *state = fs_read(path, 4096, &text, NULL, NULL) == 0 ? strrchr(text, ')') : NULL;
    bool sleeps = state && strncmp(state, ") S", 3) == 0;
    free(text);
    return sleeps;
}

/* The daemon ends, since its folder is gone. It stands still meanwhile, lest it make its lock file
 * anew in what is being deleted. */
static void moved_while_the_daemon_runs(void)
{
    char to[STATE_BYTES];
    struct banger_error error = {0};
    int pid = steps_vm_pid(client, box), status = 0;
    snprintf(to, sizeof(to), "%s/back", h.dir);
    CHECK(harness_until(daemon_sleeps, NULL, END_MS));
    kill(h.daemon, SIGSTOP);
    shell("mv %s %s", h.state, to);
    kill(h.daemon, SIGCONT);
    CHECK(harness_wait_end(&h, END_MS, &status));
    CHECK(harness_alive(pid));
    use_state(to);
    start_there();
    check_left_behind(pid);
    /* Whoever ends it: that it has ended is seen. */
    kill(pid, SIGKILL);
    CHECK(steps_await_vm(&h, client, box, VM_STATE(STOPPED), GUEST_MS));
    CHECK_INT(steps_do(client, STEPS_START, box, &error), 0);
    CHECK(box_works());
}

/* Copied to a new disk, which was then mounted where the folder had been. */
static void hidden_by_a_mount(void)
{
    struct banger_error error = {0};
    int pid = steps_vm_pid(client, box);
    harness_end(&h, SIGTERM);
    shell("cp -a %s/. %s/n", h.state, h.dir);
    shell("mount --move %s/n %s", h.dir, h.state);
    start_there();
    check_left_behind(pid);
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK(!harness_alive(pid));
    CHECK_INT(steps_count_vms(&h, client), 0);
}

static void mount_below(const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", h.dir, name);
    if (mkdir(path, 0700) < 0 || mount("banger-test", path, "tmpfs", 0, "mode=0700") < 0)
        harness_die(&h, "cannot mount on %s: %s", path, strerror(errno));
}

int main(int argc, char **argv)
{
    struct banger_error error = {0};
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    if (!own_mounts())
        return check_skip("no mount namespace of our own, so no other file system");
    mount_below("m");
    mount_below("n");
    harness_start(&h, NULL);
    if (h.boots)
        harness_import_assets(&h);
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(what_is_left_behind_is_told_and_killed);
    RUN(moved_while_the_daemon_runs);
    RUN(hidden_by_a_mount);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
