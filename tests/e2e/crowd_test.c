/* Crowds at the door: one viewer who wants all connections, many who hold all, and silent connects,
 * a thousand a second. crowd_test sim */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "banger/methods.h"
#include "banger/remote.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/told.h"

enum {
    WAIT_MS = 30000,
    CONNECTIONS = 32, /* of the daemon … */
    SHARE = 8,        /* … of one principal … */
    OTHERS = 30,      /* … of all but the owner */
    N_VIEWERS = 5,
    FLOOD_MS = 5000,
    SILENT_MAX = 600, /* that the flood keeps open */
    FAR_MS = 300,     /* that a step of a handshake takes from far away */
};

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct harness h;
static struct banger_client *local;
static char conf[128], config_dir[128], target[BANGER_TARGET_BYTES];

static const struct told_client once = {.retry_ms = -1, .wait_for_ready_ms = -1};

static struct banger_client *connect_as(const char *who)
{
    struct banger_error error = {0};
    struct banger_client *client = told_connect_context(who, &once, &error);
    if (!client)
        harness_die(&h, "no client for %s: %s", who, error.message);
    return client;
}

static enum banger_code whoami(struct banger_client *client, struct banger_error *error)
{
    Banger__V1__WhoAmIRequest request = BANGER__V1__WHO_AM_IREQUEST__INIT;
    *error = (struct banger_error){0};
    Banger__V1__Identity *me = banger_who_am_i(client, &request, NULL, error);
    banger_message_free(me ? &me->base : NULL);
    return me ? BANGER_OK : error->code;
}

static void init_auth(void)
{
    struct banger_error error = {0};
    char *names[] = {TEXT("127.0.0.1")};
    Banger__V1__InitAuthRequest request = BANGER__V1__INIT_AUTH_REQUEST__INIT;
    request.listen = TEXT("127.0.0.1:0");
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
    request.principal = TEXT(who);
    request.role = BANGER__V1__ROLE__ROLE_VIEWER;
    Banger__V1__CreateTokenResponse *made = banger_create_token(local, &request, NULL, &error);
    if (!made || banger_context_enroll(target, made->token, who, &error) < 0)
        harness_die(&h, "enroll %s: %s", who, error.message);
    banger_message_free(&made->base);
}

/* ---- connections ---- */

struct held {
    struct banger_client *client;
    struct banger_stream *watch;
};

/* A connection with a call that does not end; false where it is refused. */
static bool hold(struct held *held, const char *who, struct banger_error *error)
{
    Banger__V1__WatchEventsRequest request = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    held->client = connect_as(who);
    held->watch = banger_stream_open(held->client, "/banger.v1.EventService/WatchEvents",
                                     &request.base, NULL, error);
    return held->watch && whoami(held->client, error) == BANGER_OK;
}

static void let_go(struct held *held)
{
    banger_stream_close(held->watch);
    banger_close(held->client);
    *held = (struct held){0};
}

/* What one call on a connection of its own comes to. */
static enum banger_code try_as(const char *who, struct banger_error *error)
{
    struct banger_client *client = connect_as(who);
    enum banger_code code = whoami(client, error);
    banger_close(client);
    return code;
}

static enum banger_code try_as_owner(struct banger_error *error)
{
    struct banger_client *client = harness_connect_once(&h);
    enum banger_code code = client ? whoami(client, error) : BANGER_UNAVAILABLE;
    banger_close(client);
    return code;
}

static void test_one_viewer_has_a_share_of_the_connections(void)
{
    struct held held[CONNECTIONS] = {{0}};
    struct banger_error error = {0};
    int n = 0;
    while (n < CONNECTIONS && hold(&held[n], "v0", &error))
        n++;
    CHECK_INT(n, SHARE);
    CHECK_INT(error.code, BANGER_RESOURCE_EXHAUSTED);
    CHECK_STR(error.reason, "TOO_MANY_CONNECTIONS");
    CHECK_CONTAINS(error.message, "too many connections: v0 has 8");
    CHECK_INT(try_as("v1", &error), BANGER_OK);
    CHECK_INT(try_as_owner(&error), BANGER_OK);
    for (int i = 0; i < CONNECTIONS; i++)
        if (held[i].client)
            let_go(&held[i]);
}

static bool is_served(void *arg)
{
    struct banger_error error;
    return try_as(arg, &error) == BANGER_OK;
}

static void test_the_owner_gets_in_whatever_others_hold(void)
{
    struct held held[CONNECTIONS] = {{0}};
    struct banger_error error = {0};
    int n = 0, refused = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        char who[8];
        snprintf(who, sizeof(who), "v%d", i / SHARE);
        if (hold(&held[n], who, &error))
            n++;
        else {
            refused++;
            let_go(&held[n]);
        }
    }
    /* One place is the local client's own of this test. */
    CHECK(n >= OTHERS - 1 && n <= OTHERS);
    CHECK_INT(refused, CONNECTIONS - n);
    CHECK_INT(try_as("v4", &error), BANGER_RESOURCE_EXHAUSTED);
    CHECK_CONTAINS(error.message, "too many connections: ");
    CHECK_INT(try_as_owner(&error), BANGER_OK);
    /* One of them is idle now: it goes, when somebody wants its place. */
    banger_stream_close(held[3].watch);
    held[3].watch = NULL;
    CHECK(harness_until(is_served, TEXT("v4"), WAIT_MS));
    for (int i = 0; i < n; i++)
        if (i != 3)
            CHECK_INT(whoami(held[i].client, &error), BANGER_OK);
    for (int i = 0; i < n; i++)
        let_go(&held[i]);
}

