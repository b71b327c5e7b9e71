/* Hosts that are given by name: looking them up keeps nobody waiting, and of several addresses one
 * that answers is found soon. The program is linked with a getaddrinfo of its own. */
#include "tests/support/check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/told.h"
#include "tests/unit/clients/fake_server.h"

enum {
    PATIENCE_MS = 20000,
    AT_ONCE_MS = 2000,
    HANG_MS = 30000, /* no test waits for the end of that */
    FILLS = 8,
};

/* ---- the resolver ---- */

int __real_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);
int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found);

static const char *addresses[8]; /* of many.test, in order; ends with NULL */
static atomic_int n_lookups, n_hanging;
static int release[2]; /* readable: those that hang go on */

static int find_many(const char *port, const struct addrinfo *hints, struct addrinfo **found)
{
    struct addrinfo numeric = *hints, **end = found;
    numeric.ai_flags |= AI_NUMERICHOST;
    *found = NULL;
    for (size_t i = 0; addresses[i]; i++) {
        if (__real_getaddrinfo(addresses[i], port, &numeric, end) != 0)
            return EAI_FAIL;
        end = &(*end)->ai_next;
    }
    return 0;
}

int __wrap_getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                       struct addrinfo **found)
{
    if (hints->ai_flags & AI_NUMERICHOST)
        return __real_getaddrinfo(host, port, hints, found);
    atomic_fetch_add(&n_lookups, 1);
    if (strcmp(host, "none.test") == 0)
        return EAI_NONAME;
    if (strcmp(host, "hang.test") == 0) {
        struct pollfd p = {.fd = release[0], .events = POLLIN};
        atomic_fetch_add(&n_hanging, 1);
        poll(&p, 1, HANG_MS);
        int rv = find_many(port, hints, found);
        atomic_fetch_sub(&n_hanging, 1);
        return rv;
    }
    return find_many(port, hints, found);
}

static void hold(void)
{
    CHECK_INT(pipe(release), 0);
    atomic_store(&n_lookups, 0);
}

/* The threads that hang end by themselves; what they had is theirs to free. */
static void let_go(void)
{
    int64_t end = clock_mono_ms() + PATIENCE_MS;
    CHECK_INT(write(release[1], "x", 1), 1);
    while (atomic_load(&n_hanging) > 0 && clock_mono_ms() < end)
        poll(NULL, 0, 1);
    CHECK_INT(atomic_load(&n_hanging), 0);
    close(release[0]);
    close(release[1]);
}

/* ---- clients ---- */

static struct banger_client *connect_by_name(const struct fake *f, const char *host)
{
    struct banger_error error;
    char target[64];
    snprintf(target, sizeof(target), "tls:%s:%u", host, f->port);
    struct banger_client *client = told_connect(target, &f->options, &error);
    CHECK_INT(banger_set_server_name(client, "127.0.0.1", &error), 0);
    return client;
}

static enum banger_code get(struct banger_client *client, int64_t timeout_ms,
                            struct banger_error *error)
{
    auto_call struct banger_call *call = call_within(timeout_ms);
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)(uintptr_t) "box";
    *error = (struct banger_error){0};
    Banger__V1__VM *vm = banger_get_vm(client, &request, call, error);
    banger_message_free(vm ? &vm->base : NULL);
    return vm ? BANGER_OK : error->code;
}

/* ---- looking up ---- */

static void test_a_resolver_that_hangs_keeps_nobody_waiting(void)
{
    struct fake f = {.tls = true};
    struct banger_error error = {0};
    ProtobufCMessage *message;
    fake_start(&f);
    hold();
    addresses[0] = "127.0.0.1";
    addresses[1] = NULL;
    struct banger_client *client = connect_by_name(&f, "hang.test");
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)(uintptr_t) "box";
    int64_t began = clock_mono_ms();
    auto_call struct banger_call *call = call_within(200);
    struct banger_stream *stream =
        banger_stream_open(client, "/banger.v1.VMService/GetVM", &request.base, call, &error);
    CHECK_INT(banger_stream_next(stream, 0, &message, &error), BANGER_NEXT_NOTHING);
    CHECK_INT(banger_process(client, &error), 0);
    CHECK(clock_mono_ms() - began < AT_ONCE_MS);
    struct pollfd p = {.fd = banger_fd(client), .events = POLLIN};
    enum banger_next next;
    int looks = 0;
    while ((next = banger_stream_next(stream, 0, &message, &error)) == BANGER_NEXT_NOTHING &&
           CHECK_INT(poll(&p, 1, PATIENCE_MS), 1)) {
        banger_process(client, NULL);
        looks++;
    }
    CHECK_INT(next, BANGER_NEXT_ERROR);
    CHECK_INT(error.code, BANGER_DEADLINE_EXCEEDED);
    CHECK(looks < 20); /* the fd is quiet meanwhile */
    banger_stream_close(stream);
    banger_close(client);
    CHECK(clock_mono_ms() - began < AT_ONCE_MS);
    CHECK_INT(atomic_load(&n_hanging), 1);
    let_go();
    fake_stop(&f);
}

