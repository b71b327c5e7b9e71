/* Certificates change under load and nobody notices: clients' own, the server's, and a site's CA.
 * Then a revocation cuts one, and nobody else. rotation_test sim
 *
 * Alice and bob enrolled; carol has a certificate of the site's CA. Each has a thread that connects
 * and calls, one that calls on one connection, and, on the main thread, an attach that echoes and a
 * watch. No client here tries anything again: one lost connection or refused call is a failure. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/remote.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "tests/support/attach_reader.h"
#include "tests/support/certs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"
#include "tests/support/told.h"

enum { ROTATIONS = 24, WAIT_MS = 60000, CALLS = 4, N_PEOPLE = 3, N_CALLERS = 2 * N_PEOPLE };

static struct harness h;
static struct banger_client *local;
static char conf[64], site_ca[64], carol_pem[64], config_dir[64], target[BANGER_TARGET_BYTES];
static char box[STEPS_ID_BYTES];
static struct cert cas[2], carols[2];
static const char *const people[N_PEOPLE] = {"alice", "bob", "carol"};

/* ---- clients ---- */

static struct banger_client *connect_as(const char *who)
{
    static const struct told_client once = {.retry_ms = -1, .wait_for_ready_ms = -1};
    struct told_client files = once;
    struct banger_error error;
    char ca[128];
    snprintf(ca, sizeof(ca), "%s/contexts/alice/ca.pem", config_dir);
    files.ca_file = ca;
    files.certificate_file = files.key_file = carol_pem;
    struct banger_client *client = strcmp(who, "carol") == 0
                                       ? told_connect(target, &files, &error)
                                       : told_connect_context(who, &once, &error);
    if (!client)
        harness_die(&h, "no client for %s: %s", who, error.message);
    return client;
}

/* One call: 0 if the daemon knows us by our name. */
static int call_as(struct banger_client *client, const char *who, struct banger_error *error)
{
    Banger__V1__WhoAmIRequest request = BANGER__V1__WHO_AM_IREQUEST__INIT;
    Banger__V1__Identity *me = banger_who_am_i(client, &request, NULL, error);
    int rv = me && strcmp(me->principal, who) == 0 ? 0 : -1;
    if (me && rv < 0)
        snprintf(error->message, sizeof(error->message), "taken for %s", me->principal);
    banger_message_free(me ? &me->base : NULL);
    return rv;
}

struct caller {
    const char *who;
    bool fresh; /* connects anew all the time */
    pthread_t thread;
    atomic_uint rounds, failed;
    char why[160];
};

static struct caller callers[N_CALLERS];
static atomic_bool enough;

static void *keep_calling(void *arg)
{
    struct caller *c = arg;
    struct banger_error error = {0};
    struct banger_client *client = connect_as(c->who);
    while (!atomic_load(&enough)) {
        for (int i = 0; i < CALLS; i++)
            if (call_as(client, c->who, &error) < 0 && atomic_fetch_add(&c->failed, 1) == 0)
                snprintf(c->why, sizeof(c->why), "%.159s", error.message);
        atomic_fetch_add(&c->rounds, 1);
        if (c->fresh) {
            banger_close(client);
            client = connect_as(c->who);
        }
    }
    banger_close(client);
    return NULL;
}

static void start_callers(void)
{
    atomic_store(&enough, false);
    for (int i = 0; i < N_CALLERS; i++) {
        callers[i] = (struct caller){.who = people[i % N_PEOPLE], .fresh = i < N_PEOPLE};
        CHECK_INT(pthread_create(&callers[i].thread, NULL, keep_calling, &callers[i]), 0);
    }
}

/* but: who may fail; may be NULL. */
static void end_callers(const char *but)
{
    unsigned rounds = 0, fresh = 0;
    atomic_store(&enough, true);
    for (int i = 0; i < N_CALLERS; i++) {
        struct caller *c = &callers[i];
        pthread_join(c->thread, NULL);
        rounds += c->rounds;
        fresh += c->fresh ? c->rounds : 0;
        if (but && strcmp(c->who, but) == 0)
            CHECK(c->failed > 0);
        else if (!CHECK_INT(c->failed, 0))
            fprintf(stderr, "  (%s: %s)\n", c->who, c->why);
    }
    printf("     %u calls, %u connections\n", rounds * CALLS, fresh);
}

static bool has_gone_on(void *arg)
{
    const unsigned *before = arg;
    for (int i = 0; i < N_CALLERS; i++)
        if (atomic_load(&callers[i].rounds) - before[i] < 2)
            return false;
    return true;
}

/* Two rounds of each: the second one's certificates were read from now on. */
static void await_callers(void)
{
    unsigned before[N_CALLERS];
    for (int i = 0; i < N_CALLERS; i++)
        before[i] = atomic_load(&callers[i].rounds);
    CHECK(harness_until(has_gone_on, before, WAIT_MS));
}

