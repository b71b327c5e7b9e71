/* A state folder belongs to one daemon, which is found by its lock and keeps what it is found by:
 * whatever is moved or deleted under it, VMs run on. state_folder_test sim */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/holder.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { MEND_MS = 10000, END_MS = 15000, OUT_BYTES = 8192 };

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];

static void in_state(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", h.state, name);
}

/* banger COMMAND 2>&1 as a user of this state folder has it, to whom the environment gives another
 * runtime folder; its exit status. */
static int run_banger(char out[OUT_BYTES], const char *words)
{
    char line[1024];
    snprintf(line, sizeof(line),
             "env -u BANGER_SOCKET BANGER_STATE_DIR=%s BANGER_RUNTIME_DIR=%s/newly-made "
             "BANGER_CONFIG_DIR=%s/c BANGER_DAEMON='%s' BANGER_DRIVER=sim BANGER_CONFIG=/dev/null "
             "BANGER_AGENT='%s' '%s' %s 2>&1",
             h.state, h.dir, h.dir, harness_daemon_path(), BANGER_TEST_SIM_AGENT_FILE,
             BANGER_TEST_CLI_FILE, words);
    fflush(stdout);
    FILE *f = popen(line, "re");
    size_t n = f ? fread(out, 1, OUT_BYTES - 1, f) : 0;
    out[n] = '\0';
    int status = f ? pclose(f) : -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool answers(void *arg)
{
    (void)arg;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", h.socket);
    auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool is_serving(void *arg)
{
    struct holder *found = arg, seen;
    if (!found)
        found = &seen;
    return holder_find(h.state, found) == HOLDER_ALIVE && strcmp(found->phase, HOLDER_SERVING) == 0;
}

static bool box_works(void)
{
    static const char *const argv[] = {"sh", "-c", "exit 5", NULL};
    return steps_run(client, &h, box, argv, NULL, 0, NULL, 0) == 5;
}

static void reconnect(void)
{
    banger_close(client);
    client = harness_connect(&h);
}

static void lock_file_says_who_holds_the_folder(void)
{
    struct holder found;
    CHECK(harness_until(is_serving, &found, MEND_MS));
    CHECK_INT(found.pid, h.daemon);
    CHECK_STR(found.socket, h.socket);
    CHECK(found.folder_id[0]);
    int pidfd = holder_pidfd(&found);
    CHECK(pidfd >= 0);
    close(pidfd);
}

/* Whether a second daemon for the same folder is refused soon and harms nothing. */
static void check_second_is_refused(const char *when)
{
    struct harness second = h;
    int pid = steps_vm_pid(client, box), before = check_failures;
    snprintf(second.socket, sizeof(second.socket), "%s/second.sock", h.dir);
    snprintf(second.log, sizeof(second.log), "%s/second.log", h.dir);
    second.daemon = 0;
    second.pidfd = -1;
    CHECK_INT(harness_try_start(&second, NULL), -1);
    char *text = NULL;
    CHECK_INT(fs_read(second.log, 1 << 20, &text, NULL, NULL), 0);
    CHECK_CONTAINS(text, "another bangerd uses");
    free(text);
    unlink(second.log);
    CHECK(pid > 0 && harness_alive(pid));
    CHECK_INT(steps_vm_pid(client, box), pid);
    CHECK(box_works());
    if (check_failures > before)
        fprintf(stderr, "(%s)\n", when);
}

static bool lock_is_there(void *arg)
{
    return access(arg, F_OK) == 0 && is_serving(NULL);
}

static void deleted_lock_is_made_again(void)
{
    char lock[128];
    in_state(lock, "lock");
    check_second_is_refused("with the lock file");
    CHECK_INT(unlink(lock), 0);
    check_second_is_refused("just after the lock file was deleted");
    CHECK(harness_until(lock_is_there, lock, MEND_MS));
    CHECK_INT(unlink(lock), 0);
    CHECK_INT(fs_write_atomic(lock, "", 0, 0600, NULL), 0);
    CHECK(harness_until(is_serving, NULL, MEND_MS));
    check_second_is_refused("after another was put in its place");
}

static void lost_socket_is_listened_on_again(void)
{
    char folder[128];
    in_state(folder, "run");
    CHECK_INT(unlink(h.socket), 0);
    CHECK(harness_until(answers, NULL, MEND_MS));
    CHECK_INT(fs_remove_tree(folder, NULL), 0);
    CHECK(harness_until(answers, NULL, MEND_MS));
    CHECK(box_works());
}

/* cron, su -, a runtime folder made anew: the environment names a place where nobody listens. */
static void daemon_is_found_by_its_lock(void)
{
    char out[OUT_BYTES];
    CHECK_INT(run_banger(out, "vm list -q"), 0);
    CHECK_CONTAINS(out, box);
    CHECK_INT(run_banger(out, "daemon status"), 0);
    CHECK_CONTAINS(out, h.socket);
    /* Also while its own socket is away. */
    CHECK_INT(unlink(h.socket), 0);
    CHECK_INT(run_banger(out, "vm list -q"), 0);
    CHECK_CONTAINS(out, box);
}

static bool moved_to_spare(void *arg)
{
    struct holder found;
    return is_serving(&found) && strcmp(found.socket, arg) == 0;
}

/* The runtime folder went at log-out, and cannot be made: a file is in its place. */
static void daemon_without_its_runtime_folder_is_found(void)
{
    char out[OUT_BYTES], folder[128], spare[128], usual[72];
    snprintf(usual, sizeof(usual), "%s", h.socket);
    in_state(spare, "run/bangerd.sock");
    snprintf(folder, sizeof(folder), "%s/rt", h.dir);
    harness_end(&h, SIGTERM);
    snprintf(h.socket, sizeof(h.socket), "%s/rt/b.sock", h.dir);
    harness_start(&h, NULL);
    CHECK_INT(fs_remove_tree(folder, NULL), 0);
    CHECK_INT(fs_write_atomic(folder, "", 0, 0600, NULL), 0);
    CHECK(harness_until(moved_to_spare, spare, MEND_MS));
    CHECK_INT(run_banger(out, "vm list -q"), 0);
    CHECK_CONTAINS(out, box);
    CHECK_INT(unlink(folder), 0);
    CHECK(harness_until(answers, NULL, MEND_MS));
    harness_end(&h, SIGTERM);
    snprintf(h.socket, sizeof(h.socket), "%s", usual);
    harness_start(&h, NULL);
    reconnect();
    CHECK(box_works());
}

static void other_version_is_told_on_one_line(void)
{
    char out[OUT_BYTES], lock[128], *text = NULL;
    struct holder note;
    in_state(lock, "lock");
    CHECK_INT(fs_read(lock, 4096, &text, NULL, NULL), 0);
    CHECK_INT(run_banger(out, "vm list -q"), 0);
    CHECK(!strstr(out, "another version"));
    if (CHECK_INT(holder_read(text, &note), 0)) {
        char with_other[HOLDER_TEXT_BYTES];
        snprintf(note.version, sizeof(note.version), "0.0.7");
        size_t n = holder_write(&note, with_other);
        auto_fd int fd = open(lock, O_WRONLY | O_CLOEXEC);
        CHECK_INT(pwrite(fd, with_other, n, 0), (ssize_t)n);
        CHECK_INT(ftruncate(fd, (off_t)n), 0);
    }
    free(text);
    CHECK_INT(run_banger(out, "vm list -q"), 0);
    CHECK_CONTAINS(out, "another version (0.0.7, this is ");
    CHECK_CONTAINS(out, "banger daemon stop");
    CHECK_CONTAINS(out, box);
    /* One line, on stderr: what is behind it is the answer. */
    CHECK_INT(run_banger(out, "vm list -o json"), 0);
    CHECK_CONTAINS(out, "another version");
    CHECK_CONTAINS(out, "\n{");
    CHECK(strstr(out, "\n{") == strchr(out, '\n'));
    char quiet[64 + STEPS_ID_BYTES];
    snprintf(quiet, sizeof(quiet), "vm show %s -o json 2>/dev/null | head -c 1 #", box);
    CHECK_INT(run_banger(out, quiet), 0);
    CHECK_STR(out, "{");
}

static void stop_says_so_when_the_process_has_ended(void)
{
    char out[OUT_BYTES];
    int pid = steps_vm_pid(client, box), status = -1;
    CHECK_INT(run_banger(out, "daemon stop"), 0);
    CHECK_CONTAINS(out, "has ended");
    CHECK(harness_wait_end(&h, 0, &status)); /* it is over already */
    CHECK_INT(status, 0);
    CHECK_INT(run_banger(out, "daemon status"), 3);
    CHECK(harness_alive(pid));
    /* And of one that cannot be reached, or hangs: by its lock. */
    harness_start(&h, NULL);
    CHECK(harness_until(is_serving, NULL, MEND_MS));
    char folder[128];
    in_state(folder, "run");
    CHECK_INT(fs_remove_tree(folder, NULL), 0);
    CHECK_INT(run_banger(out, "daemon stop"), 0);
    CHECK(harness_wait_end(&h, 0, &status));
    harness_start(&h, NULL);
    reconnect();
    CHECK_INT(steps_vm_pid(client, box), pid);
}

static void check_start_with_handles(const char *what, int made)
{
    int pid = steps_vm_pid(client, box), before = check_failures;
    char name[64], path[128];
    snprintf(name, sizeof(name), "vms/%s/handles.json", box);
    in_state(path, name);
    harness_end(&h, SIGKILL);
    CHECK_INT(unlink(path), 0);
    if (made == 0)
        CHECK_INT(mkfifo(path, 0600), 0);
    else if (made == 1)
        CHECK_INT(mkdir(path, 0700), 0);
    else if (made == 2)
        CHECK_INT(symlink("/dev/zero", path), 0);
    else if (made == 3)
        CHECK(mknod(path, S_IFCHR | 0600, 0x501) == 0 || errno == EPERM);
    else if (made == 4)
        CHECK(fs_write_atomic(path, "{}", 2, 0600, NULL) == 0 &&
              (chown(path, 4242, 4242) == 0 || errno == EPERM));
    else
        CHECK(fs_write_atomic(path, "{}", 2, 0600, NULL) == 0 && truncate(path, 1L << 40) == 0);
    harness_start(&h, NULL);
    CHECK_INT(steps_vm_pid(client, box), pid);
    CHECK(box_works());
    int status = harness_end(&h, SIGTERM);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    fs_remove_tree(path, NULL);
    harness_start(&h, NULL);
    CHECK_INT(steps_vm_pid(client, box), pid);
    CHECK(harness_alive(pid));
    CHECK_INT(fs_write_atomic(path, "{}", 2, 0600, NULL), 0);
    if (check_failures > before)
        fprintf(stderr, "(with %s as handles.json)\n", what);
}

static void any_kind_of_handles_file_is_passed_over(void)
{
    static const char *const kinds[] = {"a FIFO",   "a folder",       "a link",
                                        "a device", "another's file", "a huge file"};
    for (int i = 0; i < (int)(sizeof(kinds) / sizeof(kinds[0])); i++)
        check_start_with_handles(kinds[i], i);
}

/* Stops the daemon and tries to start it with something wrong: its log must say what. */
static void check_no_start(const char *says)
{
    char *text = NULL;
    struct harness wrong = h;
    snprintf(wrong.log, sizeof(wrong.log), "%s/wrong.log", h.dir);
    CHECK_INT(harness_try_start(&wrong, NULL), -1);
    CHECK_INT(fs_read(wrong.log, 1 << 20, &text, NULL, NULL), 0);
    CHECK_CONTAINS(text, says);
    free(text);
    unlink(wrong.log);
}

static void files_of_other_kinds_end_the_start_with_a_reason(void)
{
    static const char *const names[] = {"banger.db-wal", "banger.db-shm", "lock", "identity"};
    char path[128], kept[140];
    harness_end(&h, SIGTERM);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        in_state(path, names[i]);
        snprintf(kept, sizeof(kept), "%s.kept", path);
        rename(path, kept);
        CHECK_INT(mkfifo(path, 0600), 0);
        check_no_start(path);
        unlink(path);
        rename(kept, path);
    }
    CHECK_INT(chmod(h.state, 0770), 0);
    check_no_start("chmod go-w");
    CHECK_INT(chmod(h.state, 0700), 0);
    in_state(path, "run");
    if (chown(path, 4242, 4242) == 0) {
        check_no_start("belongs to user 4242");
        CHECK_INT(chown(path, 0, 0), 0);
    }
    harness_start(&h, NULL);
    CHECK(box_works());
}

static void rename_state(const char *name)
{
    char to[sizeof(h.state)];
    snprintf(to, sizeof(to), "%s/%s", h.dir, name);
    CHECK_INT(rename(h.state, to), 0);
    snprintf(h.state, sizeof(h.state), "%s", to);
    snprintf(h.socket, sizeof(h.socket), "%s/run/bangerd.sock", h.state);
}

/* The daemon says so and ends; one at the old place has an empty folder and touches no VM; one at
 * the new place goes on with what runs. */
static void folder_renamed_while_the_daemon_runs(void)
{
    struct harness other = h;
    char *text = NULL;
    int pid = steps_vm_pid(client, box), status = 0;
    rename_state("t");
    CHECK(harness_wait_end(&h, END_MS, &status));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    CHECK_INT(fs_read(h.log, 1 << 22, &text, NULL, NULL), 0);
    CHECK_CONTAINS(text, "was moved to");
    CHECK_CONTAINS(text, h.state);
    free(text);
    CHECK(harness_alive(pid));

    other.daemon = 0;
    other.pidfd = -1;
    harness_start(&other, NULL);
    struct banger_client *there = harness_connect(&other);
    CHECK_INT(steps_count_vms(&other, there), 0);
    CHECK(harness_alive(pid));
    harness_start(&h, NULL);
    reconnect();
    CHECK(steps_await_vm(&h, client, box, VM_STATE(RUNNING), END_MS));
    CHECK_INT(steps_vm_pid(client, box), pid);
    CHECK(box_works());
    /* Both serve a folder, and neither the other's: also a start beside it ends nothing. */
    harness_crash(&other);
    CHECK(harness_alive(pid));
    CHECK(box_works());
    banger_close(there);
    int end = harness_end(&other, SIGTERM);
    CHECK(WIFEXITED(end) && WEXITSTATUS(end) == 0);
}

static void folder_moved_while_the_daemon_is_stopped(void)
{
    struct banger_error error = {0};
    int pid = steps_vm_pid(client, box);
    harness_end(&h, SIGTERM);
    rename_state("u");
    harness_start(&h, NULL);
    reconnect();
    CHECK_INT(steps_vm_pid(client, box), pid);
    CHECK(box_works());
    /* The next turn of its life is at the new place. */
    CHECK_INT(steps_do(client, STEPS_STOP, box, &error), 0);
    CHECK(!harness_alive(pid));
    harness_end(&h, SIGTERM);
    rename_state("v");
    harness_start(&h, NULL);
    reconnect();
    CHECK(steps_await_vm(&h, client, box, VM_STATE(STOPPED), END_MS));
    CHECK_INT(steps_do(client, STEPS_START, box, &error), 0);
    CHECK_STR(error.message, "");
    CHECK(box_works());
    CHECK(steps_vm_pid(client, box) != pid);
}

/* A copy has the same ids and paths like the first one's: its daemon sees that the process is not
 * in its folder. */
static void copy_of_a_folder_touches_no_vm_of_the_first(void)
{
    struct harness copy = h;
    char line[128];
    int pid = steps_vm_pid(client, box);
    harness_end(&h, SIGTERM);
    snprintf(copy.state, sizeof(copy.state), "%s/w", h.dir);
    snprintf(copy.socket, sizeof(copy.socket), "%s/run/bangerd.sock", copy.state);
    snprintf(line, sizeof(line), "cp -a %s %s", h.state, copy.state);
    CHECK_INT(system(line), 0);
    harness_start(&h, NULL);
    copy.daemon = 0;
    copy.pidfd = -1;
    harness_start(&copy, NULL);
    struct banger_client *there = harness_connect(&copy);
    CHECK(steps_await_vm(&copy, there, box, VM_STATE(STOPPED), END_MS));
    CHECK_INT(steps_vm_pid(there, box), 0);
    banger_close(there);
    CHECK(harness_alive(pid));
    harness_end(&copy, SIGTERM);
    harness_crash(&h);
    CHECK_INT(steps_vm_pid(client, box), pid);
    CHECK(box_works());
}

/* A daemon from before the lock file had notes, whose socket is lost. */
static void holder_without_a_note_is_told_soon(void)
{
    char out[OUT_BYTES], lock[128], pid[32];
    in_state(lock, "lock");
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    harness_end(&h, SIGTERM);
    auto_fd int fd = open(lock, O_RDWR | O_CLOEXEC);
    CHECK_INT(ftruncate(fd, 0), 0);
    CHECK_INT(flock(fd, LOCK_EX | LOCK_NB), 0);
    int64_t from = clock_mono_ms();
    CHECK_INT(run_banger(out, "vm list"), 125);
    CHECK(clock_mono_ms() - from < MEND_MS);
    CHECK_CONTAINS(out, "older version");
    CHECK_CONTAINS(out, pid);
    CHECK_INT(flock(fd, LOCK_UN), 0);
    harness_start(&h, NULL);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(lock_file_says_who_holds_the_folder);
    RUN(deleted_lock_is_made_again);
    RUN(lost_socket_is_listened_on_again);
    RUN(daemon_is_found_by_its_lock);
    RUN(daemon_without_its_runtime_folder_is_found);
    RUN(other_version_is_told_on_one_line);
    RUN(stop_says_so_when_the_process_has_ended);
    RUN(holder_without_a_note_is_told_soon);
    RUN(any_kind_of_handles_file_is_passed_over);
    RUN(files_of_other_kinds_end_the_start_with_a_reason);
    RUN(folder_renamed_while_the_daemon_runs);
    RUN(folder_moved_while_the_daemon_is_stopped);
    RUN(copy_of_a_folder_touches_no_vm_of_the_first);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
