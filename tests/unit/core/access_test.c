/* Identities and tokens change when that is on disk, and only then: with a store that fails where
 * it is told. And "auth init": what fails leaves nothing that listens. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/core/access/access_rules.h"
#include "daemon/core/core.h"
#include "daemon/store/fault.h"
#include "daemon/store/store.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/server.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

#ifdef BANGER_FAULTS

enum { TTL_MS = 60000 };

static char dir[64];
static struct core core;
static struct vmm_host host;
static struct timer deadline;

static void on_late(void *arg)
{
    (void)arg;
    CHECK(!"nothing came in time");
    loop_stop(core.loop);
}

static void open_core(void)
{
    struct err err = ERR_INIT;
    char path[128];
    snprintf(path, sizeof(path), "%s/test.db", dir);
    core = (struct core){.config = {.stop_grace_ms = 1000}};
    snprintf(core.config.state_dir, sizeof(core.config.state_dir), "%s", dir);
    core.loop = loop_new(&err);
    core.quick = workers_new(core.loop, "work", 1, 100, &err);
    core.store = store_open(core.loop, path, &err);
    host = (struct vmm_host){.loop = core.loop, .quick = core.quick};
    core.vmm_host = &host;
    if (core_open(&core, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    core.rpc_server = rpc_server_new(core.loop, NULL, &err);
    CHECK_INT(timer_init(&deadline, core.loop, on_late, NULL), 0);
}

static void close_core(void)
{
    timer_done(&deadline);
    rpc_server_free(core.rpc_server);
    workers_close(core.quick);
    core_close(&core);
    store_close(core.store);
    loop_free(core.loop);
}

static void run(void)
{
    timer_start(&deadline, 60000);
    CHECK_INT(loop_run(core.loop, NULL), 0);
    timer_stop(&deadline);
}

static void fault(const char *rules)
{
    struct err err = ERR_INIT;
    CHECK_INT(store_fault_set(rules, &err), 0);
}

/* No faults, and the store has noticed. */
static void no_fault(void)
{
    fault(NULL);
    commit_now(core.loop, core.store, store_txn_new());
}

/* What one change came to. */
struct ended {
    int calls;
    struct err err;
};

static int n_awaited;

static void on_done(void *arg, const struct err *err)
{
    struct ended *e = arg;
    e->calls++;
    e->err = err ? *err : (struct err)ERR_INIT;
    if (--n_awaited == 0)
        loop_stop(core.loop);
}

/* Runs until n changes have ended. */
static void await(int n)
{
    n_awaited += n;
    if (n_awaited > 0)
        run();
}

/* A client with a key of its own, and what it says of itself. */
struct client {
    struct rpc_peer peer;
    int role; /* of its tokens; 0: operator */
    uint8_t *csr;
    int csr_len;
    struct pki_certificate certificate;
    char token[TLS_TOKEN_BYTES];
    int64_t expires_ns;
};

static void client_init(struct client *c)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    *c = (struct client){.peer = {.kind = RPC_PEER_TLS, .self_signed = true}};
    CHECK(X509_REQ_set_pubkey(request, key) && X509_REQ_sign(request, key, EVP_sha256()) > 0);
    c->csr_len = i2d_X509_REQ(request, &c->csr);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
}

static void client_done(struct client *c)
{
    OPENSSL_free(c->csr);
    pki_certificate_done(&c->certificate);
}

/* It comes with its token now. */
static void come_with_token(struct client *c)
{
    struct err err = ERR_INIT;
    struct tls_token token;
    CHECK_INT(tls_token_open(&token, c->token, &err), 0);
    BIO *bio = BIO_new_mem_buf(token.certificate_pem, -1);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    CHECK(EVP_Digest(der, (size_t)len, c->peer.key_sha256, NULL, EVP_sha256(), NULL));
    OPENSSL_free(der);
    X509_free(x);
    BIO_free(bio);
    tls_token_done(&token);
}

static const struct rpc_peer owner = {.role = RPC_ROLE_FLEET, .principal = "owner"};
static const struct rpc_peer admin = {.role = RPC_ROLE_ADMIN, .principal = "admin"};

static int begin_token_by(const struct rpc_peer *by, struct client *c, const char *principal,
                          struct ended *e)
{
    *e = (struct ended){.calls = 0};
    return access_create_token(&core, by, principal, c->role ? c->role : RPC_ROLE_OPERATOR, NULL,
                               TTL_MS, c->token, &c->expires_ns, on_done, e, &e->err);
}

