/* A VM's console both ways: what the kernel says, what is typed and answered, over a broken daemon.
 * console_test sim|qemu */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "banger/attach.h"
#include "banger/methods.h"
#include "base/buf.h"
#include "base/clock.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum { WAIT_MS = 120000, SHOWN_BYTES = 4 << 20 };

static struct harness h;
static struct banger_client *client;
static struct banger_error error;

/* One console as one client has it. */
struct console {
    struct banger_attach *attach;
    struct buf shown;
    uint64_t next; /* offset of what comes */
    bool known, writer_told, writer, over;
    unsigned opened, gaps;
    char reason[80];
};

static void console_open(struct console *c, Banger__V1__AttachRole role, enum banger_start at,
                         uint64_t value)
{
    *c = (struct console){.attach = banger_attach_open_console(client, "box", &error)};
    buf_init(&c->shown, SHOWN_BYTES);
    CHECK(c->attach != NULL);
    banger_attach_set_role(c->attach, role);
    banger_attach_set_start(c->attach, 1, at, value);
}

static void console_close(struct console *c)
{
    banger_attach_close(c->attach);
    buf_done(&c->shown);
}

/* One frame: 1, 0 for none in time, -1 at the end. */
static int console_step(struct console *c, int64_t timeout_ms)
{
    struct banger_frame f;
    int n = banger_attach_next(c->attach, timeout_ms, &f, &error);
    if (n <= 0)
        return n;
    switch (f.kind) {
    case BANGER_FRAME_OPENED:
        CHECK(f.session == NULL);
        c->opened++;
        break;
    case BANGER_FRAME_GAP:
        c->gaps++;
        c->next = f.end;
        break;
    case BANGER_FRAME_DATA:
        CHECK_INT(f.stream, 1);
        if (c->known)
            CHECK_INT(f.offset, c->next);
        c->known = true;
        c->next = f.offset + f.len;
        buf_append(&c->shown, f.data, f.len);
        break;
    case BANGER_FRAME_WRITER:
        c->writer_told = true;
        c->writer = f.writer;
        break;
    case BANGER_FRAME_LOST:
        c->over = true;
        snprintf(c->reason, sizeof(c->reason), "%s", f.reason);
        break;
    default:
        break;
    }
    return 1;
}

static bool console_shows(const struct console *c, const char *text)
{
    return buf_len(&c->shown) > 0 &&
           memmem(buf_data(&c->shown), buf_len(&c->shown), text, strlen(text)) != NULL;
}

static bool console_await(struct console *c, const char *text)
{
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    while (!console_shows(c, text)) {
        int64_t left = deadline - clock_mono_ms();
        if (left <= 0 || console_step(c, left) < 0) {
            fprintf(stderr, "no \"%s\" (%s) in: %.*s\n", text, error.message,
                    (int)buf_len(&c->shown), (const char *)buf_data(&c->shown));
            return CHECK(false);
        }
    }
    return true;
}

static void console_type(struct console *c, const char *text)
{
    CHECK_INT(banger_attach_write(c->attach, text, strlen(text), &error), strlen(text));
}

static void create(bool no_init)
{
    Banger__V1__VMSpec spec = BANGER__V1__VMSPEC__INIT;
    Banger__V1__CreateVMRequest request = BANGER__V1__CREATE_VMREQUEST__INIT;
    spec.driver = TEXT(h.driver);
    spec.no_init = no_init;
    request.name = TEXT("box");
    request.spec = &spec;
    if (!CHECK_INT(steps_finish(client, banger_create_vm(client, &request, NULL, &error), &error),
                   0))
        harness_die(&h, "create: %s", error.message);
}

/* Answers what is typed, by a process of the guest that its agent does not know to be one. */
static void start_answering(void)
{
    static const char *const argv[] = {"sh", "-c",
                                       "exec </dev/ttyS0 >/dev/ttyS0 2>&1; stty -echo; echo ready; "
                                       "while read l; do echo \"heard <$l>\"; done",
                                       NULL};
    char session[STEPS_ID_BYTES];
    if (CHECK_INT(steps_start_session(client, &h, "box", argv, false, session, &error), 0))
        return;
    harness_die(&h, "session: %s", error.message);
}

/* sim: what the agent says is all there is, and nothing reads. */
static void test_a_console_without_input_can_be_viewed_only(void)
{
    struct console c;
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER, BANGER_START_OFFSET, 0);
    CHECK_INT(console_step(&c, WAIT_MS), -1);
    CHECK_STR(error.reason, "CONSOLE_NO_INPUT");
    console_close(&c);
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER, BANGER_START_OFFSET, 0);
    CHECK_INT(console_step(&c, WAIT_MS), 1);
    CHECK_INT(c.opened, 1);
    CHECK_INT(banger_attach_write(c.attach, "x", 1, &error), -1);
    console_close(&c);
}

static void test_a_console_has_its_history(void)
{
    struct console c;
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER, BANGER_START_OFFSET, 0);
    console_await(&c, "ready");
    CHECK_INT(c.gaps, 0);
    uint64_t end = c.next;
    console_close(&c);
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER, BANGER_START_OFFSET, end + 1000);
    CHECK_INT(console_step(&c, WAIT_MS), -1);
    CHECK_INT(error.code, BANGER_OUT_OF_RANGE);
    console_close(&c);
}