/* ---- what lives all the time ---- */

struct live {
    struct banger_client *client;
    struct attach_reader reader;
    struct banger_stream *watch;
    uint64_t echoed;
};

static struct live lives[N_PEOPLE];

/* A call behind it has been answered: the watch is there. */
static void open_live(struct live *l, const char *who)
{
    static const struct told_attach writer = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER,
                                              .reattach_ms = -1};
    static const char *const cat[] = {"cat", NULL};
    Banger__V1__WatchEventsRequest watch = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES];
    *l = (struct live){.client = connect_as(who)};
    if (steps_start_session(l->client, &h, box, cat, true, id, &error) < 0)
        harness_die(&h, "no session for %s: %s", who, error.message);
    reader_open(&l->reader, l->client, id, &writer);
    l->watch = banger_stream_open(l->client, "/banger.v1.EventService/WatchEvents", &watch.base,
                                  NULL, &error);
    if (!l->watch || call_as(l->client, who, &error) < 0)
        harness_die(&h, "no watch for %s: %s", who, error.message);
}

static void close_live(struct live *l)
{
    reader_close(&l->reader);
    banger_stream_close(l->watch);
    banger_close(l->client);
}

/* Both still work: a line comes back, and the event that the rotation made is told. */
static bool check_live(struct live *l, const char *event)
{
    struct banger_error error = {0};
    ProtobufCMessage *message = NULL;
    bool seen = false;
    l->echoed += 5;
    bool well = CHECK(reader_write(&l->reader, "echo\n", 5, false, WAIT_MS)) &&
                CHECK(reader_await_bytes(&l->reader, l->echoed, WAIT_MS));
    while (!seen && banger_stream_next(l->watch, WAIT_MS, &message, &error) == 1) {
        Banger__V1__WatchEventsResponse *got = (Banger__V1__WatchEventsResponse *)(void *)message;
        seen = got->event && strcmp(got->event->kind, event) == 0;
        banger_message_free(message);
    }
    if (!CHECK(seen))
        fprintf(stderr, "  (no %s: %s)\n", event, error.message);
    return well && seen;
}

/* ---- the daemon ---- */

static void write_text(const char *path, const char *text)
{
    if (fs_write_atomic(path, text, strlen(text), 0600, NULL) < 0)
        harness_die(&h, "cannot write %s", path);
}