static int begin_token(struct client *c, const char *principal, struct ended *e)
{
    return begin_token_by(&owner, c, principal, e);
}

static int begin_enroll(struct client *c, struct ended *e)
{
    *e = (struct ended){.calls = 0};
    return access_enroll(&core, &c->peer, c->csr, (size_t)c->csr_len, &c->certificate, on_done, e,
                         &e->err);
}

static void make_token(struct client *c, const char *principal)
{
    struct ended e;
    CHECK_INT(begin_token(c, principal, &e), 0);
    await(1);
    CHECK_INT(e.err.code, ERR_NONE);
    come_with_token(c);
}

static bool has_token(const struct client *c)
{
    return access_find_token(core.access, c->peer.key_sha256) != NULL;
}

static void enroll(struct client *c, const char *principal)
{
    struct ended e;
    make_token(c, principal);
    CHECK_INT(begin_enroll(c, &e), 0);
    await(1);
    CHECK_STR(e.err.message, "");
    c->peer.self_signed = false;
    snprintf(c->peer.principal, sizeof(c->peer.principal), "%s", principal);
    snprintf(c->peer.serial, sizeof(c->peer.serial), "%s", c->certificate.serial);
}

/* ---- changes ---- */

static void test_a_token_counts_when_it_is_on_disk(void)
{
    struct client c;
    struct ended e;
    client_init(&c);
    CHECK_INT(begin_token(&c, "alice", &e), 0);
    come_with_token(&c);
    CHECK(!has_token(&c)); /* its text is there, it is not */
    await(1);
    CHECK(has_token(&c));
    client_done(&c);
}

static void test_what_could_not_be_written_is_not_there(void)
{
    struct client c;
    struct ended e;
    client_init(&c);
    fault("tokens=full");
    CHECK_INT(begin_token(&c, "carol", &e), 0);
    await(1);
    come_with_token(&c);
    CHECK_INT(e.err.code, ERR_UNAVAILABLE);
    CHECK_STR(e.err.reason, "STORE_UNAVAILABLE");
    CHECK(!has_token(&c));
    no_fault();
    make_token(&c, "carol");
    fault("identities=full");
    CHECK_INT(begin_enroll(&c, &e), 0);
    await(1);
    CHECK_INT(e.err.code, ERR_UNAVAILABLE);
    CHECK(c.certificate.der == NULL);
    CHECK(has_token(&c)); /* not used up */
    CHECK(access_find(core.access, "carol") == NULL);
    no_fault();
    close_core();
    open_core();
    CHECK(has_token(&c));
    CHECK(access_find(core.access, "carol") == NULL);
    client_done(&c);
}

static void test_a_token_is_used_once_when_two_race(void)
{
    struct client a, b;
    struct ended first, second;
    client_init(&a);
    client_init(&b);
    make_token(&a, "dave");
    b.peer = a.peer;
    CHECK_INT(begin_enroll(&a, &first), 0);
    CHECK_INT(begin_enroll(&b, &second), 0);
    CHECK(access_find(core.access, "dave") == NULL); /* not before it is on disk */
    await(2);
    CHECK_INT(first.err.code, ERR_NONE);
    CHECK_INT(second.err.code, ERR_UNAUTHENTICATED);
    CHECK_INT(second.calls, 1);
    CHECK(b.certificate.der == NULL);
    CHECK(access_certificate_counts(core.access, "dave", a.certificate.serial));
    client_done(&a);
    client_done(&b);
}

static void test_a_token_whose_first_use_fails_is_there_for_the_second(void)
{
    struct client a, b;
    struct ended first, second;
    client_init(&a);
    client_init(&b);
    make_token(&a, "erin");
    b.peer = a.peer;
    fault("identities=constraint*1");
    CHECK_INT(begin_enroll(&a, &first), 0);
    CHECK_INT(begin_enroll(&b, &second), 0);
    await(2);
    no_fault();
    CHECK(first.err.code != ERR_NONE);
    CHECK(a.certificate.der == NULL);
    CHECK_INT(second.err.code, ERR_NONE);
    CHECK(access_certificate_counts(core.access, "erin", b.certificate.serial));
    CHECK(!has_token(&b));
    client_done(&a);
    client_done(&b);
}