/* ---- silent connects ---- */

static atomic_bool enough;
static atomic_uint n_silent;

static struct sockaddr_in address_of(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    to.sin_port = htons((uint16_t)atoi(strrchr(target, ':') + 1));
    return to;
}

/* One a millisecond, or as many as are due. */
static void *flood(void *arg)
{
    static int fds[SILENT_MAX];
    (void)arg;
    struct sockaddr_in to = address_of();
    int64_t begun = clock_mono_ms();
    memset(fds, -1, sizeof(fds));
    for (unsigned n = 0; !atomic_load(&enough);) {
        for (; n < clock_mono_ms() - begun; n++) {
            int *fd = &fds[n % SILENT_MAX];
            if (*fd >= 0)
                close(*fd);
            *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
            if (*fd >= 0)
                (void)!connect(*fd, (struct sockaddr *)&to, sizeof(to));
        }
        atomic_store(&n_silent, n);
        poll(NULL, 0, 1);
    }
    for (size_t i = 0; i < SILENT_MAX; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return NULL;
}

static bool await(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, WAIT_MS) == 1;
}

/* A handshake each of whose steps takes as long as from far away; true when HTTP/2 has answered. */
static bool come_from_afar(SSL_CTX *ctx)
{
    struct sockaddr_in to = address_of();
    char byte;
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return false;
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    int rv = SSL_connect(ssl);
    poll(NULL, 0, FAR_MS); /* the way there and back */
    while (rv != 1 && SSL_get_error(ssl, rv) == SSL_ERROR_WANT_READ && await(fd, POLLIN))
        rv = SSL_connect(ssl);
    while (rv == 1 && (rv = SSL_read(ssl, &byte, 1)) != 1 &&
           SSL_get_error(ssl, rv) == SSL_ERROR_WANT_READ && await(fd, POLLIN))
        rv = 1;
    SSL_free(ssl);
    return rv == 1;
}

static SSL_CTX *far_context(const char *who)
{
    char file[192];
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    snprintf(file, sizeof(file), "%s/contexts/%s/identity.pem", config_dir, who);
    if (!SSL_CTX_use_certificate_file(ctx, file, SSL_FILETYPE_PEM) ||
        !SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) ||
        SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\2h2", 3) != 0)
        harness_die(&h, "no TLS for %s", who);
    return ctx;
}

static void test_silent_connects_push_out_nobody(void)
{
    pthread_t thread;
    SSL_CTX *ctx = far_context("v0");
    struct banger_error error = {0};
    unsigned n_near = 0, failed = 0, n_far = 0, far_failed = 0;
    int64_t worst = 0;
    CHECK(come_from_afar(ctx));
    CHECK_INT(pthread_create(&thread, NULL, flood, NULL), 0);
    int64_t begun = clock_mono_ms();
    while (clock_mono_ms() - begun < FLOOD_MS) {
        for (int i = 0; i < 10; i++, n_near++) {
            int64_t at = clock_mono_ms();
            if (try_as("v1", &error) != BANGER_OK && failed++ == 0)
                fprintf(stderr, "  (%s)\n", error.message);
            at = clock_mono_ms() - at;
            worst = at > worst ? at : worst;
        }
        n_far++;
        far_failed += !come_from_afar(ctx);
    }
    int64_t took = clock_mono_ms() - begun;
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    printf("     %u silent connects in %lld ms; %u calls on connections of their own, the worst "
           "%lld ms; %u from afar\n",
           atomic_load(&n_silent), (long long)took, n_near, (long long)worst, n_far);
    CHECK_INT(failed, 0);
    CHECK_INT(far_failed, 0);
    CHECK(n_near >= 10 && n_far >= 1);
    SSL_CTX_free(ctx);
}

int main(int argc, char **argv)
{
    char text[64];
    if (!harness_own_network())
        fprintf(stderr, "without a network of its own: ports may run out for others\n");
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    snprintf(conf, sizeof(conf), "%s/bangerd.conf", h.dir);
    snprintf(config_dir, sizeof(config_dir), "%s/config", h.dir);
    setenv("BANGER_CONFIG_DIR", config_dir, 1);
    snprintf(text, sizeof(text), "max_connections: %d\n", CONNECTIONS);
    if (fs_write_atomic(conf, text, strlen(text), 0600, NULL) < 0)
        harness_die(&h, "cannot write %s", conf);
    h.args[0] = "--config";
    h.args[1] = conf;
    harness_start(&h, NULL);
    local = harness_connect(&h);
    init_auth();
    for (int i = 0; i < N_VIEWERS; i++) {
        char who[8];
        snprintf(who, sizeof(who), "v%d", i);
        enroll(who);
    }
    RUN(test_one_viewer_has_a_share_of_the_connections);
    RUN(test_the_owner_gets_in_whatever_others_hold);
    RUN(test_silent_connects_push_out_nobody);
    banger_close(local);
    CHECK(harness_close(&h));
    return check_end();
}
