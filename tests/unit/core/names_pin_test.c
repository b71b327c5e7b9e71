/* What is asked of the helper for answers to a guest, in which order, and when the guest is told.
 * The helper is a stand-in that answers when it is let. */
#include <pthread.h>

#include "base/clock.h"
#include "daemon/core/names/names_internal.h"
#include "daemon/host/tap_names.h"
#include "tests/unit/core/vm_world.h"

enum { PORT = 5000, CALLS_MAX = 16, WAIT_MS = 10000, FIRST = 0xcb007110, FAR = 0xcb007190 };

/* The helper */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool held;
    int at_once, most_at_once, n;
    struct tap_pins calls[CALLS_MAX];
    enum err_code fails;
} helper = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

/* Told */

static struct guest_names *g;
static int n_told, n_wanted;
static struct {
    uint16_t id;
    int code;
} told[CALLS_MAX];

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
int __wrap_tap_names_pin(const char *vm_id, const struct tap_pins *pins, struct err *err);
void __wrap_guest_names_reply(struct guest_names *guest, const struct dns_question *q,
                              const struct sockaddr_in *from, const struct dns_answer *a);

int __wrap_tap_names_pin(const char *vm_id, const struct tap_pins *pins, struct err *err)
{
    (void)vm_id;
    pthread_mutex_lock(&helper.lock);
    helper.calls[helper.n++] = *pins;
    if (++helper.at_once > helper.most_at_once)
        helper.most_at_once = helper.at_once;
    pthread_cond_broadcast(&helper.moved);
    while (helper.held)
        pthread_cond_wait(&helper.moved, &helper.lock);
    helper.at_once--;
    enum err_code code = helper.fails;
    pthread_mutex_unlock(&helper.lock);
    return code == ERR_NONE ? 0 : err_set(err, code, "the helper would not");
}