static void test_a_rotation_that_fails_leaves_the_old_certificate(void)
{
    struct client c;
    struct ended e = {.calls = 0};
    struct pki_certificate next = {0};
    client_init(&c);
    enroll(&c, "fay");
    fault("identities=constraint*1");
    CHECK_INT(access_rotate(&core, &c.peer, c.csr, (size_t)c.csr_len, &next, on_done, &e, &e.err),
              0);
    await(1);
    CHECK(e.err.code != ERR_NONE);
    CHECK(next.der == NULL);
    CHECK(access_certificate_counts(core.access, "fay", c.certificate.serial));
    no_fault();
    CHECK_INT(access_rotate(&core, &c.peer, c.csr, (size_t)c.csr_len, &next, on_done, &e, &e.err),
              0);
    CHECK(!access_certificate_counts(core.access, "fay", next.serial));
    await(1);
    CHECK(access_certificate_counts(core.access, "fay", next.serial));
    CHECK(access_certificate_counts(core.access, "fay", c.certificate.serial));
    pki_certificate_done(&next);
    client_done(&c);
}

static struct err rotate(struct client *c, const char *serial)
{
    struct ended e = {.calls = 0};
    struct rpc_peer peer = c->peer;
    snprintf(peer.serial, sizeof(peer.serial), "%s", serial);
    pki_certificate_done(&c->certificate);
    c->certificate = (struct pki_certificate){0};
    if (access_rotate(&core, &peer, c->csr, (size_t)c->csr_len, &c->certificate, on_done, &e,
                      &e.err) == 0)
        await(1);
    return e.err;
}

static struct rpc_peer seen_again(struct client *c, const char *serial)
{
    struct err err = ERR_INIT;
    struct rpc_peer peer = c->peer;
    snprintf(peer.serial, sizeof(peer.serial), "%s", serial);
    peer.again = true;
    CHECK_INT(access_identify(&core, &peer, &err), 0);
    return peer;
}

static void test_only_the_newest_certificate_is_renewed(void)
{
    struct client c;
    char first[PKI_SERIAL_BYTES], second[PKI_SERIAL_BYTES];
    client_init(&c);
    enroll(&c, "hal");
    memcpy(first, c.certificate.serial, sizeof(first));
    CHECK_INT(rotate(&c, first).code, ERR_NONE);
    memcpy(second, c.certificate.serial, sizeof(second));
    struct err err = rotate(&c, first);
    CHECK_INT(err.code, ERR_PRECONDITION);
    CHECK_STR(err.reason, "CERTIFICATE_SUPERSEDED");
    CHECK(access_certificate_counts(core.access, "hal", first));
    CHECK(!seen_again(&c, first).finishing);
    CHECK_INT(rotate(&c, second).code, ERR_NONE);
    CHECK(seen_again(&c, first).finishing);
    CHECK(!seen_again(&c, second).finishing);
    CHECK_STR(rotate(&c, first).reason, "CERTIFICATE_SUPERSEDED");
    CHECK(access_certificate_counts(core.access, "hal", second));
    client_done(&c);
}

/* Two rotations at once of one certificate: the first has it. */
static void test_a_certificate_is_renewed_once(void)
{
    struct client c;
    struct ended first = {.calls = 0}, second = {.calls = 0};
    struct pki_certificate a = {0}, b = {0};
    client_init(&c);
    enroll(&c, "ida");
    CHECK_INT(
        access_rotate(&core, &c.peer, c.csr, (size_t)c.csr_len, &a, on_done, &first, &first.err),
        0);
    CHECK_INT(
        access_rotate(&core, &c.peer, c.csr, (size_t)c.csr_len, &b, on_done, &second, &second.err),
        0);
    await(2);
    CHECK_INT(first.err.code, ERR_NONE);
    CHECK_STR(second.err.reason, "CERTIFICATE_SUPERSEDED");
    CHECK(access_certificate_counts(core.access, "ida", a.serial));
    pki_certificate_done(&a);
    pki_certificate_done(&b);
    client_done(&c);
}

