/* What time does to certificates and lists, and what the address does to the listener: the local
 * socket serves whatever is wrong, why TCP is closed is told, and it opens by itself. Files are
 * made with the times that a test wants; nobody's clock is touched. certificates_test sim */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "banger/methods.h"
#include "banger/remote.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/pki.h"
#include "daemon/host/pki_dates.h"
#include "daemon/host/pki_files.h"
#include "tests/support/certs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/told.h"

enum { WAIT_MS = 60000, DAY_S = 24 * 3600 };

static struct harness h;
static char pki[64], conf[64], config_dir[64], address[64], target[BANGER_TARGET_BYTES];
static const char *const names[] = {"127.0.0.1"};

static void write_text(const char *path, const char *text)
{
    if (fs_write_atomic(path, text, strlen(text), 0600, NULL) < 0)
        harness_die(&h, "cannot write %s", path);
}

static void write_pki(const char *file, const char *text)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/%s", pki, file);
    write_text(path, text);
}

/* As "auth init" did at a time: CA, certificate, and the address kept. */
static void make_pki(int64_t made_s)
{
    struct err err = ERR_INIT;
    if (fs_remove_tree(pki, &err) < 0 || pki_init(pki, names, 1, made_s, &err) < 0)
        harness_die(&h, "no PKI: %s", err.message);
    write_pki("listen", address);
}

/* What doctor says of this check: "" while it says nothing. */
static bool doctor(const char *check, char message[512])
{
    struct banger_error error = {0};
    struct banger_client *client = harness_connect(&h);
    Banger__V1__DiagnoseRequest request = BANGER__V1__DIAGNOSE_REQUEST__INIT;
    Banger__V1__DiagnoseResponse *response = banger_diagnose(client, &request, NULL, &error);
    bool ok = false;
    message[0] = '\0';
    for (size_t i = 0; response && i < response->n_checks; i++) {
        if (strcmp(response->checks[i]->name, check) != 0)
            continue;
        snprintf(message, 512, "%s", response->checks[i]->message);
        ok = response->checks[i]->result == BANGER__V1__CHECK_RESULT__CHECK_RESULT_OK;
    }
    banger_message_free(response ? &response->base : NULL);
    banger_close(client);
    return ok;
}

struct expected {
    const char *check, *part;
    bool ok;
    char said[512];
};

static bool says(void *arg)
{
    struct expected *e = arg;
    return doctor(e->check, e->said) == e->ok && strstr(e->said, e->part) != NULL;
}

static void check_doctor(const char *check, bool ok, const char *part)
{
    struct expected e = {.check = check, .part = part, .ok = ok};
    if (!CHECK(harness_until(says, &e, WAIT_MS)))
        fprintf(stderr, "  (doctor says of %s: \"%s\", want \"%s\")\n", check, e.said, part);
}

static bool in_log(void *arg)
{
    auto_free char *text = NULL;
    return fs_read(h.log, 16 << 20, &text, NULL, NULL) == 0 && strstr(text, arg);
}

