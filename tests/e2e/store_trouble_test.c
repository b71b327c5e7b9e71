/* A daemon whose disk refuses: what it cannot write it does not tell, what was asked for is refused
 * with an error that may be tried again, reads go on, and it leaves that state by itself.
 * store_trouble_test sim */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "banger/operation.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum { ANSWER_MS = 6000, RECOVER_MS = 20000 };

static struct harness h;
static struct banger_client *client;
static char faults[64];

static void set_faults(const char *rules)
{
    char fresh[80];
    snprintf(fresh, sizeof(fresh), "%s.new", faults);
    FILE *f = fopen(fresh, "w");
    if (!f || fputs(rules, f) < 0 || fclose(f) != 0 || rename(fresh, faults) < 0)
        harness_die(&h, "cannot write %s", faults);
}

static int store_state(struct banger_client *c)
{
    Banger__V1__GetHostRequest request = BANGER__V1__GET_HOST_REQUEST__INIT;
    struct banger_error error = {0};
    Banger__V1__Host *host = banger_get_host(c, &request, NULL, &error);
    int state = host && host->store ? (int)host->store->state : -1;
    if (!host)
        fprintf(stderr, "GetHost: %s\n", error.message);
    banger_message_free(host ? &host->base : NULL);
    return state;
}

static bool is_writable(void *arg)
{
    return store_state(arg) == BANGER__V1__STORE_STATUS__STATE__STATE_WRITABLE;
}

static bool is_retrying(void *arg)
{
    return store_state(arg) == BANGER__V1__STORE_STATUS__STATE__STATE_RETRYING;
}

static void refused_in_time(const char *what, int rc, const struct banger_error *error,
                            int64_t began_ms)
{
    CHECK_INT(rc, -1);
    if (!CHECK_STR(error->reason, "STORE_UNAVAILABLE") ||
        !CHECK_INT(error->code, BANGER_UNAVAILABLE) ||
        !CHECK(clock_mono_ms() - began_ms < ANSWER_MS))
        fprintf(stderr, "  (%s: %s, after %lld ms)\n", what, error->message,
                (long long)(clock_mono_ms() - began_ms));
}

static bool log_says(void *arg)
{
    auto_free char *log = NULL;
    return fs_read(h.log, 1 << 24, &log, NULL, NULL) == 0 && strstr(log, arg);
}

struct asked {
    struct banger_client *client; /* that asks once */
    char id[STEPS_ID_BYTES];
    struct banger_error error;
    int rc;
};

static void *ask_for_one(void *arg)
{
    struct asked *a = arg;
    a->rc = steps_create_vm(a->client, &h, &(struct steps_create){.name = NULL}, a->id, &a->error);
    return NULL;
}

/* What ends sooner than anybody gives up is nobody's to see: who meets it waits, as does who comes
 * meanwhile. */
static void test_a_short_trouble_is_waited_out(void)
{
    struct asked asked[2] = {{.client = harness_connect_once(&h)},
                             {.client = harness_connect_once(&h)}};
    struct banger_error error = {0};
    pthread_t first;
    set_faults("begin=busy*5"); /* a second and a half */
    CHECK_INT(pthread_create(&first, NULL, ask_for_one, &asked[0]), 0);
    CHECK(harness_until(log_says, (void *)(uintptr_t) "cannot write; trying until it can",
                        RECOVER_MS));
    ask_for_one(&asked[1]);
    pthread_join(first, NULL);
    CHECK(log_says((void *)(uintptr_t) "writes again"));
    for (int i = 0; i < 2; i++) {
        if (!CHECK_INT(asked[i].rc, 0))
            fprintf(stderr, "  %s\n", asked[i].error.message);
        CHECK_INT(steps_do(client, STEPS_DELETE, asked[i].id, &error), 0);
        banger_close(asked[i].client);
    }
    set_faults("");
}

/* Twenty seconds of a store that is locked, in short: until we say otherwise. */
static void test_a_locked_store_is_a_retryable_state(void)
{
    struct banger_error error = {0};
    char box[STEPS_ID_BYTES], other[STEPS_ID_BYTES];
    struct banger_client *once = harness_connect_once(&h);
    CHECK_INT(steps_create_vm(client, &h, &(struct steps_create){.name = "box"}, box, &error), 0);
    set_faults("begin=busy");
    int64_t began = clock_mono_ms();
    int rc = steps_create_vm(once, &h, &(struct steps_create){.name = "other"}, other, &error);
    refused_in_time("the first to notice", rc, &error, began);
    CHECK(harness_until(is_retrying, client, RECOVER_MS));
    began = clock_mono_ms();
    rc = steps_create_vm(once, &h, &(struct steps_create){.name = "third"}, other, &error);
    refused_in_time("create", rc, &error, began);
    CHECK(clock_mono_ms() - began < 1000); /* at once: the state is known */
    began = clock_mono_ms();
    rc = steps_do(once, STEPS_STOP, box, &error);
    refused_in_time("stop", rc, &error, began);
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(RUNNING));
    CHECK_INT(steps_count_vms(&h, client), 1);
    set_faults("");
    CHECK(harness_until(is_writable, client, RECOVER_MS));
    CHECK_INT(steps_create_vm(client, &h, &(struct steps_create){.name = "other"}, other, &error),
              0);
    CHECK_INT(steps_count_vms(&h, client), 2);
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK_INT(steps_do(client, STEPS_DELETE, other, &error), 0);
    banger_close(once);
}