/* Of every pair of roles; then the place of one who is there already. */
static void test_nobody_gives_out_a_role_above_their_own(void)
{
    struct client c;
    struct ended e = {.calls = 0};
    client_init(&c);
    for (int own = RPC_ROLE_VIEWER; own <= RPC_ROLE_FLEET; own++)
        for (int role = RPC_ROLE_VIEWER; role <= RPC_ROLE_FLEET; role++) {
            struct rpc_peer by = {.role = (enum rpc_role)own, .principal = "by"};
            err_clear(&e.err);
            int rv = access_create_token(&core, &by, "jim", role, NULL, TTL_MS, c.token,
                                         &c.expires_ns, on_done, &e, &e.err);
            CHECK_INT(rv, role > own ? -1 : 0);
            if (rv == 0)
                await(1);
            CHECK_STR(e.err.reason, role > own ? "ROLE_ABOVE_OWN" : "");
            CHECK_INT(e.err.code, role > own ? ERR_DENIED : ERR_NONE);
        }
    c.role = RPC_ROLE_FLEET;
    enroll(&c, "kay");
    CHECK_INT(begin_token_by(&admin, &c, "kay", &e), -1);
    CHECK_STR(e.err.reason, "ROLE_ABOVE_OWN");
    client_done(&c);
}

/* What an admin may not do with a name. */
static void check_is_above_admins(const char *principal)
{
    struct client c;
    struct ended e;
    struct identity copy;
    client_init(&c);
    c.role = RPC_ROLE_VIEWER;
    if (!CHECK_INT(begin_token_by(&admin, &c, principal, &e), -1))
        await(1);
    CHECK_INT(e.err.code, ERR_DENIED);
    CHECK_STR(e.err.reason, "ROLE_ABOVE_OWN");
    if (access_find(core.access, principal)) {
        e = (struct ended){.calls = 0};
        if (!CHECK_INT(access_revoke(&core, &admin, principal, &copy, on_done, &e, &e.err), -1))
            await(1);
        CHECK_STR(e.err.reason, "ROLE_ABOVE_OWN");
    }
    client_done(&c);
}

/* The other order: the lower token is there before the higher identity. */
static void test_a_token_from_before_takes_nobodys_place(void)
{
    struct client old, c;
    struct ended e;
    client_init(&old);
    client_init(&c);
    old.role = RPC_ROLE_VIEWER;
    CHECK_INT(begin_token_by(&admin, &old, "leo", &e), 0);
    await(1);
    come_with_token(&old);
    c.role = RPC_ROLE_FLEET;
    make_token(&c, "leo");
    fault("identities=full");
    CHECK_INT(begin_enroll(&c, &e), 0);
    await(1);
    no_fault();
    CHECK(has_token(&old)); /* nobody has enrolled */
    CHECK_INT(begin_enroll(&c, &e), 0);
    await(1);
    CHECK_STR(e.err.message, "");
    CHECK(!has_token(&old));
    CHECK_INT(begin_enroll(&old, &e), -1);
    CHECK_INT(e.err.code, ERR_UNAUTHENTICATED);
    close_core();
    open_core();
    CHECK(!has_token(&old));
    CHECK_INT(access_find(core.access, "leo")->role, RPC_ROLE_FLEET);
    client_done(&old);
    client_done(&c);
}

/* Asked for while who gets the name's role is not on disk yet. */
static void test_a_token_that_waits_its_turn_takes_nobodys_place(void)
{
    struct client c, low;
    struct ended first, second;
    client_init(&c);
    client_init(&low);
    c.role = RPC_ROLE_FLEET;
    low.role = RPC_ROLE_VIEWER;
    CHECK_INT(begin_token(&c, "mia", &first), 0);
    CHECK_INT(begin_token_by(&admin, &low, "mia", &second), 0);
    await(2);
    CHECK_INT(first.err.code, ERR_NONE);
    CHECK_STR(second.err.reason, "ROLE_ABOVE_OWN");
    CHECK_STR(low.token, "");
    check_is_above_admins("mia");
    client_done(&c);
    client_done(&low);
}

static void test_revoking_opens_no_way_to_a_higher_name(void)
{
    struct client c;
    struct ended e = {.calls = 0};
    struct identity copy;
    client_init(&c);
    c.role = RPC_ROLE_FLEET;
    enroll(&c, "ned");
    check_is_above_admins("ned");
    CHECK(access_certificate_counts(core.access, "ned", c.certificate.serial));
    CHECK_INT(access_revoke(&core, &owner, "ned", &copy, on_done, &e, &e.err), 0);
    await(1);
    CHECK(access_find(core.access, "ned")->revoked);
    check_is_above_admins("ned");
    c.role = RPC_ROLE_VIEWER; /* who has the role gives the name to whom they like */
    c.peer.self_signed = true;
    pki_certificate_done(&c.certificate);
    enroll(&c, "ned");
    CHECK_INT(access_revoke(&core, &admin, "ned", &copy, on_done, &e, &e.err), 0);
    await(1);
    CHECK_INT(begin_token_by(&admin, &c, "ned", &e), 0);
    await(1);
    CHECK_STR(e.err.message, "");
    client_done(&c);
}

