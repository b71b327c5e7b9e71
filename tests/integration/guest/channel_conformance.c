/* What every kind of guest channel must do (daemon/guest/channel.h), run over each:
 * `channel_conformance KIND`. The kinds memory and trickle are the test's own, without a file
 * descriptor: the table is all that a channel is.
 *
 * Each end sends bytes that follow from their position, and holds what comes against that. */
#include <dirent.h>
#include <sys/uio.h>

#include "base/err.h"
#include "tests/integration/guest/channel_rig.h"
#include "tests/support/check.h"

enum {
    DEADLINE_MS = 60000,
    QUIET_TURNS = 50,
    MANY = 1 << 30,
    FULL_BYTES = 64 << 20,
    CALL_BYTES = 1 << 20, /* at most in one call */
    PERIOD_BYTES = 65521, /* of what is sent: a prime, so that no piece looks like another */
};

static const struct rig *rig;

struct side {
    struct channel *c;
    size_t sent, to_send;   /* bytes; all of them are offered when it is writable */
    size_t got, to_get;     /* reads no more than that */
    size_t piece;           /* at most in one call */
    unsigned reads, writes; /* times it was ready */
    bool over, wrong; /* recv said its end; bytes that were not sent, or ready inside a call */
    bool close_when_ready, idle; /* idle: takes no notice of being ready */
    struct err why;
};

static struct {
    struct loop *loop;
    struct timer deadline, turn;
    struct channel_config config;
    struct side near, far; /* the kind's end and the guest's */
    bool (*done)(void);
    unsigned turns;
    bool inside, timed_out;
} t;

static uint8_t sample[PERIOD_BYTES + CALL_BYTES], room[CALL_BYTES];

static void make_sample(void)
{
    for (size_t i = 0; i < sizeof(sample); i++) {
        size_t at = i % PERIOD_BYTES;
        sample[i] = (uint8_t)(at * 7 + (at >> 8) * 13);
    }
}

static uint8_t *sample_at(size_t offset)
{
    return sample + offset % PERIOD_BYTES;
}