static void check_log(const char *part)
{
    if (!CHECK(harness_until(in_log, (void *)(uintptr_t)part, WAIT_MS)))
        fprintf(stderr, "  (the log lacks \"%s\")\n", part);
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

struct counted {
    const char *what;
    int n;
};

static bool has_more(void *arg)
{
    const struct counted *c = arg;
    return count_in_log(c->what) >= c->n;
}

static bool tcp_answers(void *arg)
{
    (void)arg;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    to.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static char *create_token(const char *who)
{
    struct banger_error error = {0};
    struct banger_client *client = harness_connect(&h);
    Banger__V1__CreateTokenRequest request = BANGER__V1__CREATE_TOKEN_REQUEST__INIT;
    request.principal = (char *)(uintptr_t)who;
    request.role = BANGER__V1__ROLE__ROLE_OPERATOR;
    Banger__V1__CreateTokenResponse *made = banger_create_token(client, &request, NULL, &error);
    if (!made)
        harness_die(&h, "no token for %s: %s", who, error.message);
    char *token = strdup(made->token);
    banger_message_free(&made->base);
    banger_close(client);
    return token;
}

static void enroll(const char *who)
{
    struct banger_error error = {0};
    auto_free char *token = create_token(who);
    if (banger_context_enroll(target, token, who, &error) < 0)
        harness_die(&h, "enroll %s: %s", who, error.message);
}

static bool is_served(const char *who, struct banger_error *error)
{
    static const struct told_client once = {.retry_ms = -1, .wait_for_ready_ms = -1};
    struct banger_client *client = told_connect_context(who, &once, error);
    Banger__V1__WhoAmIRequest request = BANGER__V1__WHO_AM_IREQUEST__INIT;
    Banger__V1__Identity *me = client ? banger_who_am_i(client, &request, NULL, error) : NULL;
    bool served = me && strcmp(me->principal, who) == 0;
    banger_message_free(me ? &me->base : NULL);
    banger_close(client);
    return served;
}

static char *init_auth(struct banger_error *error)
{
    struct banger_client *client = harness_connect(&h);
    Banger__V1__InitAuthRequest request = BANGER__V1__INIT_AUTH_REQUEST__INIT;
    Banger__V1__InitAuthResponse *made = banger_init_auth(client, &request, NULL, error);
    char *listen = made ? strdup(*made->listen ? made->listen : made->problem) : NULL;
    banger_message_free(made ? &made->base : NULL);
    banger_close(client);
    return listen;
}

static void restart(void)
{
    if (h.daemon)
        CHECK_INT(harness_end(&h, SIGTERM), 0);
    harness_start(&h, NULL);
}

/* ---- tests ---- */

static void test_an_expired_certificate_of_its_own_is_renewed_at_start(void)
{
    struct banger_error error = {0};
    make_pki(time(NULL) - 900 * (int64_t)DAY_S);
    harness_start(&h, NULL);
    check_doctor("TCP", true, address);
    check_log("the host's own certificates are renewed");
    check_doctor("host certificate", true, "in 8");
    CHECK(tcp_answers(NULL));
    enroll("alice");
    CHECK(is_served("alice", &error));
}

/* The CA is ten years old: nothing that a running daemon was needed for is missing. */
static void test_everything_expired_is_cured(void)
{
    struct banger_error error = {0};
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    make_pki(time(NULL) - 3700 * (int64_t)DAY_S);
    harness_start(&h, NULL);
    check_doctor("TCP", true, address);
    check_doctor("host CA", true, "days");
    char *listen = init_auth(&error);
    CHECK_STR(listen, address);
    free(listen);
}

static bool is_renewed(void *arg)
{
    auto_free char *text = NULL;
    const char *more = arg;
    return pki_read_text(pki, "server.pem", &text, NULL) == 0 && strstr(text, more);
}

/* Who enrolled with the CA as it was, and a token from then, are served as before. */
static void test_a_ca_that_is_signed_anew_loses_nobody(void)
{
    struct err err = ERR_INIT;
    struct banger_error error = {0};
    unsigned renewed = 0;
    char path[128];
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    make_pki(time(NULL) - 2400 * (int64_t)DAY_S); /* a third is left in a month */
    harness_start(&h, NULL);
    check_doctor("TCP", true, address);
    enroll("carol");
    char *token = create_token("dave");
    CHECK_INT(pki_renew(pki, time(NULL) + 60 * (int64_t)DAY_S, &renewed, &err), 0);
    CHECK_INT(renewed, PKI_RENEWED_CA | PKI_RENEWED_SERVER);
    auto_free char *ca = NULL, *known = NULL;
    CHECK_INT(pki_read_text(pki, "ca.pem", &ca, &err), 0);
    /* Of a clock that was two months ahead: made anew by the one that is right. */
    int made = count_in_log("own certificates are renewed");
    CHECK_INT(kill(h.daemon, SIGHUP), 0);
    struct counted more = {"own certificates are renewed", made + 1};
    CHECK(harness_until(has_more, &more, WAIT_MS));
    CHECK(harness_until(is_renewed, ca, WAIT_MS));
    check_doctor("TCP", true, address);
    CHECK(is_served("carol", &error));
    CHECK_INT(banger_context_enroll(target, token, "dave", &error), 0);
    CHECK(is_served("dave", &error));
    free(token);
    CHECK_INT(banger_context_rotate("carol", &error), 0);
    CHECK(is_served("carol", &error));
    snprintf(path, sizeof(path), "%s/contexts/carol", config_dir);
    CHECK_INT(pki_read_text(path, "ca.pem", &known, &err), 0);
    CHECK_STR(known, ca);
}

static void test_a_certificate_that_cannot_be_renewed_closes_tcp_alone(void)
{
    struct err err = ERR_INIT;
    char path[96];
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    make_pki(time(NULL));
    struct cert old = cert_make(NULL, &(struct cert_spec){.begins_s = -9000, .ends_s = -60});
    struct cert fresh = cert_make(NULL, &(struct cert_spec){.names = "IP:127.0.0.1"});
    write_pki("server.pem", old.certificate);
    write_pki("server.key", old.key);
    harness_start(&h, NULL);
    check_doctor("TCP", false, "server.pem has expired: it ended at 2");
    check_doctor("host certificate", false, "and the clock says 2");
    check_log("is closed until that has passed");
    CHECK(!tcp_answers(NULL));
    /* Opens without being told. */
    write_pki("server.key", fresh.key);
    write_pki("server.pem", fresh.certificate);
    check_doctor("TCP", true, address);
    CHECK(harness_until(tcp_answers, NULL, WAIT_MS));
    /* By "auth init", too. */
    write_pki("server.pem", old.certificate);
    write_pki("server.key", old.key);
    restart();
    check_doctor("TCP", false, "has expired");
    struct banger_error error = {0};
    char *listen = init_auth(&error);
    CHECK_STR(listen, address);
    free(listen);
    snprintf(path, sizeof(path), "%s/server.pem", pki);
    auto_free char *text = NULL;
    CHECK_INT(fs_read(path, 1 << 20, &text, NULL, &err), 0);
    CHECK(strcmp(text, old.certificate) != 0);
    cert_done(&old);
    cert_done(&fresh);
}

/* What was made tomorrow: the clock has been set back since. */
static void test_a_clock_that_is_back_is_told_with_both_times(void)
{
    char tomorrow[PKI_TIME_BYTES];
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    int64_t made = time(NULL) + DAY_S;
    make_pki(made);
    harness_start(&h, NULL);
    pki_time_text(tomorrow, made - 3600);
    check_doctor("TCP", false, "ca.pem is not yet valid: it begins at 2");
    check_doctor("TCP", false, tomorrow);
    check_doctor("TCP", false, "is the clock right?");
    check_doctor("host CA", false, "and the clock says 2");
    CHECK(!tcp_answers(NULL));
}

static void test_a_taken_address_closes_tcp_until_it_is_free(void)
{
    struct sockaddr_in on = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1;
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    make_pki(time(NULL));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    on.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&on, sizeof(on)), 0);
    CHECK_INT(listen(fd, 1), 0);
    harness_start(&h, NULL);
    check_doctor("TCP", false, "Address already in use");
    /* "auth init" makes certificates all the same, and says what is missing. */
    struct banger_error error = {0};
    char *said = init_auth(&error);
    CHECK(said && strstr(said, "Address already in use"));
    free(said);
    close(fd);
    check_doctor("TCP", true, address);
    enroll("bob");
    CHECK(is_served("bob", &error));
}