/* Revoking counts for those, too (access_find_mapped). */
static void test_names_of_the_configuration_have_its_roles(void)
{
    struct err err = ERR_INIT;
    struct client c;
    const struct access_peer peer = {
        .name = "oz.example.org", .principal = "oz", .role = RPC_ROLE_FLEET};
    struct access_rules *rules = access_rules_new(&err);
    CHECK_INT(access_rules_add_peer(rules, &peer, &err), 0);
    client_init(&c);
    c.role = RPC_ROLE_VIEWER;
    enroll(&c, "oz");
    (void)access_set_rules(&core, rules);
    check_is_above_admins("oz");
    (void)access_set_rules(&core, NULL);
    client_done(&c);
}

static void test_a_revocation_that_fails_is_none(void)
{
    struct client c, more;
    struct ended e = {.calls = 0};
    struct identity copy;
    client_init(&c);
    client_init(&more);
    enroll(&c, "greg");
    make_token(&more, "greg");
    fault("identities=full");
    CHECK_INT(access_revoke(&core, &owner, "greg", &copy, on_done, &e, &e.err), 0);
    await(1);
    CHECK_STR(e.err.reason, "STORE_UNAVAILABLE");
    CHECK(access_certificate_counts(core.access, "greg", c.certificate.serial));
    CHECK(has_token(&more));
    no_fault();
    CHECK_INT(access_revoke(&core, &owner, "greg", &copy, on_done, &e, &e.err), 0);
    CHECK(access_certificate_counts(core.access, "greg", c.certificate.serial));
    await(1);
    CHECK_INT(e.err.code, ERR_NONE);
    CHECK(copy.revoked);
    CHECK(!access_certificate_counts(core.access, "greg", c.certificate.serial));
    CHECK(!has_token(&more));
    close_core();
    open_core();
    CHECK(access_find(core.access, "greg")->revoked);
    CHECK(!has_token(&more));
    char longer[PRINCIPAL_BYTES + 8];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    CHECK_INT(access_revoke(&core, &owner, longer, &copy, on_done, &e, &e.err), -1);
    CHECK_INT(e.err.code, ERR_NOT_FOUND);
    client_done(&c);
    client_done(&more);
}

/* A daemon that ends with changes on their way: each is told once, none is shown by halves. */
static void test_an_end_with_changes_on_their_way(void)
{
    enum { MANY = 5 };
    struct client clients[MANY];
    struct ended ended[MANY];
    for (int i = 0; i < MANY; i++) {
        char name[16];
        snprintf(name, sizeof(name), "many%d", i);
        client_init(&clients[i]);
        CHECK_INT(begin_token(&clients[i], name, &ended[i]), 0);
    }
    close_core();
    n_awaited = 0;
    open_core();
    for (int i = 0; i < MANY; i++) {
        CHECK_INT(ended[i].calls, 1);
        if (clients[i].token[0]) /* begun */
            come_with_token(&clients[i]);
        CHECK_INT(has_token(&clients[i]), ended[i].err.code == ERR_NONE);
        client_done(&clients[i]);
    }
}

/* ---- auth init ---- */

static void file_of(char path[160], const char *file)
{
    snprintf(path, 160, "%s/pki/%s", dir, file);
}

static bool exists(const char *file)
{
    char path[160];
    file_of(path, file);
    return access(path, F_OK) == 0;
}

static struct ended init(const char *listen)
{
    struct ended e = {.calls = 0};
    if (access_init(&core, NULL, 0, listen, on_done, &e, &e.err) == 0)
        await(1);
    return e;
}

static const char *address(void)
{
    static struct access_status status;
    access_status(&core, &status);
    return status.address;
}

/* A socket on 127.0.0.1; port 0: any. -1: taken. */
static int listen_on(uint16_t port, char text[32])
{
    struct sockaddr_in on = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(on);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    on.sin_port = htons(port);
    if (bind(fd, (struct sockaddr *)&on, sizeof(on)) < 0 || listen(fd, 1) < 0) {
        close(fd);
        return -1;
    }
    CHECK_INT(getsockname(fd, (struct sockaddr *)&on, &len), 0);
    snprintf(text, 32, "127.0.0.1:%u", ntohs(on.sin_port));
    return fd;
}

