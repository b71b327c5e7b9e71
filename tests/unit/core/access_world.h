/* What tests of daemon/core/access stand on: a core with a store that fails where it is told,
 * clients with keys of their own, and changes that are waited for. Part of one program each. */
#ifndef BANGER_TESTS_ACCESS_WORLD_H
#define BANGER_TESTS_ACCESS_WORLD_H

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/core/core.h"
#include "daemon/store/fault.h"
#include "daemon/store/store.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/server.h"
#include "tests/support/check.h"
#include "tests/support/commit.h"

enum { TTL_MS = 60000 };

static char dir[64];
static struct core core;
static struct vmm_host host;
static struct timer deadline;

static inline void on_late(void *arg)
{
    (void)arg;
    CHECK(!"nothing came in time");
    loop_stop(core.loop);
}

static inline void open_core(void)
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

static inline void close_core(void)
{
    timer_done(&deadline);
    rpc_server_free(core.rpc_server);
    workers_close(core.quick);
    core_close(&core);
    store_close(core.store);
    loop_free(core.loop);
}

static inline void run(void)
{
    timer_start(&deadline, 60000);
    CHECK_INT(loop_run(core.loop, NULL), 0);
    timer_stop(&deadline);
}

#ifdef BANGER_FAULTS
static inline void fault(const char *rules)
{
    struct err err = ERR_INIT;
    CHECK_INT(store_fault_set(rules, &err), 0);
}

/* No faults, and the store has noticed. */
static inline void no_fault(void)
{
    fault(NULL);
    commit_now(core.loop, core.store, store_txn_new());
}
#endif

/* What one change came to. */
struct ended {
    int calls;
    struct err err;
};

static int n_awaited;

static inline void on_done(void *arg, const struct err *err)
{
    struct ended *e = arg;
    e->calls++;
    e->err = err ? *err : (struct err)ERR_INIT;
    if (--n_awaited == 0)
        loop_stop(core.loop);
}

/* Runs until n changes have ended. */
static inline void await(int n)
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

static inline void client_init(struct client *c)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509_REQ *request = X509_REQ_new();
    *c = (struct client){.peer = {.kind = RPC_PEER_TLS, .self_signed = true}};
    CHECK(X509_REQ_set_pubkey(request, key) && X509_REQ_sign(request, key, EVP_sha256()) > 0);
    c->csr_len = i2d_X509_REQ(request, &c->csr);
    X509_REQ_free(request);
    EVP_PKEY_free(key);
}

static inline void client_done(struct client *c)
{
    OPENSSL_free(c->csr);
    pki_certificate_done(&c->certificate);
}

/* It comes with its token now. */
static inline void come_with_token(struct client *c)
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

static inline int begin_token_by(const struct rpc_peer *by, struct client *c, const char *principal,
                                 struct ended *e)
{
    *e = (struct ended){.calls = 0};
    return access_create_token(&core, by, principal, c->role ? c->role : RPC_ROLE_OPERATOR, NULL,
                               TTL_MS, c->token, &c->expires_ns, on_done, e, &e->err);
}

static inline int begin_token(struct client *c, const char *principal, struct ended *e)
{
    return begin_token_by(&owner, c, principal, e);
}

static inline int begin_enroll(struct client *c, struct ended *e)
{
    *e = (struct ended){.calls = 0};
    return access_enroll(&core, &c->peer, c->csr, (size_t)c->csr_len, &c->certificate, on_done, e,
                         &e->err);
}

static inline void make_token(struct client *c, const char *principal)
{
    struct ended e;
    CHECK_INT(begin_token(c, principal, &e), 0);
    await(1);
    CHECK_INT(e.err.code, ERR_NONE);
    come_with_token(c);
}

static inline bool has_token(const struct client *c)
{
    return access_find_token(core.access, c->peer.key_sha256) != NULL;
}

static inline void enroll(struct client *c, const char *principal)
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

static inline void file_of(char path[160], const char *file)
{
    snprintf(path, 160, "%s/pki/%s", dir, file);
}

static inline struct ended init(const char *listen)
{
    struct ended e = {.calls = 0};
    if (access_init(&core, NULL, 0, listen, on_done, &e, &e.err) == 0)
        await(1);
    return e;
}

/* The folder and the core; then the tests, and the end. */
static inline void begin_world(void)
{
    log_set_level(LOG_LEVEL_ERROR + 1);
    snprintf(dir, sizeof(dir), "/tmp/banger-access.XXXXXX");
    if (!mkdtemp(dir))
        exit(1);
    open_core();
}

static inline int end_world(void)
{
    close_core();
    CHECK_INT(fs_remove_tree(dir, NULL), 0);
    return check_end();
}

#endif