/* The CA's own key makes lists of any time. */
static void write_list(long begins_s, long ends_s)
{
    struct err err = ERR_INIT;
    struct cert ca = {0};
    CHECK_INT(pki_read_text(pki, "ca.pem", &ca.certificate, &err), 0);
    CHECK_INT(pki_read_text(pki, "ca.key", &ca.key, &err), 0);
    char *list = cert_revoke_at(&ca, NULL, begins_s, ends_s);
    write_pki("crl.pem", list);
    free(list);
    cert_done(&ca);
}

static void test_an_expired_revocation_list_is_told_as_such(void)
{
    struct banger_error error = {0};
    write_list(-60, 3L * DAY_S);
    CHECK_INT(kill(h.daemon, SIGHUP), 0);
    check_doctor("revocation list", false, "crl.pem ends at 2");
    check_log("revocation list: ");
    CHECK(is_served("bob", &error));
    write_list(-7200, -60);
    CHECK_INT(kill(h.daemon, SIGHUP), 0);
    check_doctor("revocation list", false, "crl.pem has expired: it ended at 2");
    check_log("crl.pem has expired: it ended at 2");
    CHECK(!is_served("bob", &error));
    CHECK_INT(error.code, BANGER_UNAVAILABLE);
    CHECK_CONTAINS(error.message, "its log says which");
    check_log("refused: the revocation list of the CA");
    write_list(-60, 90L * DAY_S);
    CHECK_INT(kill(h.daemon, SIGHUP), 0);
    check_doctor("revocation list", true, "crl.pem ends at 2");
    CHECK(is_served("bob", &error));
}