static bool is_free(const char *at)
{
    char text[32];
    auto_fd int fd = listen_on((uint16_t)atoi(strchr(at, ':') + 1), text);
    return fd >= 0;
}

static void test_an_init_that_fails_leaves_nothing_listening(void)
{
    char text[32], path[160];
    struct err err = ERR_INIT;
    struct ended e = init("nowhere");
    CHECK_INT(e.err.code, ERR_INVALID);
    int taken = listen_on(0, text);
    e = init(text);
    CHECK_CONTAINS(e.err.message, "Address already in use");
    CHECK(!exists("ca.pem")); /* nothing was made for it */
    close(taken);
    /* The address cannot be kept: that is the last thing, after certificates. */
    file_of(path, "listen");
    CHECK_INT(fs_make_dirs(path, 0700, &err), 0);
    e = init(text);
    CHECK(e.calls == 1 && e.err.code != ERR_NONE);
    CHECK_STR(address(), "");
    CHECK(is_free(text));
    CHECK(access_pki(&core) == NULL);
    CHECK_INT(rmdir(path), 0);
    /* A restart finds nothing to listen on either. */
    close_core();
    open_core();
    access_prepare(&core, "", &(struct access_files){.ca = ""});
    access_open(&core);
    e = init("");
    CHECK_INT(e.err.code, ERR_NONE);
    CHECK_STR(address(), "");
    CHECK(access_pki(&core) != NULL);
    e = init(text);
    CHECK_STR(e.err.message, "");
    CHECK_STR(address(), text);
    CHECK(!is_free(text));
    /* Once more, and what is in use stays. */
    file_of(path, "server.key");
    CHECK_INT(remove(path), 0);
    CHECK_INT(fs_make_dirs(path, 0700, &err), 0);
    e = init("");
    CHECK(e.err.code != ERR_NONE);
    CHECK_STR(address(), text);
    CHECK_INT(rmdir(path), 0);
    e = init("");
    CHECK_STR(e.err.message, "");
    CHECK(exists("server.key"));
}

static int64_t end_of(enum access_what what)
{
    const struct access_credentials *c = core.access->now;
    for (size_t i = 0; i < c->n_dated; i++)
        if (c->dated[i].what == what)
            return c->dated[i].dates.ends_s;
    return 0;
}

/* As if that time had come while the daemon runs; it looks at once. */
static void let_time_pass(enum access_what what, int64_t begins_s, int64_t ends_s)
{
    struct access_credentials *c = core.access->now;
    for (size_t i = 0; i < c->n_dated; i++)
        if (c->dated[i].what == what)
            c->dated[i].dates = (struct pki_dates){begins_s, ends_s};
    timer_start(&core.access->listen.look, 0);
}

static struct timer again;
static bool (*wanted)(void);

static void look(void *arg)
{
    (void)arg;
    if (wanted())
        loop_stop(core.loop);
    else
        timer_start(&again, 5);
}

static void until(bool (*cond)(void))
{
    wanted = cond;
    CHECK_INT(timer_init(&again, core.loop, look, NULL), 0);
    timer_start(&again, 0);
    run();
    timer_done(&again);
    CHECK(cond());
}

static bool is_renewed(void)
{
    return end_of(ACCESS_OWN_SERVER) > time(NULL) + INT64_C(800) * 86400;
}

static bool is_closed(void)
{
    return address()[0] == '\0' && core.access->listen.closed.reason[0];
}

static bool is_open(void)
{
    return address()[0] != '\0';
}

static void on_settled(void *arg)
{
    if (++*(int *)arg == 1)
        loop_stop(core.loop);
}

/* Whoever finds the daemon on its socket, once that is answered, finds it on TCP as well. */
static void test_a_start_waits_until_certificates_are_read(void)
{
    int settled = 0;
    close_core();
    open_core();
    access_prepare(&core, "", &(struct access_files){.ca = ""});
    access_open(&core);
    access_settle(&core, on_settled, &settled);
    CHECK_INT(settled, 0); /* they are read on a worker */
    run();
    CHECK_INT(settled, 1);
    CHECK(is_open());
    access_settle(&core, on_settled, &settled);
    CHECK_INT(settled, 2); /* at once */
}