static void test_an_interrupt_ends_the_wait_for_a_resolver(void)
{
    struct fake f = {.tls = true};
    struct banger_error error;
    int stop[2];
    fake_start(&f);
    hold();
    CHECK_INT(pipe(stop), 0);
    CHECK_INT(write(stop[1], "x", 1), 1);
    struct banger_client *client = connect_by_name(&f, "hang.test");
    banger_set_interrupt_fd(client, stop[0]);
    int64_t began = clock_mono_ms();
    CHECK_INT(get(client, PATIENCE_MS, &error), BANGER_CANCELLED);
    CHECK_STR(error.reason, "INTERRUPTED");
    CHECK(clock_mono_ms() - began < AT_ONCE_MS);
    banger_close(client);
    let_go();
    close(stop[0]);
    close(stop[1]);
    fake_stop(&f);
}

/* The look-up has ten seconds. It is not begun a second time while it lasts, whoever waits for it,
 * and its answer is good for the next. */
static void test_a_look_up_that_is_late_is_waited_for_once(void)
{
    struct fake f = {.tls = true};
    struct banger_error error;
    fake_start(&f);
    hold();
    addresses[0] = "127.0.0.1";
    addresses[1] = NULL;
    struct banger_client *client = connect_by_name(&f, "hang.test");
    banger_set_wait_for_ready_ms(client, -1);
    CHECK_INT(get(client, PATIENCE_MS, &error), BANGER_UNAVAILABLE);
    CHECK_CONTAINS(error.message, "hang.test");
    CHECK_CONTAINS(error.message, "10 seconds");
    CHECK_INT(get(client, 50, &error), BANGER_DEADLINE_EXCEEDED);
    CHECK_INT(atomic_load(&n_lookups), 1);
    let_go();
    CHECK_INT(get(client, PATIENCE_MS, &error), BANGER_OK);
    CHECK_STR(error.message, "");
    CHECK_INT(atomic_load(&n_lookups), 1);
    banger_close(client);
    fake_stop(&f);
}

static void test_a_name_without_address(void)
{
    struct fake f = {.tls = true};
    struct banger_error error;
    fake_start(&f);
    struct banger_client *client = connect_by_name(&f, "none.test");
    CHECK_INT(get(client, PATIENCE_MS, &error), BANGER_UNAVAILABLE);
    CHECK_CONTAINS(error.message, "no address of none.test");
    banger_close(client);
    fake_stop(&f);
}

/* ---- several addresses ---- */

/* A listener whose queue is full: connections to it are neither made nor refused. */
struct silent {
    int fd, fills[FILLS];
};

static void be_silent(struct silent *s, const char *address, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &a.sin_addr);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(s->fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(s->fd, 0) == 0);
    for (int i = 0; i < FILLS; i++) {
        s->fills[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(s->fills[i], (struct sockaddr *)&a, sizeof(a));
    }
}

static void silent_done(struct silent *s)
{
    for (int i = 0; i < FILLS; i++)
        close(s->fills[i]);
    close(s->fd);
}

static void test_an_address_that_answers_is_found_behind_those_that_do_not(void)
{
    static const char *const quiet[] = {"127.0.0.2", "127.0.0.3", "127.0.0.4"};
    struct fake f = {.tls = true};
    struct silent silent[3];
    struct banger_error error;
    fake_start(&f);
    for (int i = 0; i < 3; i++) {
        be_silent(&silent[i], quiet[i], f.port);
        addresses[i] = quiet[i];
    }
    addresses[3] = "127.0.0.1";
    addresses[4] = NULL;
    struct banger_client *client = connect_by_name(&f, "many.test");
    int64_t began = clock_mono_ms();
    CHECK_INT(get(client, PATIENCE_MS, &error), BANGER_OK);
    CHECK_STR(error.message, "");
    CHECK(clock_mono_ms() - began < AT_ONCE_MS);
    banger_close(client);
    for (int i = 0; i < 3; i++)
        silent_done(&silent[i]);
    fake_stop(&f);
}

/* One that refuses is not waited for; one that answers late is not forgotten. */
static void test_refusals_and_latecomers(void)
{
    struct fake f = {.tls = true};
    struct banger_error error;
    struct silent silent;
    fake_start(&f);
    addresses[0] = "127.0.0.5"; /* where nobody listens */
    addresses[1] = "127.0.0.1";
    addresses[2] = NULL;
    struct banger_client *client = connect_by_name(&f, "many.test");
    CHECK_INT(get(client, PATIENCE_MS, &error), BANGER_OK);
    banger_close(client);

    addresses[1] = "127.0.0.6";
    client = connect_by_name(&f, "many.test");
    CHECK_INT(get(client, PATIENCE_MS, &error), BANGER_UNAVAILABLE);
    CHECK_CONTAINS(error.message, "refused");
    banger_close(client);

    /* The first in the list is silent, the second refuses: what is left is waited for. */
    be_silent(&silent, "127.0.0.2", f.port);
    addresses[0] = "127.0.0.2";
    client = connect_by_name(&f, "many.test");
    CHECK_INT(get(client, 500, &error), BANGER_DEADLINE_EXCEEDED);
    banger_close(client);
    silent_done(&silent);
    fake_stop(&f);
}

int main(void)
{
    RUN(test_a_resolver_that_hangs_keeps_nobody_waiting);
    RUN(test_an_interrupt_ends_the_wait_for_a_resolver);
    RUN(test_a_name_without_address);
    RUN(test_an_address_that_answers_is_found_behind_those_that_do_not);
    RUN(test_refusals_and_latecomers);
    RUN(test_a_look_up_that_is_late_is_waited_for_once);
    return check_end();
}