void __wrap_guest_names_reply(struct guest_names *guest, const struct dns_question *q,
                              const struct sockaddr_in *from, const struct dns_answer *a)
{
    (void)guest, (void)from;
    told[n_told].id = q->id;
    told[n_told++].code = a->code;
    if (n_told == n_wanted)
        loop_stop(core.loop);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void hold(bool held)
{
    pthread_mutex_lock(&helper.lock);
    helper.held = held;
    pthread_cond_broadcast(&helper.moved);
    pthread_mutex_unlock(&helper.lock);
}

static void wait_for_calls(int n)
{
    pthread_mutex_lock(&helper.lock);
    while (helper.n < n)
        pthread_cond_wait(&helper.moved, &helper.lock);
    pthread_mutex_unlock(&helper.lock);
}

static void too_late(void *arg)
{
    (void)arg;
    fprintf(stderr, "%d are told, want %d\n", n_told, n_wanted);
    exit(EXIT_FAILURE);
}

static void wait_until_told(int n)
{
    struct timer late;
    n_wanted = n;
    if (n_told >= n)
        return;
    CHECK_INT(timer_init(&late, core.loop, too_late, NULL), 0);
    timer_start(&late, WAIT_MS);
    loop_run(core.loop, NULL);
    timer_done(&late);
}

/* The guest */

static void begin(void)
{
    open_fresh();
    core.privileged = workers_new(core.loop, "priv", 4, 100, NULL);
    struct vm_entry *e = add("0123456789abcdef", "box");
    g = calloc(1, sizeof(*g));
    g->core = &core;
    g->vm = vm_ref(e);
    g->refs = 1;
    g->fd = -1;
    g->port = PORT;
    list_init(&g->asks);
    list_init(&g->pins_waiting);
    g->allow.names.n = 2;
    CHECK_INT(egress_name_parse("*.example.org:443", &g->allow.names.at[0], NULL), 0);
    CHECK_INT(egress_name_parse("b.example.org:80/tcp", &g->allow.names.at[1], NULL), 0);
    n_told = n_wanted = helper.n = helper.most_at_once = 0;
    helper.fails = ERR_NONE;
}

static void end(void)
{
    names_pin_end(g);
    workers_close(core.privileged);
    vm_unref(g->vm);
    CHECK_INT(g->refs, 1);
    guest_names_unref(g);
    close_core();
}

static void answer(uint16_t id, uint32_t first, size_t n, uint32_t last)
{
    struct dns_question q = {.id = id, .type = 1, .class = 1, .name = "a.example.org"};
    struct dns_answer a = {.code = DNS_OK, .ttl_s = 60};
    const struct sockaddr_in from = {.sin_family = AF_INET};
    for (size_t i = 0; i < n; i++)
        a.addresses[a.n++] = first + (uint32_t)i;
    if (last)
        a.addresses[a.n++] = last;
    names_pin(g, &q, &from, &a);
}

static void test_answers_are_opened_one_after_another(void)
{
    begin();
    hold(true);
    answer(1, FIRST, 2, 0);
    answer(2, FAR, 1, 0);
    answer(3, FIRST, 2, 0); /* which the first will have opened */
    answer(4, FIRST, 1, FAR + 1);
    wait_for_calls(1);
    CHECK_INT(n_told, 0);
    hold(false);
    wait_until_told(4);
    CHECK_INT(helper.n, 3);
    CHECK_INT(helper.most_at_once, 1);
    for (int i = 0; i < 4; i++) {
        CHECK_INT(told[i].id, i + 1);
        CHECK_INT(told[i].code, DNS_OK);
    }
    CHECK_INT(helper.calls[0].n, 2);
    CHECK_INT(helper.calls[0].addresses[1], FIRST + 1);
    CHECK_INT(helper.calls[0].seconds, 60 + EGRESS_PIN_GRACE_S);
    CHECK_INT(helper.calls[0].port, PORT);
    CHECK_INT(helper.calls[1].addresses[0], FAR);
    CHECK_INT(helper.calls[2].n, 1);
    CHECK_INT(helper.calls[2].addresses[0], FAR + 1);
    answer(5, FIRST, 2, FAR + 1); /* at once */
    CHECK_INT(n_told, 5);
    end();
}

/* The one that is renewed would end first of all. */
static void test_what_makes_room_is_closed_before_and_none_of_the_answer(void)
{
    begin();
    int64_t now_ms = clock_mono_ms();
    const uint32_t others = 0xc6340000;
    egress_pins_add(&g->pins, FIRST, 1, now_ms + 60000);
    for (uint32_t i = 1; i < EGRESS_PINS_MAX; i++)
        egress_pins_add(&g->pins, others + i, 1, now_ms + 1000000 + i);
    answer(1, FIRST, 1, FAR);
    wait_until_told(1);
    CHECK_INT(told[0].code, DNS_OK);
    CHECK_INT(helper.n, 2);
    CHECK_INT(helper.calls[0].n, 1);
    CHECK_INT(helper.calls[0].addresses[0], others + 1);
    CHECK_INT(helper.calls[0].seconds, 0);
    CHECK_INT(helper.calls[0].n_ports, 3); /* of all names */
    CHECK_INT(helper.calls[1].n, 2);
    CHECK_INT(helper.calls[1].addresses[0], FIRST);
    CHECK_INT(helper.calls[1].addresses[1], FAR);
    CHECK_INT(helper.calls[1].n_ports, 2);
    CHECK(egress_pins_open(&g->pins, FIRST, 1, now_ms + 600000));
    CHECK(egress_pins_open(&g->pins, FAR, 1, now_ms + 600000));
    CHECK(!egress_pins_open(&g->pins, others + 1, 1, 0));
    CHECK_INT(g->pins.n, EGRESS_PINS_MAX);
    end();
}

static void test_what_is_not_opened_is_not_told(void)
{
    begin();
    helper.fails = ERR_PRECONDITION;
    log_set_level(LOG_LEVEL_ERROR);
    answer(1, FIRST, 2, 0);
    wait_until_told(1);
    CHECK_INT(told[0].code, DNS_FAILED);
    CHECK_INT(g->pins.n, 0);
    end();
}

static void test_more_than_wait_are_told_to_come_again(void)
{
    begin();
    hold(true);
    for (int i = 0; i <= NAMES_PINS_MAX; i++) /* one is under way */
        answer((uint16_t)i, FIRST + (uint32_t)i, 1, 0);
    CHECK_INT(n_told, 0);
    answer(99, FAR, 1, 0);
    CHECK_INT(n_told, 1);
    CHECK_INT(told[0].id, 99);
    CHECK_INT(told[0].code, DNS_FAILED);
    hold(false);
    wait_until_told(NAMES_PINS_MAX + 2);
    CHECK_INT(helper.n, NAMES_PINS_MAX + 1);
    end();
}

/* Nothing of before is told or remembered, and what comes after waits for what is under way. */
static void test_another_list(void)
{
    begin();
    hold(true);
    answer(1, FIRST, 1, 0);
    answer(2, FAR, 1, 0);
    wait_for_calls(1);
    names_pin_end(g);
    g->port = PORT + 1;
    answer(3, FAR + 1, 1, 0);
    hold(false);
    wait_until_told(1);
    CHECK_INT(told[0].id, 3);
    CHECK_INT(helper.n, 2);
    CHECK_INT(helper.most_at_once, 1);
    CHECK_INT(helper.calls[1].port, PORT + 1);
    CHECK_INT(g->pins.n, 1);
    end();
}

int main(void)
{
    vm_world_begin();
    RUN(test_answers_are_opened_one_after_another);
    RUN(test_what_makes_room_is_closed_before_and_none_of_the_answer);
    RUN(test_what_is_not_opened_is_not_told);
    RUN(test_more_than_wait_are_told_to_come_again);
    RUN(test_another_list);
    vm_world_end();
    return check_end();
}
