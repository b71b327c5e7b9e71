/* The daemon is killed and nothing is lost: VMs are adopted by evidence, whatever the scratch file
 * says, and sessions run on. restart_test sim|qemu */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { GUEST_MS = 120000, COUNT = 1000000 };

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static const char *emit;

struct identity {
    int pid;
    uint64_t start_time;
    char boot_id[48];
};

static struct identity identify(const char *vm)
{
    struct identity who = {0};
    struct banger_error error;
    Banger__V1__GetVMHandlesRequest ask = BANGER__V1__GET_VMHANDLES_REQUEST__INIT;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    ask.vm = get.vm = (char *)(uintptr_t)vm;
    Banger__V1__VMHandles *handles = banger_get_vm_handles(client, &ask, NULL, &error);
    Banger__V1__VM *of = banger_get_vm(client, &get, NULL, &error);
    if (CHECK(handles) && CHECK(of)) {
        who.pid = handles->pid;
        who.start_time = handles->pid_start_time;
        snprintf(who.boot_id, sizeof(who.boot_id), "%s", of->boot_id);
    }
    banger_message_free(handles ? &handles->base : NULL);
    banger_message_free(of ? &of->base : NULL);
    return who;
}

static void check_same(const struct identity *before)
{
    struct identity now = identify(box);
    CHECK_INT(now.pid, before->pid);
    CHECK_INT(now.start_time, before->start_time);
    CHECK_STR(now.boot_id, before->boot_id);
    CHECK(before->pid > 0);
    CHECK(before->boot_id[0]);
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(RUNNING));
}

static void start_counter(char id[STEPS_ID_BYTES])
{
    char n[16];
    struct banger_error error;
    snprintf(n, sizeof(n), "%d", COUNT);
    const char *const argv[] = {emit, "count", n, NULL};
    if (steps_start_session(client, &h, box, argv, false, id, &error) < 0)
        harness_die(&h, "the counter does not start: %s", error.message);
}

/* Every number once, in order; returns the last whole one. */
static long check_numbers(struct buf *b)
{
    long want = 1;
    while (buf_len(b) > 0) {
        const uint8_t *at = buf_data(b), *end = memchr(at, '\n', buf_len(b));
        if (!end)
            break;
        if (strtol((const char *)at, NULL, 10) != want) {
            CHECK_INT(strtol((const char *)at, NULL, 10), want);
            return -1;
        }
        want++;
        buf_consume(b, (size_t)(end - at) + 1);
    }
    return want - 1;
}

static void session_runs_on(void)
{
    struct attach_reader live, late;
    char id[STEPS_ID_BYTES];
    start_counter(id);
    struct identity before = identify(box);
    reader_open(&live, client, id, NULL);
    live.keep = true;
    CHECK(reader_await_bytes(&live, 500, GUEST_MS));
    for (int round = 0; round < 3; round++) {
        harness_crash(&h);
        check_same(&before);
        CHECK_INT(steps_session_state(&h, client, id), SESSION_STATE(RUNNING));
        /* The live attach comes back by itself and goes on where it was. */
        CHECK(reader_await_bytes(&live, live.next[1] + 1000, GUEST_MS));
    }
    CHECK(live.opened >= 4);
    CHECK_STR(live.violation, "");
    CHECK_INT(live.gaps, 0);
    uint64_t seen = live.next[1];
    CHECK(check_numbers(&live.out[1]) > 500);
    reader_close(&live);

    reader_open(&late, client, id, NULL);
    late.keep = true;
    CHECK(reader_await_bytes(&late, seen + 1000, GUEST_MS));
    CHECK_INT(late.gaps, 0);
    CHECK(check_numbers(&late.out[1]) > 500);
    Banger__V1__KillSessionRequest end = BANGER__V1__KILL_SESSION_REQUEST__INIT;
    end.session = id;
    Banger__V1__GuestSession *killed = banger_kill_session(client, &end, NULL, NULL);
    CHECK(killed);
    banger_message_free(killed ? &killed->base : NULL);
    CHECK(reader_finish(&late, GUEST_MS));
    CHECK_INT(late.signal, 9);
    reader_close(&late);
}