/* Goes on with the daemon of the test before. */
static void test_a_running_daemon_renews_when_the_time_comes(void)
{
    static const char *const names[] = {"127.0.0.1"};
    struct err err = ERR_INIT;
    char path[160], text[32];
    int64_t now = time(NULL);
    snprintf(path, sizeof(path), "%s/pki", dir);
    CHECK_INT(pki_init(path, names, 1, now - INT64_C(700) * 86400, &err), 0);
    let_time_pass(ACCESS_OWN_SERVER, now - 900, now + 100);
    until(is_renewed);
    snprintf(text, sizeof(text), "%s", address());
    CHECK(!is_free(text)); /* it listens, and did all the time */
}

/* One that nobody renews closes TCP in its time, and opens it when another is there. */
static void test_what_ends_while_it_is_in_use_closes_tcp(void)
{
    int64_t now = time(NULL);
    core.access->now->dated[0].what = ACCESS_CRL; /* neither of them is ours to renew */
    for (size_t i = 0; i < core.access->now->n_dated; i++)
        if (core.access->now->dated[i].what == ACCESS_OWN_SERVER)
            core.access->now->dated[i].what = ACCESS_SITE_SERVER;
    let_time_pass(ACCESS_SITE_SERVER, now - 900, now - 1);
    until(is_closed);
    CHECK_STR(core.access->listen.closed.reason, "CERTIFICATE_EXPIRED");
    until(is_open);
}

static void test_two_inits_at_once_are_one(void)
{
    struct ended first = {.calls = 0}, second = {.calls = 0};
    CHECK_INT(access_init(&core, NULL, 0, "", on_done, &first, &first.err), 0);
    CHECK_INT(access_init(&core, NULL, 0, "", on_done, &second, &second.err), -1);
    CHECK_INT(second.err.code, ERR_ABORTED);
    await(1);
    CHECK_INT(first.err.code, ERR_NONE);
    CHECK_INT(second.calls, 0);
}

static void test_an_end_amid_an_init(void)
{
    struct ended e = {.calls = 0};
    CHECK_INT(access_init(&core, NULL, 0, "", on_done, &e, &e.err), 0);
    close_core();
    CHECK_INT(e.calls, 1);
    n_awaited = 0;
    open_core();
}

int main(void)
{
    log_set_level(LOG_LEVEL_ERROR + 1);
    snprintf(dir, sizeof(dir), "/tmp/banger-access.XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    open_core();
    RUN(test_an_init_that_fails_leaves_nothing_listening);
    RUN(test_a_start_waits_until_certificates_are_read);
    RUN(test_a_running_daemon_renews_when_the_time_comes);
    RUN(test_what_ends_while_it_is_in_use_closes_tcp);
    RUN(test_two_inits_at_once_are_one);
    RUN(test_a_token_counts_when_it_is_on_disk);
    close_core();
    open_core();
    access_prepare(&core, "", &(struct access_files){.ca = ""});
    CHECK_INT(init("").err.code, ERR_NONE);
    RUN(test_what_could_not_be_written_is_not_there);
    CHECK_INT(init("").err.code, ERR_NONE);
    RUN(test_a_token_is_used_once_when_two_race);
    RUN(test_a_token_whose_first_use_fails_is_there_for_the_second);
    RUN(test_a_rotation_that_fails_leaves_the_old_certificate);
    RUN(test_only_the_newest_certificate_is_renewed);
    RUN(test_a_certificate_is_renewed_once);
    RUN(test_nobody_gives_out_a_role_above_their_own);
    RUN(test_revoking_opens_no_way_to_a_higher_name);
    RUN(test_names_of_the_configuration_have_its_roles);
    RUN(test_a_token_that_waits_its_turn_takes_nobodys_place);
    RUN(test_a_token_from_before_takes_nobodys_place);
    CHECK_INT(init("").err.code, ERR_NONE);
    RUN(test_a_revocation_that_fails_is_none);
    CHECK_INT(init("").err.code, ERR_NONE);
    RUN(test_an_end_with_changes_on_their_way);
    RUN(test_an_end_amid_an_init);
    close_core();
    CHECK_INT(fs_remove_tree(dir, NULL), 0);
    return check_end();
}

#else

int main(void)
{
    return check_skip("needs a build with faults");
}

#endif
