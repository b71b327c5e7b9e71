/* stdin: offsets, acknowledgements, one writer, atomic sends, over links that break.
 * stdin_test [cuts]; `cuts` is 200 of each kind of links, in 256 MiB each way. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/session/session_internal.h"
#include "tests/integration/session/viewer.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"

static const struct session piped = {.spec.stdin_mode = SESSION_STDIN_PIPE};

static struct attach_options as(enum attach_role role)
{
    struct attach_options o = from_start;
    o.role = role;
    return o;
}

/* Writes the source file until `feed_total`, then EOF, in pieces, as far as it may. */
static uint64_t feed_next, feed_total;

static void feed(struct viewer *v)
{
    struct err err = ERR_INIT;
    while (feed_next < feed_total && !attach_stdin_full(v->attach)) {
        uint64_t left = feed_total - feed_next;
        size_t n = 1 + (size_t)rand() % 40000;
        if (n > left)
            n = (size_t)left;
        if (!CHECK(attach_stdin(v->attach, feed_next, world.source + feed_next, n, &err) == 0)) {
            fprintf(stderr, "%s\n", err.message);
            return;
        }
        feed_next += n;
        if (feed_next == feed_total)
            CHECK_INT(attach_stdin_eof(v->attach, &err), 0);
    }
}

/* How often the link was cut. */
static unsigned pass_through_cat(int kind, uint64_t bytes)
{
    unsigned cuts = 0;
    struct err err = ERR_INIT;
    world_open_daemon(kind);
    if (kind >= 0)
        world_set_cuts(100 * 1024, 1500 * 1024);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    feed_next = 0;
    feed_total = bytes;
    struct viewer v = {.more = feed};
    struct attach_options o = as(ATTACH_WRITER);
    viewer_open(&v, e, &o);
    CHECK(viewer_finish_exit(&v));
    CHECK_INT(v.got[0], bytes);
    CHECK_INT(session_record(e)->exit_code, 0);
    CHECK_INT(v.acked, bytes);
    if (kind >= 0) {
        printf("     %u cuts, %u links lost after hello\n", world.proxy.cuts, world.downs);
        CHECK(world.proxy.cuts > world_many_cuts());
        cuts = world.proxy.cuts;
        proxy_set_cuts(&world.proxy, 0, 0);
    }
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
    return cuts;
}

static void test_cat(void)
{
    pass_through_cat(-1, 16 * 1024 * 1024);
}

static void test_cat_socket_cut(void)
{
    pass_through_cat(PROXY_SOCKET, 16 * 1024 * 1024);
}

static void test_cat_port_cut(void)
{
    pass_through_cat(PROXY_PORT, 16 * 1024 * 1024);
}

enum { MANY_CUTS = 200, MANY_ROUNDS = 16, ROUND_BYTES = 16 * 1024 * 1024 };

static void cut_often(int kind)
{
    unsigned cuts = 0, rounds = 0;
    for (; (rounds < MANY_ROUNDS || cuts < MANY_CUTS) && check_failures == 0; rounds++)
        cuts += pass_through_cat(kind, ROUND_BYTES);
    printf("     %u cuts in %u MiB each way\n", cuts, rounds * (ROUND_BYTES >> 20));
}

static void test_many_socket_cuts(void)
{
    cut_often(PROXY_SOCKET);
}

static void test_many_port_cuts(void)
{
    cut_often(PROXY_PORT);
}

static void ignore_start(void *arg, struct session_entry *e, const struct err *err)
{
    (void)arg;
    (void)e;
    (void)err;
}

