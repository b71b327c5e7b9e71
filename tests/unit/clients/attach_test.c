/* Attaches through connections that break at any byte: every byte once and in order, stdin too, and
 * an exit only when the session has ended. */
#include "tests/support/check.h"

#include "banger/attach.h"
#include "tests/unit/clients/fake_server.h"
#include "tests/support/told.h"

enum { PATIENCE_MS = 20000 };

struct seen {
    uint64_t next[3]; /* by stream */
    uint64_t sent;    /* stdin written */
    unsigned opened, broken;
    int status; /* -1: none */
    bool wrong, ends[3];
    struct banger_error error;
};

static void see_data(struct seen *seen, const struct banger_frame *frame)
{
    if (frame->offset != seen->next[frame->stream])
        seen->wrong = true;
    for (size_t i = 0; i < frame->len && !seen->wrong; i++)
        seen->wrong = frame->data[i] != fake_byte(frame->stream, frame->offset + i);
    seen->next[frame->stream] = frame->offset + frame->len;
}

/* Gives stdin as fast as it is taken. */
static void give_stdin(struct banger_attach *attach, struct seen *seen, uint64_t total)
{
    uint8_t data[4096];
    while (seen->sent < total) {
        size_t len = sizeof(data);
        if (len > total - seen->sent)
            len = (size_t)(total - seen->sent);
        for (size_t i = 0; i < len; i++)
            data[i] = fake_byte(0, seen->sent + i);
        ssize_t n = banger_attach_write(attach, data, len, NULL);
        if (n <= 0)
            return;
        seen->sent += (uint64_t)n;
        if (seen->sent == total)
            banger_attach_write_eof(attach);
    }
}

/* Follows the session to its end. */
static struct seen follow(struct fake *f, const char *session, const struct told_attach *options)
{
    struct seen seen = {.status = -1};
    struct banger_client *client = told_connect(f->proxy_target, &f->options, &seen.error);
    struct banger_attach *attach = told_attach_open(client, session, options, &seen.error);
    if (options) {
        seen.next[1] = options->start_stdout.value;
        seen.next[2] = options->start_stderr.value;
    }
    for (;;) {
        struct banger_frame frame;
        give_stdin(attach, &seen, f->stdin_bytes);
        int result = banger_attach_next(attach, PATIENCE_MS, &frame, &seen.error);
        if (result <= 0)
            break;
        seen.opened += frame.kind == BANGER_FRAME_OPENED;
        seen.broken += frame.kind == BANGER_FRAME_BROKEN;
        if (frame.kind == BANGER_FRAME_DATA)
            see_data(&seen, &frame);
        if (frame.kind == BANGER_FRAME_STREAM_END)
            seen.ends[frame.stream] = true;
        if (frame.kind == BANGER_FRAME_EXIT) {
            seen.status = banger_exit_status(frame.exit);
            CHECK_INT(banger_attach_next(attach, 0, &frame, NULL), -1);
            break;
        }
    }
    banger_attach_close(attach);
    banger_close(client);
    return seen;
}

static void check_whole(const struct seen *seen, const struct fake *f)
{
    CHECK(!seen->wrong);
    CHECK_INT(seen->next[1], f->stdout_bytes);
    CHECK_INT(seen->next[2], f->stderr_bytes);
    CHECK(seen->ends[1] && seen->ends[2]);
    CHECK_INT(seen->status, 7);
    CHECK_INT(f->stdin_taken, f->stdin_bytes);
    CHECK(!f->stdin_wrong);
}

static void test_plain(void)
{
    struct fake f = {.stdout_bytes = 1 << 20, .stderr_bytes = 100000};
    fake_start(&f);
    struct seen seen = follow(&f, "s", NULL);
    fake_stop(&f);
    check_whole(&seen, &f);
    CHECK_INT(seen.opened, 1);
    CHECK_INT(seen.broken, 0);
}