static size_t at_most(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void want(struct side *s)
{
    if (!s->c)
        return;
    bool reads = !s->over && s->got < s->to_get;
    bool writes = !s->over && channel_is_alive(s->c) && s->sent < s->to_send;
    t.inside = true;
    channel_want(s->c, (reads ? WATCH_READ : 0) | (writes ? WATCH_WRITE : 0));
    t.inside = false;
}

/* In three pieces, one of them empty. */
static size_t send_some(struct side *s)
{
    size_t len = at_most(at_most(s->to_send - s->sent, s->piece), CALL_BYTES);
    uint8_t *out = sample_at(s->sent);
    struct iovec iov[3] = {{out, len / 3}, {out, 0}, {out + len / 3, len - len / 3}};
    t.inside = true;
    size_t n = channel_send(s->c, iov, 3);
    t.inside = false;
    s->wrong |= n > len;
    s->sent += n;
    return n;
}

static ssize_t get_some(struct side *s)
{
    t.inside = true;
    size_t len = at_most(at_most(s->to_get - s->got, s->piece), CALL_BYTES);
    ssize_t n = channel_recv(s->c, room, len, &s->why);
    t.inside = false;
    if (n < 0)
        s->over = true;
    if (n > 0) {
        s->wrong |= (size_t)n > len || memcmp(room, sample_at(s->got), (size_t)n) != 0;
        s->got += (size_t)n;
    }
    return n;
}

static void stop_if_done(void)
{
    if (t.done && t.done())
        loop_stop(t.loop);
}

static void on_ready(void *arg, int events)
{
    struct side *s = arg;
    s->wrong |= t.inside || !s->c;
    s->reads += events & WATCH_READ ? 1 : 0;
    s->writes += events & WATCH_WRITE ? 1 : 0;
    if (s->close_when_ready) {
        channel_close(s->c);
        s->c = NULL;
    } else if (!s->idle) {
        if (events & WATCH_READ && s->got < s->to_get && !s->over)
            get_some(s);
        if (events & WATCH_WRITE && s->sent < s->to_send)
            send_some(s);
        want(s);
    }
    stop_if_done();
}

static void on_deadline(void *arg)
{
    (void)arg;
    t.timed_out = true;
    loop_stop(t.loop);
}

static void on_turn(void *arg)
{
    (void)arg;
    if (--t.turns == 0)
        loop_stop(t.loop);
    else
        timer_start(&t.turn, 0);
}

/* Nothing that has not come then will: everything is ready without time passing. */
static void run_turns(void)
{
    t.done = NULL;
    t.turns = QUIET_TURNS;
    timer_start(&t.turn, 0);
    want(&t.near);
    want(&t.far);
    loop_run(t.loop, NULL);
}

static bool run_until(bool (*done)(void))
{
    t.done = done;
    t.timed_out = false;
    want(&t.near);
    want(&t.far);
    timer_start(&t.deadline, DEADLINE_MS);
    if (!done())
        loop_run(t.loop, NULL);
    timer_stop(&t.deadline);
    return CHECK(!t.timed_out);
}

static void begin(void)
{
    memset(&t, 0, sizeof(t));
    t.loop = loop_new(NULL);
    timer_init(&t.deadline, t.loop, on_deadline, NULL);
    timer_init(&t.turn, t.loop, on_turn, NULL);
    rig->begin(t.loop, &t.config);
}

static bool open_near(void)
{
    struct err err = ERR_INIT;
    t.near = (struct side){.piece = SIZE_MAX};
    t.inside = true;
    t.near.c = t.config.kind->open(t.loop, &t.config, on_ready, &t.near, &err);
    t.inside = false;
    return CHECK(t.near.c != NULL);
}

static bool near_was_ready(void)
{
    return t.near.reads + t.near.writes > 0;
}

/* Until it has shaken hands, or is over. */
static void await_near(void)
{
    struct side before = t.near;
    t.near.idle = true;
    t.near.reads = t.near.writes = 0;
    t.near.to_get = t.near.got + 1;
    t.near.to_send = t.near.sent + 1;
    run_until(near_was_ready);
    t.near = before;
    want(&t.near);
}

static bool accept_far(void)
{
    t.far = (struct side){.piece = SIZE_MAX};
    t.far.c = rig->accept(on_ready, &t.far);
    if (rig->late && t.near.c)
        await_near();
    return CHECK(t.far.c != NULL);
}

static bool connect_both(void)
{
    return open_near() && accept_far();
}

static void close_side(struct side *s)
{
    channel_close(s->c);
    s->c = NULL;
    CHECK(!s->wrong);
}

static void close_both(void)
{
    close_side(&t.near);
    close_side(&t.far);
}

static void end(void)
{
    close_both();
    rig->end();
    timer_done(&t.deadline);
    timer_done(&t.turn);
    loop_free(t.loop);
}

static bool all_moved(void)
{
    return t.near.got == t.near.to_get && t.far.got == t.far.to_get;
}

static bool near_is_over(void)
{
    return t.near.over;
}

static bool far_is_over(void)
{
    return t.far.over;
}

static bool near_is_closed(void)
{
    return !t.near.c;
}

/* As much as it takes while nobody reads. */
static void fill(struct side *s)
{
    s->to_send = MANY;
    while (s->sent < FULL_BYTES && send_some(s) > 0) {
    }
    CHECK(s->sent > 0);
    CHECK(s->sent < FULL_BYTES);
}

/* What is over stays over, and says why each time. */
static void check_over(struct side *s)
{
    struct err first = s->why;
    CHECK(s->over);
    CHECK(first.code != ERR_NONE);
    CHECK(first.message[0] != '\0');
    CHECK(!channel_is_alive(s->c));
    s->to_get = MANY;
    s->to_send = MANY;
    for (int i = 0; i < 2; i++) {
        s->why = (struct err)ERR_INIT;
        CHECK_INT(get_some(s), -1);
        CHECK_INT(s->why.code, first.code);
        CHECK_STR(s->why.message, first.message);
        CHECK_INT(send_some(s), 0);
    }
}

static void move(size_t to_far, size_t to_near, size_t piece)
{
    t.near.to_send += to_far;
    t.far.to_get += to_far;
    t.far.to_send += to_near;
    t.near.to_get += to_near;
    t.near.piece = t.far.piece = piece;
    run_until(all_moved);
    CHECK_INT(t.near.got, t.near.to_get);
    CHECK_INT(t.far.got, t.far.to_get);
    CHECK(channel_is_alive(t.near.c));
}

static void test_bytes_arrive_as_they_were_sent(void)
{
    begin();
    if (connect_both()) {
        move(rig->volume_bytes, 0, SIZE_MAX);
        move(0, rig->volume_bytes, SIZE_MAX);
        move(rig->volume_bytes / 2, rig->volume_bytes / 2, 70001);
    }
    end();
}

static void test_a_byte_at_a_time(void)
{
    begin();
    if (connect_both())
        move(20000, 20000, 1);
    end();
}

/* The channel may be used from the moment it is opened, whatever the other end has come to. */
static void test_used_before_the_other_end_is_there(void)
{
    begin();
    if (open_near()) {
        CHECK(channel_is_alive(t.near.c));
        t.near.to_get = t.near.to_send = 1000;
        CHECK_INT(get_some(&t.near), 0);
        run_turns();
        CHECK_INT(t.near.got, 0);
        CHECK(!t.near.over);
        if (accept_far()) {
            t.far.to_get = t.far.to_send = 1000;
            run_until(all_moved);
        }
    }
    end();
}

static unsigned stride(void)
{
    return rig->stride ? rig->stride : 1;
}

static void test_lost_at_any_byte(void)
{
    begin();
    for (size_t n = 0; n < 200 && connect_both(); n += stride()) {
        t.far.to_send = n;
        while (t.far.sent < n && send_some(&t.far) > 0) {
        }
        CHECK_INT(t.far.sent, n);
        t.near.to_get = MANY;
        close_side(&t.far);
        run_until(near_is_over);
        CHECK_INT(t.near.got, n);
        check_over(&t.near);
        close_side(&t.near);
        if (!connect_both())
            break;
        move(100, 0, SIZE_MAX); /* shaken hands, for sure */
        t.near.to_send += n;
        t.far.to_get = MANY;
        while (t.near.sent < t.near.to_send && send_some(&t.near) > 0) {
        }
        close_side(&t.near);
        run_until(far_is_over);
        CHECK_INT(t.far.got, 100 + n);
        close_side(&t.far);
    }
    end();
}

static void test_a_peer_that_never_reads(void)
{
    begin();
    if (connect_both()) {
        run_turns(); /* shaken hands */
        fill(&t.near);
        CHECK(channel_is_alive(t.near.c));
        unsigned writes = t.near.writes;
        run_turns();
        CHECK_INT(t.near.writes, writes); /* full: not ready */
        /* It reads after all. */
        t.near.to_send = t.near.sent + 1000;
        t.far.to_get = t.near.to_send;
        run_until(all_moved);
        CHECK(t.near.writes > writes);
    }
    end();
}

static void test_a_full_channel_still_gives_what_comes(void)
{
    begin();
    if (connect_both()) {
        run_turns();
        fill(&t.near);
        t.far.to_send = t.near.to_get = 5000;
        run_until(all_moved);
    }
    end();
}

static void test_a_peer_that_says_nothing(void)
{
    begin();
    if (connect_both()) {
        t.near.to_get = 1;
        run_turns();
        CHECK_INT(t.near.reads, 0);
        CHECK_INT(get_some(&t.near), 0);
        CHECK(channel_is_alive(t.near.c));
    }
    end();
}

static bool near_may_read(void)
{
    return t.near.reads > 0;
}

static void test_ready_only_for_what_is_wanted(void)
{
    begin();
    if (connect_both()) {
        move(10, 10, SIZE_MAX);
        unsigned reads = t.near.reads, writes = t.near.writes;
        t.far.to_send += 10;
        run_turns(); /* bytes wait, there is room, nobody asks */
        CHECK_INT(t.near.reads, reads);
        CHECK_INT(t.near.writes, writes);
        t.near.idle = true; /* asked again and again, and nothing done */
        t.near.to_get += 10;
        t.near.to_send += 10;
        if (rig->late) {
            t.near.reads = 0;
            run_until(near_may_read);
            reads = 0;
        }
        run_turns();
        CHECK(t.near.reads > reads + 1);
        CHECK(t.near.writes > writes + 1);
        t.near.idle = false;
        t.far.to_get += 10;
        run_until(all_moved);
    }
    end();
}

static void test_half_open(void)
{
    begin();
    if (connect_both()) {
        move(10, 0, SIZE_MAX);
        t.far.to_send = 777;
        while (t.far.sent < 777 && send_some(&t.far) > 0) {
        }
        rig->shut(t.far.c);
        t.near.to_get = MANY;
        run_until(near_is_over);
        CHECK_INT(t.near.got, 777);
        check_over(&t.near);
    }
    end();
}

/* What came before is given first; then there is one end, whichever call found it. */
static void test_sending_to_one_that_has_gone(void)
{
    begin();
    if (connect_both()) {
        move(10, 0, SIZE_MAX);
        t.near.to_send += 5; /* stays unread */
        while (t.near.sent < t.near.to_send && send_some(&t.near) > 0) {
        }
        t.far.to_send = 300;
        while (t.far.sent < 300 && send_some(&t.far) > 0) {
        }
        close_side(&t.far);
        t.near.to_send += 100;
        for (int i = 0; i < 10 && channel_is_alive(t.near.c); i++)
            CHECK(send_some(&t.near) == 0 || rig->late);
        CHECK(!channel_is_alive(t.near.c) || rig->late);
        t.near.to_get = MANY;
        run_until(near_is_over);
        CHECK_INT(t.near.got, 300);
        check_over(&t.near);
    }
    end();
}

static void test_close_in_every_state(void)
{
    begin();
    channel_close(NULL);
    if (open_near()) { /* before anybody is there */
        close_side(&t.near);
        if (accept_far())
            close_side(&t.far);
    }
    if (connect_both()) { /* before the first turn of the loop */
        want(&t.near);
        close_both();
    }
    if (connect_both()) { /* full, and bytes unread */
        run_turns();
        fill(&t.near);
        fill(&t.far);
        close_both();
    }
    if (connect_both()) { /* from inside of ready */
        move(10, 0, SIZE_MAX);
        t.near.close_when_ready = true;
        t.near.to_send = t.near.to_get = t.far.to_send = MANY;
        run_until(near_is_closed);
        t.far.to_get = MANY;
        run_until(far_is_over);
        close_both();
    }
    if (connect_both()) { /* over already */
        close_side(&t.far);
        t.near.to_get = 1;
        run_until(near_is_over);
        close_both();
    }
    run_turns(); /* ready of a closed one would tell */
    CHECK(!t.near.wrong);
    CHECK(!t.far.wrong);
    end();
}

static unsigned count_fds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static void test_again_and_again(void)
{
    begin();
    unsigned fds = count_fds();
    for (unsigned i = 0; i < 100 && connect_both(); i += stride()) {
        move(100, 100, SIZE_MAX);
        if (i % 2) {
            close_side(&t.far);
            t.near.to_get = MANY;
            run_until(near_is_over);
        }
        close_both();
    }
    CHECK_INT(count_fds(), fds);
    end();
}

/* An error that a later attempt may not meet, and nothing to close. */
static void test_nobody_listens(void)
{
    begin();
    rig->end();
    unsigned fds = count_fds();
    struct err err = ERR_INIT;
    CHECK(!t.config.kind->open(t.loop, &t.config, on_ready, &t.near, &err));
    CHECK(err.code == ERR_NOT_FOUND || err.code == ERR_UNAVAILABLE);
    CHECK_INT(count_fds(), fds);
    timer_done(&t.deadline);
    timer_done(&t.turn);
    loop_free(t.loop);
}

int main(int argc, char **argv)
{
#define RIG_ROW(value, name) &rig_##name,
    static const struct rig *const rigs[] = {&rig_memory, &rig_trickle,
                                             GUEST_CHANNEL_KINDS(RIG_ROW)};
#undef RIG_ROW
    for (size_t i = 0; argc == 2 && i < sizeof(rigs) / sizeof(*rigs); i++) {
        if (strcmp(rigs[i]->name, argv[1]) == 0)
            rig = rigs[i];
    }
    if (!rig) {
        fprintf(stderr, "usage: channel_conformance KIND\n");
        return 2;
    }
    make_sample();
    RUN(test_bytes_arrive_as_they_were_sent);
    RUN(test_a_byte_at_a_time);
    RUN(test_used_before_the_other_end_is_there);
    RUN(test_lost_at_any_byte);
    RUN(test_a_peer_that_never_reads);
    RUN(test_a_full_channel_still_gives_what_comes);
    RUN(test_a_peer_that_says_nothing);
    RUN(test_ready_only_for_what_is_wanted);
    RUN(test_half_open);
    RUN(test_sending_to_one_that_has_gone);
    RUN(test_close_in_every_state);
    RUN(test_again_and_again);
    RUN(test_nobody_listens);
    return check_end();
}