/* The scratch file and whoever it names are not believed. */
static void with_handles(const char *what, const char *content)
{
    char path[128], id[STEPS_ID_BYTES];
    struct attach_reader r;
    struct err err = ERR_INIT;
    snprintf(path, sizeof(path), "%s/vms/%s/handles.json", h.state, box);
    CHECK_INT(access(path, F_OK), 0);
    start_counter(id);
    struct identity before = identify(box);
    harness_end(&h, SIGKILL);
    if (content)
        CHECK_INT(fs_write_atomic(path, content, strlen(content), 0600, &err), 0);
    else
        CHECK_INT(unlink(path), 0);
    harness_start(&h, NULL);
    int failures = check_failures;
    check_same(&before);
    CHECK_INT(steps_session_state(&h, client, id), SESSION_STATE(RUNNING));
    reader_open(&r, client, id, NULL);
    r.keep = true;
    CHECK(reader_await_bytes(&r, 500, GUEST_MS));
    CHECK(check_numbers(&r.out[1]) > 100);
    reader_close(&r);
    Banger__V1__DeleteSessionRequest del = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    del.session = id;
    del.force = true;
    Banger__V1__Empty *gone = banger_delete_session(client, &del, NULL, NULL);
    CHECK(gone);
    banger_message_free(gone ? &gone->base : NULL);
    if (check_failures > failures)
        fprintf(stderr, "(with handles.json %s)\n", what);
}

static void scratch_file_is_only_a_hint(void)
{
    with_handles("deleted", NULL);
    with_handles("empty", "");
    with_handles("cut short", "{\"pid\": 1");
    with_handles("garbage", "\x01\xff not json at all }{");
    with_handles("of wrong types", "{\"pid\": \"seven\", \"pid_start_time\": [], \"x\": {}}");
}

static pid_t start_stranger(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sleep", "sleep", "100000", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static uint64_t start_time_of(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

static void stranger_is_not_touched(void)
{
    char text[256], boot[64] = "", path[128];
    pid_t stranger = start_stranger();
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, boot, sizeof(boot) - 1);
    close(fd);
    boot[n > 0 ? n - 1 : 0] = '\0';
    for (int exact = 0; exact < 2; exact++) {
        snprintf(text, sizeof(text),
                 "{\"pid\": %d, \"pid_start_time\": %llu, \"host_boot_id\": \"%s\"}", (int)stranger,
                 exact ? (unsigned long long)start_time_of(stranger) : 1ULL, boot);
        with_handles("naming a stranger", text);
        CHECK(harness_alive(stranger));
    }
    /* Nor when the VM is gone and only the stranger is left. */
    int pid = steps_vm_pid(client, box);
    struct err err = ERR_INIT;
    harness_end(&h, SIGKILL);
    harness_kill(pid);
    snprintf(path, sizeof(path), "%s/vms/%s/handles.json", h.state, box);
    CHECK_INT(fs_write_atomic(path, text, strlen(text), 0600, &err), 0);
    harness_start(&h, NULL);
    CHECK(harness_alive(stranger));
    int state = steps_vm_state(&h, client, box);
    CHECK(state == VM_STATE(STOPPED) || state == VM_STATE(FAILED));
    struct banger_error error = {0};
    CHECK_INT(steps_do(client, STEPS_KILL, box, &error), 0);
    CHECK_INT(steps_do(client, STEPS_START, box, &error), 0);
    CHECK_INT(steps_do(client, STEPS_STOP, box, &error), 0);
    CHECK_INT(steps_do(client, STEPS_START, box, &error), 0);
    CHECK_STR(error.message, "");
    CHECK(harness_alive(stranger));
    kill(stranger, SIGKILL);
    waitpid(stranger, NULL, 0);
}

