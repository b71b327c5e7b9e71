/* Pieces of stdin in parts: whole, in turns, repeated without harm, also by the next daemon. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/session/session_internal.h"
#include "tests/integration/session/viewer.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"

static const struct session piped = {.spec.stdin_mode = SESSION_STDIN_PIPE};

enum { PART = 200 * 1024 };

struct sent {
    unsigned n;
    uint64_t offset;
    struct err err;
};

static void on_sent(void *arg, uint64_t offset, const struct err *err)
{
    struct sent *s = arg;
    s->n++;
    s->offset = offset;
    if (err)
        s->err = *err;
    world_poke();
}

static bool is_sent(void *arg)
{
    return ((struct sent *)arg)->n > 0;
}

static struct session_send_request part(uint64_t key, uint64_t position, const void *data,
                                        size_t len, bool more)
{
    return (struct session_send_request){
        .key = key, .position = position, .data = data, .len = len, .more = more};
}

/* To its end: 0, or -1 with what was wrong. */
static int send(struct session_entry *e, const struct session_send_request *r, uint64_t *offset,
                struct err *err)
{
    struct sent s = {0};
    *err = (struct err)ERR_INIT;
    if (session_send(e, r, on_sent, &s, NULL, err) < 0)
        return -1;
    CHECK(world_run(is_sent, &s));
    CHECK_INT(s.n, 1);
    *offset = s.offset;
    *err = s.err;
    return s.err.code ? -1 : 0;
}

/* What the session, a cat, has given back. */
static bool has_all(void *arg)
{
    const struct viewer *v = arg;
    return v->got[0] >= v->total[1];
}

static void check_output(struct session_entry *e, const char *want)
{
    struct viewer v = {.not_source = true};
    v.total[1] = strlen(want);
    viewer_open(&v, e, &from_start);
    CHECK(world_run(has_all, &v));
    world_settle();
    CHECK_INT(v.got[0], strlen(want));
    CHECK_STR(v.text, want);
    viewer_close(&v);
}

static void test_parts_are_not_mixed(void)
{
    struct err err = ERR_INIT;
    uint64_t offset;
    struct sent other = {0}, without_key = {0};
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    struct session_send_request first = part(1, 0, "one ", 4, true);
    struct session_send_request second = part(2, 0, "two ", 4, false);
    struct session_send_request last = part(1, 4, "more ", 5, false);
    CHECK_INT(send(e, &first, &offset, &err), 0);
    CHECK_INT(offset, 4);
    CHECK_INT(session_send(e, &second, on_sent, &other, NULL, &err), 0);
    CHECK_INT(session_send_stdin(e, NULL, "three", 5, false, on_sent, &without_key, &err), 0);
    world_settle();
    CHECK_INT(other.n + without_key.n, 0);
    CHECK_INT(send(e, &last, &offset, &err), 0);
    CHECK(world_run(is_sent, &other) && world_run(is_sent, &without_key));
    CHECK_INT(other.err.code + without_key.err.code, 0);
    check_output(e, "one more two three");
    world_delete_all();
    world_close_daemon();
}