static void test_eof_before_start(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    CHECK_INT(world_start_async("exec cat", &piped, NULL, ignore_start, NULL, &err), 0);
    struct session_entry *e = session_next(&world.core, NULL);
    CHECK_INT(session_record(e)->state, SESSION_PENDING);
    struct viewer v = {0};
    struct attach_options o = as(ATTACH_WRITER);
    viewer_open(&v, e, &o);
    CHECK_INT(attach_stdin(v.attach, 0, world.source, 1000, &err), 0);
    CHECK_INT(attach_stdin_eof(v.attach, &err), 0);
    CHECK(viewer_finish_exit(&v));
    CHECK_INT(v.got[0], 1000);
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

static bool not_writer(void *arg)
{
    return ((struct viewer *)arg)->n_writer_changed > 0;
}

static void test_one_writer(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    struct viewer first = {0}, second = {0}, third = {0};
    struct attach_options writer = as(ATTACH_WRITER), takeover = as(ATTACH_TAKEOVER);
    CHECK_INT(viewer_open(&first, e, &writer), 0);
    CHECK(world_run(viewer_is_opened, &first));
    CHECK_INT(attach_stdin(first.attach, 0, world.source, 5000, &err), 0);
    CHECK_INT(viewer_open(&second, e, &writer), -1);
    CHECK_STR(second.error.reason, "WRITER_TAKEN");
    struct viewer reader = {0};
    CHECK_INT(viewer_open(&reader, e, &from_start), 0);
    CHECK_INT(attach_stdin(reader.attach, 0, "x", 1, &err), -1);
    CHECK_STR(err.reason, "NOT_WRITER");
    viewer_close(&reader);
    CHECK_INT(session_send_stdin(e, NULL, "x", 1, false, NULL, NULL, &err), -1);
    CHECK_STR(err.reason, "WRITER_TAKEN");
    CHECK_INT(viewer_open(&third, e, &takeover), 0);
    CHECK(world_run(not_writer, &first) && world_run(viewer_is_opened, &third));
    CHECK(!first.is_writer);
    CHECK_INT(attach_stdin(first.attach, 5000, "under way", 9, &err), 0); /* dropped */
    CHECK_INT(third.opened.writer_generation, first.opened.writer_generation + 1);
    CHECK_INT(third.opened.stdin_offset, 5000);
    CHECK_INT(attach_stdin(third.attach, 4000, world.source + 4000, 2000, &err), 0);
    CHECK_INT(attach_stdin(third.attach, 7000, world.source, 1, &err), -1);
    CHECK_STR(err.reason, "STDIN_HOLE");
    viewer_close(&third); /* holds no claim */
    CHECK_INT(viewer_open(&second, e, &writer), 0);
    CHECK_INT(attach_stdin(second.attach, 6000, world.source + 6000, 4000, &err), 0);
    CHECK_INT(attach_stdin_eof(second.attach, &err), 0);
    CHECK(viewer_finish_exit(&second) && viewer_finish_exit(&first));
    CHECK_INT(first.got[0], 10000);
    CHECK_INT(attach_stdin(second.attach, 10000, "late", 4, &err), 0); /* dropped, as said */
    viewer_close(&first);
    viewer_close(&second);
    world_delete_all();
    world_close_daemon();
}

struct send {
    unsigned done, failed, wanted;
    uint64_t last;
    char reason[40];
};

static void on_sent(void *arg, uint64_t offset, const struct err *err)
{
    struct send *s = arg;
    s->done++;
    s->failed += err != NULL;
    if (err)
        snprintf(s->reason, sizeof(s->reason), "%s", err->reason);
    else if (offset > s->last)
        s->last = offset;
    world_poke();
}

static bool five_done(void *arg)
{
    return ((struct send *)arg)->done == 5;
}

static void test_sends(void)
{
    struct err err = ERR_INIT;
    static char block[5][200 * 1024];
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec tr -d x", &piped, &err);
    struct send s = {0};
    for (int i = 0; i < 5; i++) {
        memset(block[i], 'a' + i, sizeof(block[i]));
        CHECK_INT(
            session_send_stdin(e, NULL, block[i], sizeof(block[i]), i == 4, on_sent, &s, &err), 0);
    }
    CHECK_INT(s.done, 0);
    CHECK_INT(session_send_stdin(e, NULL, "y", 1, false, on_sent, &s, &err), -1);
    CHECK_STR(err.reason, "STDIN_CLOSED");
    CHECK(world_run(five_done, &s));
    CHECK_INT(s.failed, 0);
    CHECK_INT(s.last, sizeof(block));
    struct viewer v = {.not_source = true};
    viewer_open(&v, e, &from_start);
    CHECK(viewer_finish_exit(&v));
    CHECK_INT(v.got[0], sizeof(block));
    for (size_t i = 0; i < sizeof(v.text); i++)
        if (!CHECK_INT(v.text[i], 'a'))
            break;
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

static bool one_done(void *arg)
{
    return ((struct send *)arg)->done == 1;
}

static bool all_done(void *arg)
{
    return ((struct send *)arg)->done == ((struct send *)arg)->wanted;
}

static void send_at(struct session_entry *e, uint64_t offset, const char *text, struct send *s)
{
    struct err err = ERR_INIT;
    struct session_stdin_at at = {offset};
    s->wanted = s->done + 1;
    CHECK_INT(session_send_stdin(e, &at, text, strlen(text), false, on_sent, s, &err), 0);
    CHECK(world_run(all_done, s));
}

static void refuse_at(struct session_entry *e, uint64_t offset, const char *text)
{
    struct err err = ERR_INIT;
    struct session_stdin_at at = {offset};
    CHECK_INT(session_send_stdin(e, &at, text, strlen(text), false, on_sent, NULL, &err), -1);
    CHECK_INT(err.code, ERR_ABORTED);
    CHECK_STR(err.reason, "STDIN_MOVED");
}

/* Whoever names the offset may ask again, whatever became of the answer, and of the daemon. */
static void test_a_send_may_be_repeated(void)
{
    struct err err = ERR_INIT;
    struct send s = {0};
    char id[ID_BYTES];
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    if (!CHECK(e != NULL))
        return;
    memcpy(id, session_record(e)->id, sizeof(id));
    send_at(e, 0, "one,", &s);
    send_at(e, 0, "one,", &s);
    refuse_at(e, 0, "uno,");
    refuse_at(e, 2, "e,");
    refuse_at(e, 9, "hole");
    send_at(e, 4, "two,", &s);
    world_close_daemon();
    world_open_daemon(-1);
    e = session_find_id(&world.core, id);
    send_at(e, 4, "two,", &s); /* the answer of the earlier one was lost */
    send_at(e, 8, "three", &s);
    CHECK_INT(s.failed, 0);
    CHECK_INT(s.last, 13);
    s.wanted = s.done + 1;
    CHECK_INT(session_send_stdin(e, NULL, "", 0, true, on_sent, &s, &err), 0);
    struct viewer v = {.not_source = true};
    viewer_open(&v, e, &from_start);
    CHECK(viewer_finish_exit(&v));
    CHECK_STR(v.text, "one,two,three");
    viewer_close(&v);
    send_at(e, 8, "three", &s); /* and when the process has long gone */
    CHECK_INT(s.failed, 0);
    world_delete_all();
    world_close_daemon();
}

/* A writer that comes back is told of what others have written, however little that was. */
static void test_a_writer_is_told_of_others(void)
{
    struct err err = ERR_INIT;
    struct send s = {0};
    struct attach_options mine = as(ATTACH_WRITER), other = as(ATTACH_WRITER);
    mine.writer_key = 7;
    other.writer_key = 8;
    struct viewer v = {.not_source = true};
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    viewer_open(&v, e, &mine);
    CHECK(world_run(viewer_is_opened, &v));
    CHECK_INT(attach_stdin(v.attach, 0, "mine", 4, &err), 0);
    viewer_close(&v);
    v = (struct viewer){.not_source = true};
    viewer_open(&v, e, &mine);
    CHECK(world_run(viewer_is_opened, &v));
    CHECK_INT(v.opened.stdin_foreign, 0);
    viewer_close(&v);
    CHECK_INT(session_send_stdin(e, NULL, "not", 3, false, on_sent, &s, &err), 0);
    v = (struct viewer){.not_source = true};
    viewer_open(&v, e, &mine);
    CHECK(world_run(viewer_is_opened, &v));
    CHECK_INT(v.opened.stdin_foreign, 7);
    CHECK_INT(attach_stdin(v.attach, 7, "mine", 4, &err), 0);
    viewer_close(&v);
    v = (struct viewer){.not_source = true};
    viewer_open(&v, e, &other);
    CHECK(world_run(viewer_is_opened, &v));
    CHECK_INT(v.opened.stdin_foreign, 11);
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

static void test_send_to_one_that_leaves(void)
{
    struct err err = ERR_INIT;
    static char block[SESSION_SEND_BYTES];
    world_open_daemon(-1);
    struct session_entry *e = world_start("sleep 0.2; exit 0", &piped, &err);
    struct send s = {0};
    CHECK_INT(session_send_stdin(e, NULL, block, sizeof(block), false, on_sent, &s, &err), 0);
    CHECK(world_run(one_done, &s));
    CHECK_INT(s.failed, 1);
    CHECK_STR(s.reason, "STDIN_CLOSED");
    CHECK(world_wait_ended(e));
    e = world_start("exit 0", NULL, &err);
    CHECK_INT(session_send_stdin(e, NULL, block, 1, false, on_sent, &s, &err), -1);
    CHECK_STR(err.reason, "NO_STDIN");
    world_delete_all();
    world_close_daemon();
}

static bool is_told_ack(void *arg)
{
    const struct viewer *v = arg;
    return v->n_acks > 0;
}

/* Whoever comes back as the writer hears what is acknowledged, though nothing is under way. */
static void test_first_ack(void)
{
    struct err err = ERR_INIT;
    struct attach_options writer = as(ATTACH_WRITER);
    struct viewer v = {0}, w = {0};
    struct send s = {0};
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    viewer_open(&v, e, &writer);
    CHECK(world_run(is_told_ack, &v));
    CHECK_INT(v.acked, 0);
    viewer_close(&v);
    CHECK_INT(session_send_stdin(e, NULL, world.source, 5000, false, on_sent, &s, &err), 0);
    CHECK(world_run(one_done, &s));
    viewer_open(&w, e, &writer);
    CHECK(world_run(is_told_ack, &w));
    CHECK_INT(w.opened.stdin_offset, 5000);
    CHECK_INT(w.acked, 5000);
    CHECK_INT(w.n_acks, 1);
    CHECK_INT(attach_stdin_eof(w.attach, &err), 0);
    CHECK(viewer_finish_exit(&w));
    viewer_close(&w);
    world_delete_all();
    world_close_daemon();
}

/* A daemon that dies takes its buffer with it; the client sends again from what was acknowledged.
 */
static void test_restart_goes_on(void)
{
    struct err err = ERR_INIT;
    world_open_daemon(-1);
    struct session_entry *e = world_start("exec cat", &piped, &err);
    char id[ID_BYTES];
    strcpy(id, session_record(e)->id);
    struct send s = {0};
    CHECK_INT(session_send_stdin(e, NULL, world.source, 50000, false, on_sent, &s, &err), 0);
    CHECK(world_run(one_done, &s));
    world_close_daemon();
    world_open_daemon(-1);
    e = session_find_id(&world.core, id);
    feed_next = 40000;
    feed_total = 90000;
    struct viewer v = {.more = feed};
    struct attach_options o = as(ATTACH_WRITER);
    viewer_open(&v, e, &o);
    CHECK(viewer_finish_exit(&v));
    CHECK_INT(v.opened.stdin_offset, 50000);
    CHECK_INT(v.got[0], 90000);
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

static bool agent_has_more(void *arg)
{
    const struct session_entry *e = arg;
    return e->in.known && e->in.start > e->in.acked;
}

/* Bytes and end of stdin that the agent holds for a process that does not read are of nobody in the
 * next daemon: what comes there goes behind them. */
static void hold_over_restart(bool eof)
{
    enum { HELD = 200 * 1024 };
    static char marks[SESSION_SEND_BYTES];
    struct err err = ERR_INIT;
    char script[200], go[64], id[ID_BYTES];
    snprintf(go, sizeof(go), "/tmp/bt-go.%d", (int)getpid());
    snprintf(script, sizeof(script), "until rm %s 2>/dev/null; do sleep 0.02; done; exec cat", go);
    memset(marks, 'm', sizeof(marks));
    world_open_daemon(-1);
    struct session_entry *e = world_start(script, &piped, &err);
    strcpy(id, session_record(e)->id);
    struct send lost = {0}, s = {0};
    CHECK_INT(session_send_stdin(e, NULL, world.source, HELD, eof, on_sent, &lost, &err), 0);
    /* The link is in order: this agent has the bytes when the next session runs. */
    CHECK(world_start("exit 0", NULL, &err));
    CHECK_INT(e->in.sent, HELD);
    CHECK(e->in.acked < HELD);
    world_close_daemon();
    world_open_daemon(-1);
    e = session_find_id(&world.core, id);
    CHECK(world_run(agent_has_more, e));
    int sent = session_send_stdin(e, NULL, marks, sizeof(marks), true, on_sent, &s, &err);
    CHECK_INT(sent, eof ? -1 : 0);
    if (eof)
        CHECK_STR(err.reason, "STDIN_CLOSED");
    int fd = open(go, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    close(fd);
    struct viewer v = {.not_source = !eof};
    viewer_open(&v, e, &from_start);
    CHECK(viewer_finish_exit(&v));
    CHECK_INT(v.got[0], HELD + (eof ? 0 : sizeof(marks)));
    if (!eof) {
        CHECK(world_run(one_done, &s));
        CHECK_INT(s.last, HELD + sizeof(marks));
    }
    viewer_close(&v);
    world_delete_all();
    world_close_daemon();
}

static void test_held_bytes_survive_restart(void)
{
    hold_over_restart(false);
}

static void test_held_eof_survives_restart(void)
{
    hold_over_restart(true);
}

int main(int argc, char **argv)
{
    srand(11);
    world_begin();
    if (argc > 1 && strcmp(argv[1], "cuts") == 0) {
        RUN(test_many_socket_cuts);
        RUN(test_many_port_cuts);
        world_end();
        return check_end();
    }
    RUN(test_cat);
    RUN(test_cat_socket_cut);
    RUN(test_cat_port_cut);
    RUN(test_eof_before_start);
    RUN(test_one_writer);
    RUN(test_sends);
    RUN(test_a_send_may_be_repeated);
    RUN(test_a_writer_is_told_of_others);
    RUN(test_send_to_one_that_leaves);
    RUN(test_first_ack);
    RUN(test_restart_goes_on);
    RUN(test_held_bytes_survive_restart);
    RUN(test_held_eof_survives_restart);
    world_end();
    return check_end();
}