/* What a VM that does not run may not leave: sockets and handles. */
static size_t count_leavings(const char *vm, bool tell)
{
    char folder[128], path[400];
    size_t n = 0;
    snprintf(folder, sizeof(folder), "%s/vms/%s", h.state, vm);
    char *files = harness_list(folder);
    for (char *save, *name = files ? strtok_r(files, "\n", &save) : NULL; name;
         name = strtok_r(NULL, "\n", &save)) {
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", folder, name);
        bool left =
            lstat(path, &st) == 0 && (S_ISSOCK(st.st_mode) || strcmp(name, "handles.json") == 0);
        if (left && tell)
            fprintf(stderr, "left: %s\n", path);
        n += left;
    }
    free(files);
    return n;
}

static bool nothing_is_left(void *vm)
{
    return count_leavings(vm, false) == 0;
}

static void vm_dies_while_nobody_looks(void)
{
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    struct banger_error error = {0};
    start_counter(id);
    reader_open(&r, client, id, NULL);
    CHECK(reader_await_bytes(&r, 100, GUEST_MS));
    int pid = steps_vm_pid(client, box);
    harness_end(&h, SIGKILL);
    harness_kill(pid);
    harness_start(&h, NULL);
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = box;
    Banger__V1__VM *vm = banger_get_vm(client, &get, NULL, &error);
    if (CHECK(vm)) {
        CHECK(vm->runtime->state == VM_STATE(STOPPED) || vm->runtime->state == VM_STATE(FAILED));
        CHECK(vm->runtime->last_error[0]);
        printf("     state %d: %s\n", vm->runtime->state, vm->runtime->last_error);
    }
    banger_message_free(vm ? &vm->base : NULL);
    CHECK_INT(steps_session_state(&h, client, id), SESSION_STATE(LOST));
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK(r.lost);
    CHECK_CONTAINS(r.reason, "vm_lost");
    reader_close(&r);
    CHECK(harness_processes_settle(&h, 0, 5000));
    if (!harness_until(nothing_is_left, box, 5000))
        CHECK_INT(count_leavings(box, true), 0);
    CHECK_INT(steps_vm_pid(client, box), 0);
    /* It is no ruin: it starts and works. */
    CHECK_INT(steps_do(client, STEPS_START, box, &error), 0);
    static const char *const argv[] = {"sh", "-c", "exit 5", NULL};
    CHECK_INT(steps_run(client, &h, box, argv, NULL, 0, NULL, 0), 5);
}

/* Output that came and an exit that happened while no daemon ran are there afterwards. */
static void session_ends_while_nobody_looks(void)
{
    char id[STEPS_ID_BYTES];
    struct banger_error error;
    struct attach_reader r;
    const char *const argv[] = {emit, "count", "300", NULL};
    CHECK_INT(steps_start_session(client, &h, box, argv, false, id, &error), 0);
    harness_end(&h, SIGKILL);
    harness_start(&h, NULL);
    CHECK(steps_await_session(&h, client, id, SESSION_STATE(EXITED), GUEST_MS));
    harness_crash(&h);
    CHECK_INT(steps_session_state(&h, client, id), SESSION_STATE(EXITED));
    reader_open(&r, client, id, NULL);
    r.keep = true;
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.status, 0);
    CHECK_INT(r.exits, 1);
    CHECK_INT(check_numbers(&r.out[1]), 300);
    reader_close(&r);
}

static void end_is_clean(void)
{
    struct banger_error error = {0};
    int pid = steps_vm_pid(client, box);
    /* An orderly end leaves VMs alone, too. */
    int status = harness_end(&h, SIGTERM);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(harness_alive(pid));
    harness_start(&h, NULL);
    CHECK_INT(steps_vm_pid(client, box), pid);
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK_STR(error.message, "");
    CHECK(harness_processes_settle(&h, 0, 5000));
    char *files = harness_files(&h);
    CHECK_STR(files, "");
    free(files);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    emit = steps_put_emit(client, &h, box);
    RUN(session_runs_on);
    RUN(scratch_file_is_only_a_hint);
    RUN(session_ends_while_nobody_looks);
    RUN(stranger_is_not_touched);
    if (h.boots)
        emit = steps_put_emit(client, &h, box);
    RUN(vm_dies_while_nobody_looks);
    RUN(end_is_clean);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