static void test_a_repetition_changes_nothing(void)
{
    struct err err = ERR_INIT;
    uint64_t offset;
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    struct session_send_request parts[] = {part(7, 0, "ab", 2, true), part(7, 2, "cd", 2, true),
                                           part(7, 4, "", 0, false)};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k <= i; k++) {
            CHECK_INT(send(e, &parts[k], &offset, &err), 0);
            CHECK_INT(offset, parts[k].position + parts[k].len);
        }
    struct session_send_request hole = part(7, 5, "x", 1, true), wrong = part(0, 0, "x", 1, true);
    CHECK_INT(send(e, &hole, &offset, &err), -1);
    CHECK_STR(err.reason, "STDIN_HOLE");
    CHECK_INT(send(e, &wrong, &offset, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    struct session_send_request other = part(8, 0, "!", 1, false), late = part(7, 4, "x", 1, true);
    CHECK_INT(send(e, &other, &offset, &err), 0);
    CHECK_INT(send(e, &late, &offset, &err), -1);
    CHECK_STR(err.reason, "STDIN_MOVED");
    CHECK_INT(send(e, &parts[1], &offset, &err), 0); /* that is there */
    check_output(e, "abcd!");
    world_delete_all();
    world_close_daemon();
}

/* Who does not go on loses his turn; nobody else came, so he may still. */
static void test_a_turn_is_given_up(void)
{
    struct err err = ERR_INIT;
    uint64_t offset;
    struct sent other = {0};
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    struct session_send_request first = part(1, 0, "1", 1, true), more = part(1, 1, "2", 1, true);
    struct session_send_request second = part(2, 0, "other", 5, false);
    CHECK_INT(send(e, &first, &offset, &err), 0);
    CHECK(timer_pending(&e->in.turn));
    session_send_cut_turn(e);
    CHECK_INT(send(e, &more, &offset, &err), 0);
    CHECK_INT(session_send(e, &second, on_sent, &other, NULL, &err), 0);
    timer_start(&e->in.turn, 0); /* as if the time had passed */
    CHECK(world_run(is_sent, &other));
    struct session_send_request last = part(1, 2, "3", 1, false);
    CHECK_INT(send(e, &last, &offset, &err), -1);
    CHECK_STR(err.reason, "STDIN_MOVED");
    check_output(e, "12other");
    world_delete_all();
    world_close_daemon();
}

static void test_who_leaves_before_his_turn_sends_nothing(void)
{
    struct err err = ERR_INIT;
    uint64_t offset;
    struct sent never = {0};
    struct session_send *handle;
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    struct session_send_request first = part(1, 0, "1", 1, true), last = part(1, 1, "2", 1, false);
    struct session_send_request second = part(2, 0, "never", 5, false);
    CHECK_INT(send(e, &first, &offset, &err), 0);
    CHECK_INT(session_send(e, &second, on_sent, &never, &handle, &err), 0);
    session_send_cancel(handle);
    CHECK_INT(send(e, &last, &offset, &err), 0);
    check_output(e, "12");
    CHECK_INT(never.n, 0);
    world_delete_all();
    world_close_daemon();
}

/* The next daemon knows whose bytes are there, and whose turn it was. */
static void test_the_next_daemon_goes_on(void)
{
    struct err err = ERR_INIT;
    uint64_t offset;
    char id[ID_BYTES];
    struct sent other = {0};
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    snprintf(id, sizeof(id), "%s", session_record(e)->id);
    struct session_send_request whole = part(5, 0, "whole ", 6, false);
    struct session_send_request first = part(6, 0, "first ", 6, true);
    struct session_send_request last = part(6, 6, "last ", 5, false);
    struct session_send_request second = part(9, 0, "other", 5, false);
    CHECK_INT(send(e, &whole, &offset, &err), 0);
    CHECK_INT(send(e, &first, &offset, &err), 0);
    world_close_daemon();
    world_open_daemon(-1);
    e = session_find_id(&world.core, id);
    if (!CHECK(e != NULL))
        return;
    CHECK_INT(session_send(e, &second, on_sent, &other, NULL, &err), 0);
    CHECK_INT(send(e, &whole, &offset, &err), 0);
    CHECK_INT(offset, 6);
    CHECK_INT(send(e, &first, &offset, &err), 0);
    CHECK_INT(offset, 12);
    CHECK_INT(other.n, 0);
    CHECK_INT(send(e, &last, &offset, &err), 0);
    CHECK_INT(offset, 17);
    CHECK(world_run(is_sent, &other));
    check_output(e, "whole first last other");
    world_delete_all();
    world_close_daemon();
}

/* More than the buffer takes waits, and is not refused. */
static void test_what_does_not_fit_waits(void)
{
    struct err err = ERR_INIT;
    enum { PARTS = 15 };
    struct sent sent[PARTS] = {0};
    world_open_daemon(-1);
    struct session_entry *e =
        world_start("while ! read -r x </tmp/never-$$; do exec sleep 1000; done", &piped, &err);
    int accepted = 0;
    for (int i = 0; i < PARTS; i++) {
        struct session_send_request r =
            part(3, (uint64_t)i * PART, world.source + i * PART, PART, i + 1 < PARTS);
        accepted += session_send(e, &r, on_sent, &sent[i], NULL, &err) == 0;
    }
    CHECK_INT(accepted, PARTS);
    CHECK(e->in.pending_bytes > 0 && e->in.pending_bytes <= SESSION_STDIN_BUFFER_BYTES);
    CHECK(buf_len(&e->in.buf) <= SESSION_STDIN_BUFFER_BYTES);
    world_delete_all();
    for (int i = 0; i < PARTS; i++)
        CHECK(world_run(is_sent, &sent[i]) && sent[i].n == 1);
    world_close_daemon();
}

static bool has_lost(void *arg)
{
    const struct viewer *v = arg;
    return v->n_writer_changed > 0;
}

static void test_a_writer_learns_of_others_at_once(void)
{
    struct err err = ERR_INIT;
    uint64_t offset;
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    struct viewer v = {.not_source = true, .is_writer = true};
    struct attach_options o = from_start;
    o.role = ATTACH_WRITER;
    o.writer_key = 77;
    viewer_open(&v, e, &o);
    CHECK(world_run(viewer_is_opened, &v));
    CHECK_INT(attach_stdin(v.attach, 0, "mine ", 5, &err), 0);
    struct session_send_request r = part(4, 0, "theirs", 6, false);
    CHECK_INT(send(e, &r, &offset, &err), -1);
    CHECK_STR(err.reason, "WRITER_TAKEN");
    r.takeover = true;
    CHECK_INT(send(e, &r, &offset, &err), 0);
    CHECK(world_run(has_lost, &v));
    CHECK(!v.is_writer);
    CHECK_INT(v.foreign, 11);
    CHECK_INT(attach_stdin(v.attach, 5, "lost", 4, &err), 0); /* under way: dropped */
    check_output(e, "mine theirs");
    viewer_close(&v);
    /* A piece whose last part has not come is a writer, too. */
    struct session_send_request open = part(10, 0, "+", 1, true);
    CHECK_INT(send(e, &open, &offset, &err), 0);
    CHECK(attach_open(&world.core, e, &o, &(const struct attach_events){0}, NULL, &err) == NULL);
    CHECK_STR(err.reason, "WRITER_TAKEN");
    world_delete_all();
    world_close_daemon();
}

int main(void)
{
    world_begin();
    RUN(test_parts_are_not_mixed);
    RUN(test_a_repetition_changes_nothing);
    RUN(test_a_turn_is_given_up);
    RUN(test_who_leaves_before_his_turn_sends_nothing);
    RUN(test_the_next_daemon_goes_on);
    RUN(test_what_does_not_fit_waits);
    RUN(test_a_writer_learns_of_others_at_once);
    world_end();
    return check_end();
}