static int count_in_log(const char *what)
{
    auto_free char *text = NULL;
    int n = 0;
    if (fs_read(h.log, 16 << 20, &text, NULL, NULL) < 0)
        harness_die(&h, "cannot read the log");
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static bool is_read_anew(void *arg)
{
    return count_in_log("certificates are read anew") > *(int *)arg;
}

static bool is_log_open(void *arg)
{
    return clock_mono_ms() > *(int64_t *)arg + LOG_WINDOW_MS;
}

/* What tells that a reload is done is a line in the log, which lets LOG_BURST of a kind through in
 * LOG_WINDOW_MS: half as many are never too many, whenever its window began. */
static void reload(void)
{
    static int64_t since_ms;
    static int n;
    if (n == LOG_BURST / 2) {
        CHECK(harness_until(is_log_open, &since_ms, WAIT_MS));
        n = 0;
    }
    int before = count_in_log("certificates are read anew");
    CHECK_INT(kill(h.daemon, SIGHUP), 0);
    CHECK(harness_until(is_read_anew, &before, WAIT_MS));
    if (n++ == 0)
        since_ms = clock_mono_ms();
}

/* A new certificate for the server, of the CA that there is. */
static void init_auth(void)
{
    struct banger_error error = {0};
    char *names[] = {"127.0.0.1"};
    Banger__V1__InitAuthRequest request = BANGER__V1__INIT_AUTH_REQUEST__INIT;
    request.listen = target[0] ? "" : "127.0.0.1:0";
    request.n_names = 1;
    request.names = names;
    Banger__V1__InitAuthResponse *made = banger_init_auth(local, &request, NULL, &error);
    if (!made)
        harness_die(&h, "auth init: %s", error.message);
    snprintf(target, sizeof(target), "tls:%s", made->listen);
    banger_message_free(&made->base);
}

static void enroll(const char *who)
{
    struct banger_error error = {0};
    Banger__V1__CreateTokenRequest request = BANGER__V1__CREATE_TOKEN_REQUEST__INIT;
    request.principal = (char *)(uintptr_t)who;
    request.role = BANGER__V1__ROLE__ROLE_OPERATOR;
    Banger__V1__CreateTokenResponse *made = banger_create_token(local, &request, NULL, &error);
    if (!made || banger_context_enroll(target, made->token, who, &error) < 0)
        harness_die(&h, "enroll %s: %s", who, error.message);
    banger_message_free(&made->base);
}

/* The site's CA: old, both, new, as who rolls one over does it. Carol's own certificate changes
 * while both count. */
static void roll_site(int step)
{
    char both[8192];
    int from = step / 2 % 2, to = step % 2 ? 1 - from : from;
    snprintf(both, sizeof(both), "%s%s", cas[from].certificate,
             step % 2 ? cas[to].certificate : "");
    write_text(site_ca, both);
    reload();
    snprintf(both, sizeof(both), "%s%s", carols[to].certificate, carols[to].key);
    write_text(carol_pem, both);
}

/* ---- tests ---- */

static void test_rotation(void)
{
    start_callers();
    for (int i = 0; i < N_PEOPLE; i++)
        open_live(&lives[i], people[i]);
    for (int step = 1; step <= ROTATIONS && check_failures == 0; step++) {
        struct banger_error error = {0};
        for (int i = 0; i < 2; i++)
            if (!CHECK_INT(banger_context_rotate(people[i], &error), 0))
                fprintf(stderr, "  (%s: %s)\n", people[i], error.message);
        init_auth();
        roll_site(step);
        await_callers();
        for (int i = 0; i < N_PEOPLE; i++)
            check_live(&lives[i], "identity.rotated");
    }
    end_callers(NULL);
    for (int i = 0; i < N_PEOPLE; i++) {
        CHECK_INT(lives[i].reader.opened, 1);
        CHECK_INT(lives[i].reader.broken, 0);
    }
    CHECK_INT(count_in_log("misbehaviour"), 0);
    CHECK_INT(count_in_log("are cut"), 0);
}

static void test_revocation(void)
{
    struct banger_error error = {0};
    ProtobufCMessage *message = NULL;
    enum banger_next next;
    start_callers();
    await_callers();
    Banger__V1__RevokeIdentityRequest request = BANGER__V1__REVOKE_IDENTITY_REQUEST__INIT;
    request.principal = (char *)(uintptr_t)people[0];
    Banger__V1__Identity *revoked = banger_revoke_identity(local, &request, NULL, &error);
    CHECK(revoked != NULL);
    banger_message_free(revoked ? &revoked->base : NULL);
    /* Hers end, soon and with an error. */
    while (reader_step(&lives[0].reader, WAIT_MS) > 0)
        continue;
    CHECK(!lives[0].reader.over);
    CHECK_INT(lives[0].reader.error.code, BANGER_UNAVAILABLE); /* it would not come back */
    while ((next = banger_stream_next(lives[0].watch, WAIT_MS, &message, &error)) ==
           BANGER_NEXT_MESSAGE)
        banger_message_free(message);
    CHECK_INT(next, BANGER_NEXT_ERROR);
    struct banger_client *again = connect_as(people[0]);
    CHECK_INT(call_as(again, people[0], &error), -1);
    CHECK_INT(error.code, BANGER_UNAUTHENTICATED);
    banger_close(again);
    /* The others' go on. */
    await_callers();
    for (int i = 1; i < N_PEOPLE; i++) {
        check_live(&lives[i], "identity.revoked");
        CHECK_INT(lives[i].reader.opened, 1);
        CHECK_INT(lives[i].reader.broken, 0);
    }
    end_callers(people[0]);
    for (int i = 0; i < N_PEOPLE; i++)
        close_live(&lives[i]);
}

static void open_daemon(void)
{
    struct banger_error error = {0};
    h.args[0] = "--config";
    h.args[1] = conf;
    for (int i = 0; i < 2; i++) {
        cas[i] = cert_make(NULL, &(struct cert_spec){.common_name = i ? "B" : "A", .ca = true});
        carols[i] = cert_make(&cas[i], &(struct cert_spec){.names = "DNS:carol.example"});
    }
    char text[256];
    snprintf(text, sizeof(text),
             "ca_file: %s\npeers: {carol.example: {role: operator, principal: carol}}\n", site_ca);
    write_text(conf, text);
    write_text(site_ca, cas[0].certificate);
    harness_start(&h, NULL);
    local = harness_connect(&h);
    init_auth();
    enroll("alice");
    enroll("bob");
    roll_site(0);
    if (steps_create_vm(local, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
}

int main(int argc, char **argv)
{
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    snprintf(conf, sizeof(conf), "%s/bangerd.conf", h.dir);
    snprintf(site_ca, sizeof(site_ca), "%s/site.pem", h.dir);
    snprintf(carol_pem, sizeof(carol_pem), "%s/carol.pem", h.dir);
    snprintf(config_dir, sizeof(config_dir), "%s/config", h.dir);
    setenv("BANGER_CONFIG_DIR", config_dir, 1);
    open_daemon();
    RUN(test_rotation);
    RUN(test_revocation);
    banger_close(local);
    for (int i = 0; i < 2; i++) {
        cert_done(&cas[i]);
        cert_done(&carols[i]);
    }
    CHECK(harness_close(&h));
    return check_end();
}
