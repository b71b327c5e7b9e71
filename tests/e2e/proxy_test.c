/* Attach through nginx and HAProxy, which give up a stream that is quiet for their time: signs of
 * life keep it; without them it is cut and comes back; and what comes last, just before the stream
 * ends, arrives whole, though the client never ends its own direction.
 * proxy_test sim */
#include <stdio.h>
#include <string.h>

#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/proxies.h"
#include "tests/support/vm_steps.h"
#include "tests/support/told.h"

enum { WAIT_MS = 120000, ENDS = 20, TAIL_BYTES = 300000 };

static struct harness h;
static struct banger_client *direct;
static char box[STEPS_ID_BYTES];
static struct proxy proxies[PROXY_KINDS];
static int n_proxies;

static struct banger_client *connect_through(const struct proxy *p, int64_t alive_ms)
{
    const struct told_client options = {.alive_ms = alive_ms};
    struct banger_error error;
    struct banger_client *c = told_connect(p->target, &options, &error);
    if (!c)
        harness_die(&h, "%s: %s", p->name, error.message);
    return c;
}

/* More than twice the proxies' time, then a word. */
static void start_quiet(char session[STEPS_ID_BYTES])
{
    const char *const argv[] = {"sh", "-c", "sleep 7; echo awake; exit 7", NULL};
    struct banger_error error;
    if (steps_start_session(direct, &h, box, argv, false, session, &error) < 0)
        harness_die(&h, "%s", error.message);
}

static void follow_quiet(const struct proxy *p, int64_t alive_ms, struct attach_reader *r)
{
    char session[STEPS_ID_BYTES];
    start_quiet(session);
    struct banger_client *c = connect_through(p, alive_ms);
    reader_open(r, c, session, NULL);
    r->keep = true;
    CHECK(reader_finish(r, WAIT_MS));
    CHECK_INT(r->status, 7);
    CHECK_INT(buf_len(&r->out[1]), strlen("awake\n"));
    reader_close(r);
    banger_close(c);
}

static void test_signs_of_life_keep_a_quiet_attach(void)
{
    for (int i = 0; i < n_proxies; i++) {
        struct attach_reader r;
        follow_quiet(&proxies[i], 1000, &r);
        printf("     %s: opened %u times, broken %u\n", proxies[i].name, r.opened, r.broken);
        CHECK_INT(r.opened, 1);
        CHECK_INT(r.broken, 0);
    }
}

static void test_a_quiet_attach_that_is_cut_comes_back(void)
{
    for (int i = 0; i < n_proxies; i++) {
        struct attach_reader r;
        follow_quiet(&proxies[i], -1, &r);
        printf("     %s: opened %u times, broken %u\n", proxies[i].name, r.opened, r.broken);
        CHECK(r.broken > 0);
        CHECK(r.opened > 1);
    }
}

static void test_the_end_arrives_whole(void)
{
    char command[64];
    snprintf(command, sizeof(command), "head -c %d /dev/zero; exit 7", TAIL_BYTES);
    const char *const argv[] = {"sh", "-c", command, NULL};
    for (int i = 0; i < n_proxies; i++) {
        struct banger_client *c = connect_through(&proxies[i], 0);
        for (int k = 0; k < ENDS; k++) {
            char session[STEPS_ID_BYTES];
            struct banger_error error;
            struct attach_reader r;
            CHECK_INT(steps_start_session(direct, &h, box, argv, false, session, &error), 0);
            reader_open(&r, c, session, NULL);
            CHECK(reader_finish(&r, WAIT_MS));
            CHECK_INT(r.status, 7);
            CHECK_INT(r.data_bytes, TAIL_BYTES);
            CHECK_INT(r.broken, 0);
            reader_close(&r);
        }
        banger_close(c);
    }
}

int main(int argc, char **argv)
{
    struct banger_error error = {0};
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    for (int kind = 0; kind < PROXY_KINDS; kind++)
        n_proxies += proxy_start(&proxies[n_proxies], &h, (enum proxy_kind)kind);
    if (n_proxies == 0) {
        harness_close(&h);
        puts("skipped: neither nginx nor HAProxy is here");
        return 77;
    }
    direct = harness_connect(&h);
    if (steps_create_vm(direct, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(test_the_end_arrives_whole);
    RUN(test_signs_of_life_keep_a_quiet_attach);
    RUN(test_a_quiet_attach_that_is_cut_comes_back);
    for (int i = 0; i < n_proxies; i++)
        proxy_stop(&proxies[i]);
    banger_close(direct);
    CHECK(harness_close(&h));
    return check_end();
}
