/* The host's time rules: after a pause, whatever the guest's root does to its clock, and in what is
 * told of sessions. guest_clock_test qemu */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "banger/methods.h"
#include "base/clock.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum {
    WAIT_MS = 60000,
    PAUSE_MS = 4000,
    RESUME_MS = 3000 /* pings alone are five seconds apart */
};

static struct harness h;
static struct banger_client *client;

/* By how much the guest is behind, as far as can be said: its clock is read somewhere between. */
static double behind_s(void)
{
    static const char *const argv[] = {"date", "+%s.%N", NULL};
    char out[64];
    int64_t before_ns = clock_real_ns();
    CHECK_INT(steps_run(client, &h, "box", argv, NULL, 0, out, sizeof(out)), 0);
    double guest = strtod(out, NULL);
    if (guest < (double)before_ns / 1e9)
        return (double)before_ns / 1e9 - guest;
    return guest > (double)clock_real_ns() / 1e9 ? (double)clock_real_ns() / 1e9 - guest : 0;
}

static bool clock_is_right(void *arg)
{
    (void)arg;
    double behind = behind_s();
    return behind < 0.7 && behind > -0.7;
}

static bool pause_is_over(void *arg)
{
    return clock_mono_ms() >= *(int64_t *)arg;
}

static void test_the_clock_is_right_after_a_pause(void)
{
    struct banger_error error = {0};
    CHECK(harness_until(clock_is_right, NULL, WAIT_MS));
    CHECK_INT(steps_do(client, STEPS_PAUSE, "box", &error), 0);
    int64_t until_ms = clock_mono_ms() + PAUSE_MS;
    CHECK(harness_until(pause_is_over, &until_ms, 2 * PAUSE_MS)); /* the time itself is tested */
    CHECK_INT(steps_do(client, STEPS_RESUME, "box", &error), 0);
    /* With the first command already, where the guest is quick enough to read what it is told. */
    CHECK(harness_until(clock_is_right, NULL, RESUME_MS));
}

static bool was_told(void *arg)
{
    uint64_t *seq = arg; /* read so far: each look at the clock makes events of its own */
    struct banger_error error = {0};
    Banger__V1__ListEventsRequest list = BANGER__V1__LIST_EVENTS_REQUEST__INIT;
    list.after_seq = *seq;
    Banger__V1__ListEventsResponse *page = banger_list_events(client, &list, NULL, &error);
    bool told = false;
    for (size_t i = 0; page && i < page->n_events; i++) {
        *seq = page->events[i]->seq;
        told |= strcmp(page->events[i]->kind, "vm.clock") == 0 &&
                strstr(page->events[i]->detail, "behind");
    }
    banger_message_free(page ? &page->base : NULL);
    return told;
}

static void test_a_clock_that_is_off_is_set_and_told(void)
{
    static const char *const set[] = {"date", "-s", "2001-01-01", NULL};
    uint64_t seq = 0;
    CHECK_INT(steps_run(client, &h, "box", set, NULL, 0, NULL, 0), 0);
    CHECK(harness_until(clock_is_right, NULL, WAIT_MS));
    CHECK(harness_until(was_told, &seq, WAIT_MS));
}

static int64_t ns_of(const Google__Protobuf__Timestamp *t)
{
    return t ? t->seconds * 1000000000 + t->nanos : 0;
}

static void test_times_of_sessions_are_the_host_s(void)
{
    static const char *const argv[] = {"sh", "-c", "date -s 2001-01-01 >/dev/null; exit 3", NULL};
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES];
    int64_t begin_ns = clock_real_ns();
    CHECK_INT(steps_start_session(client, &h, "box", argv, false, id, &error), 0);
    CHECK(steps_await_session(&h, client, id, SESSION_STATE(EXITED), WAIT_MS));
    Banger__V1__GetSessionRequest get = BANGER__V1__GET_SESSION_REQUEST__INIT;
    get.session = id;
    Banger__V1__GuestSession *s = banger_get_session(client, &get, NULL, &error);
    if (CHECK(s)) {
        CHECK(ns_of(s->created) >= begin_ns);
        CHECK(ns_of(s->started) >= ns_of(s->created));
        CHECK(ns_of(s->ended) >= ns_of(s->started));
        CHECK(ns_of(s->ended) <= clock_real_ns());
    }
    banger_message_free(s ? &s->base : NULL);
}

int main(int argc, char **argv)
{
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES];
    harness_open(&h, argc > 1 ? argv[1] : "qemu");
    client = harness_connect(&h);
    CHECK_INT(steps_create_vm(client, &h, &(struct steps_create){.name = "box"}, id, &error), 0);
    RUN(test_the_clock_is_right_after_a_pause);
    RUN(test_a_clock_that_is_off_is_set_and_told);
    RUN(test_times_of_sessions_are_the_host_s);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