/* A site's certificate is the site's to renew: told ahead of time, then closed with the reason. */
static void test_a_site_s_certificate_is_told_ahead(void)
{
    char text[256], site[64], key[64];
    struct cert soon = cert_make(NULL, &(struct cert_spec){.ends_s = 5L * DAY_S});
    struct cert old = cert_make(NULL, &(struct cert_spec){.begins_s = -9000, .ends_s = -60});
    snprintf(site, sizeof(site), "%s/site.pem", h.dir);
    snprintf(key, sizeof(key), "%s/site.key", h.dir);
    snprintf(text, sizeof(text), "certificate_file: %s\nkey_file: %s\n", site, key);
    write_text(conf, text);
    write_text(site, soon.certificate);
    write_text(key, soon.key);
    CHECK_INT(kill(h.daemon, SIGHUP), 0);
    check_doctor("certificate_file", false, "site.pem ends at 2");
    check_log("certificate_file: ");
    check_doctor("TCP", true, address);
    write_text(site, old.certificate);
    write_text(key, old.key);
    CHECK_INT(kill(h.daemon, SIGHUP), 0); /* the one in use counts: it stays */
    check_doctor("certificates", false, "site.pem has expired: it ended at 2");
    check_doctor("TCP", true, address);
    restart();
    check_doctor("TCP", false, "site.pem has expired: it ended at 2");
    write_text(conf, "");
    CHECK_INT(kill(h.daemon, SIGHUP), 0);
    check_doctor("TCP", true, address);
    cert_done(&soon);
    cert_done(&old);
}

static void choose_address(void)
{
    struct sockaddr_in on = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(on);
    auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&on, sizeof(on)) < 0 ||
        getsockname(fd, (struct sockaddr *)&on, &len) < 0)
        harness_die(&h, "no free port");
    snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(on.sin_port));
    snprintf(target, sizeof(target), "tls:%s", address);
}

int main(int argc, char **argv)
{
    bool own = harness_own_network();
    if (!own)
        fprintf(stderr, "without a network of its own: a port may be taken by others\n");
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    snprintf(pki, sizeof(pki), "%s/pki", h.state);
    snprintf(conf, sizeof(conf), "%s/bangerd.conf", h.dir);
    snprintf(config_dir, sizeof(config_dir), "%s/config", h.dir);
    setenv("BANGER_CONFIG_DIR", config_dir, 1);
    h.args[0] = "--config";
    h.args[1] = conf;
    write_text(conf, "");
    choose_address();
    RUN(test_an_expired_certificate_of_its_own_is_renewed_at_start);
    RUN(test_everything_expired_is_cured);
    RUN(test_a_ca_that_is_signed_anew_loses_nobody);
    RUN(test_a_certificate_that_cannot_be_renewed_closes_tcp_alone);
    RUN(test_a_clock_that_is_back_is_told_with_both_times);
    RUN(test_a_taken_address_closes_tcp_until_it_is_free);
    RUN(test_an_expired_revocation_list_is_told_as_such);
    RUN(test_a_site_s_certificate_is_told_ahead);
    CHECK(harness_close(&h));
    return check_end();
}