/* A proxy gives up streams, not connections. */
static void test_reset_streams(void)
{
    static const uint32_t codes[] = {2 /* INTERNAL_ERROR */, 8 /* CANCEL */, 1 /* PROTOCOL_ERROR */,
                                     0};
    for (int i = 0; i < 4; i++) {
        struct fake f = {
            .stdout_bytes = 4 << 20, .stdin_bytes = 10000, .resets = 5, .reset_code = codes[i]};
        const struct told_attach options = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};
        fake_start(&f);
        struct seen seen = follow(&f, "s", &options);
        fake_stop(&f);
        check_whole(&seen, &f);
        CHECK_INT(f.resets, 0);
        /* A reset takes along what was not yet sent, Opened too. */
        CHECK(seen.opened >= 2 && seen.opened <= 6);
        CHECK_INT(seen.broken, seen.opened - 1);
        CHECK_INT(f.n_connections, 1);
    }
}

/* A reset that says what is wrong is no loss. */
static void test_reset_for_a_reason(void)
{
    struct fake f = {.stdout_bytes = 4 << 20, .resets = 1, .reset_code = 11 /* CALM */};
    fake_start(&f);
    struct seen seen = follow(&f, "s", NULL);
    fake_stop(&f);
    CHECK_INT(seen.status, -1);
    CHECK_INT(seen.error.code, BANGER_RESOURCE_EXHAUSTED);
}

static void test_nothing_written(void)
{
    struct fake f = {0};
    fake_start(&f);
    struct seen seen = follow(&f, "s", NULL);
    fake_stop(&f);
    check_whole(&seen, &f);
}

static void check_cut_output(bool tls)
{
    struct fake f = {.tls = tls,
                     .stdout_bytes = 8 << 20,
                     .stderr_bytes = 1 << 20,
                     .cuts = 40,
                     .cut_least = 1,
                     .cut_most = 400000};
    fake_start(&f);
    struct seen seen = follow(&f, "s", NULL);
    fake_stop(&f);
    check_whole(&seen, &f);
    CHECK_INT(f.n_connections, 41);
}

static void check_cut_stdin(bool tls)
{
    struct fake f = {.tls = tls,
                     .stdin_bytes = 4 << 20,
                     .stdout_bytes = 1 << 20,
                     .cuts = 30,
                     .cut_least = 50,
                     .cut_most = 200000};
    struct told_attach options = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};
    fake_start(&f);
    struct seen seen = follow(&f, "s", &options);
    fake_stop(&f);
    check_whole(&seen, &f);
    CHECK(f.n_connections > 10);
}

/* What was only held is asked for again, after connections that told it was there: it had to be
 * kept. */
static void test_held_stdin_is_lost(void)
{
    struct fake f = {.stdin_bytes = 2 << 20,
                     .stdout_bytes = 100000,
                     .holds_stdin = true,
                     .cuts = 60,
                     .cut_least = 50,
                     .cut_most = 40000};
    struct told_attach options = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};
    fake_start(&f);
    struct seen seen = follow(&f, "s", &options);
    fake_stop(&f);
    check_whole(&seen, &f);
    CHECK(f.n_lost > 5);
}

static void test_cut_output(void)
{
    check_cut_output(false);
}

static void test_cut_output_tls(void)
{
    check_cut_output(true);
}

static void test_cut_stdin(void)
{
    check_cut_stdin(false);
}

static void test_cut_stdin_tls(void)
{
    check_cut_stdin(true);
}

/* The server has not noticed yet that our earlier connection, the writer, is gone. */
static void test_writer_not_yet_free(void)
{
    struct fake f = {.stdin_bytes = 1 << 20,
                     .stdout_bytes = 1 << 20,
                     .cuts = 1,
                     .cut_least = 300000,
                     .cut_most = 300000,
                     .refuse_writer = 3};
    struct told_attach options = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};
    fake_start(&f);
    struct seen seen = follow(&f, "s", &options);
    fake_stop(&f);
    check_whole(&seen, &f);
    CHECK_INT(f.n_opens, 5);
}

static void test_from_offsets(void)
{
    struct fake f = {.stdout_bytes = 500000, .stderr_bytes = 70000};
    struct told_attach options = {.start_stdout = {.value = 499990},
                                  .start_stderr = {.value = 70000}};
    fake_start(&f);
    struct seen seen = follow(&f, "s", &options);
    fake_stop(&f);
    check_whole(&seen, &f);
}