static void test_what_is_typed_is_answered(void)
{
    struct console c, viewer;
    console_open(&viewer, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER, BANGER_START_END, 0);
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER, BANGER_START_END, 0);
    console_step(&viewer, WAIT_MS); /* opened: all that is answered comes behind it */
    console_step(&c, WAIT_MS);
    console_type(&c, "one\n");
    console_await(&c, "heard <one>");
    console_await(&viewer, "heard <one>");
    console_close(&viewer);
    console_close(&c);
}

static void test_a_writer_is_one_until_another_takes_over(void)
{
    struct console first, second;
    console_open(&first, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER, BANGER_START_END, 0);
    console_step(&first, WAIT_MS);
    console_open(&second, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER, BANGER_START_END, 0);
    CHECK_INT(console_step(&second, WAIT_MS), -1);
    CHECK_STR(error.reason, "WRITER_TAKEN");
    console_close(&second);
    console_open(&second, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_TAKEOVER, BANGER_START_END, 0);
    console_step(&second, WAIT_MS);
    console_type(&second, "mine\n");
    console_await(&second, "heard <mine>");
    while (!first.writer_told && console_step(&first, WAIT_MS) > 0)
        ;
    CHECK(first.writer_told && !first.writer);
    CHECK_INT(banger_attach_write(first.attach, "no\n", 3, &error), -1);
    console_close(&first);
    console_close(&second);
}

static void test_a_console_comes_back_after_a_killed_daemon(void)
{
    struct console c;
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER, BANGER_START_END, 0);
    console_step(&c, WAIT_MS);
    console_type(&c, "before\n");
    console_await(&c, "heard <before>");
    harness_crash(&h);
    int64_t deadline = clock_mono_ms() + WAIT_MS;
    while (c.opened < 2 && clock_mono_ms() < deadline && console_step(&c, 1000) >= 0)
        ;
    CHECK_INT(c.opened, 2);
    CHECK(steps_await_vm(&h, client, "box", VM_STATE(RUNNING), WAIT_MS));
    console_type(&c, "after\n");
    console_await(&c, "heard <after>");
    console_close(&c);
}

/* The guest goes on at its pace, and the reader gets all of it later. */
static void test_a_reader_that_stands_still_holds_nobody_up(void)
{
    static const char *const argv[] = {
        "sh", "-c",
        "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo line $i of many that nobody reads yet; "
        "done >/dev/ttyS0; echo all said >/dev/ttyS0",
        NULL};
    struct console still, c;
    char session[STEPS_ID_BYTES];
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER, BANGER_START_END, 0);
    console_open(&still, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER, BANGER_START_END, 0);
    console_step(&c, WAIT_MS);
    console_step(&still, WAIT_MS);
    CHECK_INT(steps_start_session(client, &h, "box", argv, false, session, &error), 0);
    CHECK(steps_await_session(&h, client, session, SESSION_STATE(EXITED), WAIT_MS));
    console_await(&still, "all said");
    CHECK(console_shows(&still, "line 1 of many"));
    console_close(&still);
    console_close(&c);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    if (CHECK(f != NULL)) {
        fputs(text, f);
        fclose(f);
    }
}

/* As a log is that was rotated often. */
static void test_what_is_not_kept_is_a_gap(void)
{
    char log[160], old[168], at[168], text[64];
    struct stat st;
    struct console c;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = TEXT("box");
    Banger__V1__VM *vm = banger_get_vm(client, &get, NULL, &error);
    snprintf(log, sizeof(log), "%s", vm ? vm->runtime->log_path : "");
    banger_message_free(vm ? &vm->base : NULL);
    snprintf(old, sizeof(old), "%s.1", log);
    snprintf(at, sizeof(at), "%s.at", log);
    put(old, "what was before, ");
    put(log, "what is now");
    CHECK_INT(stat(old, &st), 0);
    snprintf(text, sizeof(text), "%020llu %020llu\n", (unsigned long long)st.st_ino, 5000ull);
    put(at, text);
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER, BANGER_START_OFFSET, 0);
    console_await(&c, "what was before, what is now");
    CHECK_INT(c.gaps, 1);
    CHECK_INT(c.next, 5028);
    console_close(&c);
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER, BANGER_START_OFFSET, 5005);
    console_await(&c, "was before, what is now");
    CHECK_INT(c.gaps, 0);
    console_close(&c);
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER, BANGER_START_TAIL, 3);
    console_await(&c, "now");
    CHECK_INT(buf_len(&c.shown), 3);
    console_close(&c);
}

static void test_a_console_ends_with_its_vm(void)
{
    struct console c;
    console_open(&c, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER, BANGER_START_END, 0);
    console_step(&c, WAIT_MS);
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
    while (console_step(&c, WAIT_MS) > 0)
        ;
    CHECK(c.over);
    CHECK_CONTAINS(c.reason, "deleted");
    console_close(&c);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    harness_open(&h, argv[1]);
    client = harness_connect(&h);
    create(true);
    if (h.boots) {
        start_answering();
        RUN(test_a_console_has_its_history);
        RUN(test_what_is_typed_is_answered);
        RUN(test_a_writer_is_one_until_another_takes_over);
        RUN(test_a_console_comes_back_after_a_killed_daemon);
        RUN(test_a_reader_that_stands_still_holds_nobody_up);
    } else {
        RUN(test_a_console_without_input_can_be_viewed_only);
        RUN(test_what_is_not_kept_is_a_gap);
    }
    RUN(test_a_console_ends_with_its_vm);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