/* What was not told as done before the crash may be either way after it, but what was told is so.
 */
static void test_nothing_told_is_lost_in_a_crash(void)
{
    struct banger_error error = {0};
    char box[STEPS_ID_BYTES], session[STEPS_ID_BYTES];
    const char *argv[] = {"sh", "-c", "exit 7", NULL};
    CHECK_INT(steps_create_vm(client, &h, &(struct steps_create){.name = "box"}, box, &error), 0);
    CHECK_INT(steps_start_session(client, &h, box, argv, false, session, &error), 0);
    CHECK(steps_await_session(&h, client, session, SESSION_STATE(EXITED), RECOVER_MS));
    char second[STEPS_ID_BYTES];
    const char *waits[] = {"sh", "-c", "read line; exit 7", NULL};
    CHECK_INT(steps_start_session(client, &h, box, waits, true, second, &error), 0);
    set_faults("any=ioerr");
    Banger__V1__SendStdinRequest send = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    send.session = second;
    send.data.data = (uint8_t *)"x\n";
    send.data.len = 2;
    Banger__V1__SendStdinResponse *sent = banger_send_stdin(client, &send, NULL, &error);
    banger_message_free(sent ? &sent->base : NULL);
    CHECK(harness_until(is_retrying, client, RECOVER_MS));
    /* It has exited, and is not said to have: a crash now would take that back. */
    CHECK(steps_session_state(&h, client, second) != SESSION_STATE(EXITED));
    harness_kill(steps_vm_pid(client, box));
    set_faults("");
    harness_crash(&h);
    CHECK_INT(steps_session_state(&h, client, session), SESSION_STATE(EXITED));
    CHECK(steps_await_session(&h, client, second, SESSION_STATE(LOST), RECOVER_MS));
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
}

/* A real full disk: a small one of our own, filled to the last byte by somebody else. */
static void fill(const char *path)
{
    static char zeros[1 << 16];
    auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (size_t piece = sizeof(zeros); piece > 0;)
        if (write(fd, zeros, piece) <= 0)
            piece /= 2;
}

static void test_a_full_disk_can_be_freed(void)
{
    struct banger_error error = {0};
    char boxes[3][STEPS_ID_BYTES], filler[64], late[STEPS_ID_BYTES];
    struct statvfs fs;
    for (int i = 0; i < 3; i++)
        CHECK_INT(
            steps_create_vm(client, &h, &(struct steps_create){.name = NULL}, boxes[i], &error), 0);
    snprintf(filler, sizeof(filler), "%s/filler", h.state);
    fill(filler);
    if (!CHECK(statvfs(h.state, &fs) == 0 && fs.f_bavail == 0))
        return;
    struct banger_client *once = harness_connect_once(&h);
    CHECK_INT(steps_do(once, STEPS_STOP, boxes[0], &error), 0);
    CHECK_STR(error.message, "");
    CHECK_INT(steps_do(once, STEPS_KILL, boxes[1], &error), 0);
    CHECK_INT(steps_do(once, STEPS_DELETE, boxes[2], &error), 0);
    CHECK_INT(steps_do(once, STEPS_DELETE, boxes[0], &error), 0);
    CHECK_STR(error.message, "");
    /* What takes room says so before it starts. */
    CHECK_INT(steps_create_vm(once, &h, &(struct steps_create){.name = "late"}, late, &error), -1);
    CHECK_STR(error.reason, "DISK_FULL");
    CHECK(harness_until(is_writable, client, RECOVER_MS));
    error = (struct banger_error){0};
    /* The same by a daemon that starts on a disk without a free byte. */
    fill(filler);
    harness_crash(&h);
    CHECK_INT(steps_do(once, STEPS_DELETE, boxes[1], &error), 0);
    CHECK_STR(error.message, "");
    unlink(filler);
    CHECK_INT(steps_create_vm(client, &h, &(struct steps_create){.name = "late"}, late, &error), 0);
    CHECK_INT(steps_do(client, STEPS_DELETE, late, &error), 0);
    banger_close(once);
}

static void own_disk(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        exit(check_skip("needs root for a disk of its own"));
    mkdir(h.state, 0700);
    if (mount("tmpfs", h.state, "tmpfs", 0, "size=320m,mode=0700") < 0)
        exit(check_skip("cannot mount a disk of its own"));
}

int main(int argc, char **argv)
{
    char env[96];
    const char *const with_faults[] = {env, NULL};
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    own_disk();
    snprintf(faults, sizeof(faults), "%s/faults", h.dir);
    snprintf(env, sizeof(env), "BANGER_STORE_FAULTS=@%s", faults);
    setenv("BANGER_STORE_FAULTS", env + strlen("BANGER_STORE_FAULTS="), 1);
    set_faults("");
    harness_start(&h, with_faults);
    client = harness_connect(&h);
    RUN(test_a_short_trouble_is_waited_out);
    RUN(test_a_locked_store_is_a_retryable_state);
    RUN(test_nothing_told_is_lost_in_a_crash);
    RUN(test_a_full_disk_can_be_freed);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