static void test_no_reattach(void)
{
    struct fake f = {.stdout_bytes = 1 << 20, .cuts = 1, .cut_least = 100000, .cut_most = 100000};
    struct told_attach options = {.reattach_ms = -1};
    fake_start(&f);
    struct seen seen = follow(&f, "s", &options);
    fake_stop(&f);
    CHECK_INT(seen.status, -1);
    CHECK_INT(seen.error.code, BANGER_UNAVAILABLE);
    CHECK(!seen.wrong);
}

static void test_unknown_session(void)
{
    struct fake f = {0};
    fake_start(&f);
    struct seen seen = follow(&f, "t", NULL);
    fake_stop(&f);
    CHECK_INT(seen.status, -1);
    CHECK_INT(seen.error.code, BANGER_NOT_FOUND);
    CHECK_INT(f.n_opens, 1);
}

/* A server that errs never makes a quiet hole, nor an exit out of nothing. */
static void check_lie(const char *lie, enum banger_code want)
{
    struct fake f = {.stdout_bytes = 100000, .lie = lie};
    struct told_attach options = {.reattach_ms = 200};
    fake_start(&f);
    struct seen seen = follow(&f, "s", &options);
    fake_stop(&f);
    if (seen.error.code != want)
        fprintf(stderr, "lie %s: %s\n", lie, seen.error.message);
    CHECK_INT(seen.error.code, want);
    CHECK_INT(seen.status, -1);
}

static void test_lies(void)
{
    check_lie("gap", BANGER_DATA_LOSS);
    check_lie("total", BANGER_DATA_LOSS);
    check_lie("exit_early", BANGER_DATA_LOSS);
    check_lie("no_exit", BANGER_UNAVAILABLE);
}

static void test_detach(void)
{
    struct fake f = {.stdin_bytes = 1, .stdout_bytes = 10};
    struct banger_error error = {0};
    fake_start(&f);
    struct banger_client *client = banger_connect(f.socket, &error);
    struct banger_attach *attach = banger_attach_open(client, "s", &error);
    struct banger_frame frame = {0};
    bool asked = false;
    while (banger_attach_next(attach, PATIENCE_MS, &frame, &error) == 1 &&
           frame.kind != BANGER_FRAME_DETACHED) {
        if (!asked)
            banger_attach_detach(attach);
        asked = true;
    }
    CHECK_INT(frame.kind, BANGER_FRAME_DETACHED);
    CHECK_INT(banger_attach_write(attach, "x", 1, &error), -1);
    banger_attach_close(attach);
    banger_close(client);
    fake_stop(&f);
}

static void test_exit_statuses(void)
{
    Banger__V1__SessionExit exit = BANGER__V1__SESSION_EXIT__INIT;
    CHECK_INT(banger_exit_status(NULL), 125);
    CHECK_INT(banger_exit_status(&exit), 125);
    exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_CODE;
    CHECK_INT(banger_exit_status(&exit), 0);
    exit.code = 256; /* no such status: must not become 0 */
    CHECK_INT(banger_exit_status(&exit), 125);
    exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_SIGNAL;
    exit.signal = 9;
    CHECK_INT(banger_exit_status(&exit), 137);
    exit.kind_case = BANGER__V1__SESSION_EXIT__KIND_LOST_REASON;
    exit.lost_reason = (char *)"vm_lost";
    CHECK_INT(banger_exit_status(&exit), 125);
}

int main(void)
{
    RUN(test_plain);
    RUN(test_reset_streams);
    RUN(test_reset_for_a_reason);
    RUN(test_nothing_written);
    RUN(test_cut_output);
    RUN(test_cut_output_tls);
    RUN(test_cut_stdin);
    RUN(test_cut_stdin_tls);
    RUN(test_held_stdin_is_lost);
    RUN(test_writer_not_yet_free);
    RUN(test_from_offsets);
    RUN(test_no_reattach);
    RUN(test_unknown_session);
    RUN(test_lies);
    RUN(test_detach);
    RUN(test_exit_statuses);
    return check_end();
}
