/* Who is connected, and whose certificate counts no more: it ends, is revoked, its authority is
 * revoked or forgotten, a newer one has taken its place. live_certificates_test sim
 *
 * Carol and dan have certificates of the site's authorities; alice enrolled. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/remote.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/pki_files.h"
#include "tests/support/certs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"
#include "tests/support/told.h"

enum { WAIT_MS = 30000, SOON_S = 6 };

#define TEXT(s) ((char *)(uintptr_t)(s))

static struct harness h;
static struct banger_client *local;
static char conf[128], site_ca[128], config_dir[128], target[BANGER_TARGET_BYTES];
static struct cert root, middle, carol, dan;

/* ---- files ---- */

static void write_text(const char *path, const char *text)
{
    if (fs_write_atomic(path, text, strlen(text), 0600, NULL) < 0)
        harness_die(&h, "cannot write %s", path);
}

static void path_of(char path[128], const char *folder, const char *file)
{
    snprintf(path, 128, "%s/%s", folder, file);
}

/* Certificate, what leads to its authority, key: in one file, as a client has it. */
static void write_identity(const char *who, const struct cert *cert, const struct cert *above)
{
    char path[128], text[16384];
    path_of(path, h.dir, who);
    snprintf(text, sizeof(text), "%s%s%s", cert->certificate, above ? above->certificate : "",
             cert->key);
    write_text(path, text);
}

static struct cert own_ca(void)
{
    char folder[128];
    struct cert ca = {0};
    path_of(folder, h.state, "pki");
    if (pki_read_text(folder, "ca.pem", &ca.certificate, NULL) < 0 ||
        pki_read_text(folder, "ca.key", &ca.key, NULL) < 0)
        harness_die(&h, "no CA of the host");
    return ca;
}

/* Lists of all authorities; revoked may be NULL. */
static void write_lists(const struct cert *by_root, const struct cert *by_middle, long ends_s)
{
    char path[128], text[16384];
    struct cert own = own_ca();
    char *lists[] = {cert_revoke(&own, NULL), cert_revoke(&root, by_root),
                     cert_revoke_at(&middle, by_middle, -7200, ends_s)};
    snprintf(text, sizeof(text), "%s%s%s", lists[0], lists[1], lists[2]);
    path_of(path, h.state, "pki/crl.pem");
    write_text(path, text);
    for (size_t i = 0; i < 3; i++)
        free(lists[i]);
    cert_done(&own);
}

static void remove_lists(void)
{
    char path[128];
    path_of(path, h.state, "pki/crl.pem");
    (void)remove(path);
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
    return count_in_log("the configuration is read anew") > *(int *)arg;
}

static void reload(void)
{
    int before = count_in_log("the configuration is read anew");
    CHECK_INT(kill(h.daemon, SIGHUP), 0);
    CHECK(harness_until(is_read_anew, &before, WAIT_MS));
}

static bool in_log(void *arg)
{
    return count_in_log(arg) > 0;
}

static void check_log(const char *part)
{
    if (!CHECK(harness_until(in_log, TEXT(part), WAIT_MS)))
        fprintf(stderr, "  (the log lacks \"%s\")\n", part);
}

/* ---- clients ---- */

/* With the files as they are then, at every connection; nothing is tried again. */
static struct banger_client *connect_as(const char *who)
{
    struct banger_error error;
    char ca[128], file[128];
    path_of(ca, config_dir, "contexts/alice/ca.pem");
    path_of(file, h.dir, who);
    const struct told_client options = {.retry_ms = -1,
                                        .wait_for_ready_ms = -1,
                                        .ca_file = ca,
                                        .certificate_file = file,
                                        .key_file = file};
    struct banger_client *client = told_connect(target, &options, &error);
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

static enum banger_code try_as(const char *who, struct banger_error *error)
{
    struct banger_client *client = connect_as(who);
    enum banger_code code = whoami(client, error);
    banger_close(client);
    return code;
}

static struct banger_stream *watch(struct banger_client *client)
{
    Banger__V1__WatchEventsRequest request = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    struct banger_error error = {0};
    struct banger_stream *stream = banger_stream_open(client, "/banger.v1.EventService/WatchEvents",
                                                      &request.base, NULL, &error);
    if (!stream || whoami(client, &error) != BANGER_OK) /* behind it: it is there */
        harness_die(&h, "no watch: %s", error.message);
    return stream;
}

/* Its end within that time; BANGER_OK where it goes on. */
static enum banger_code end_of(struct banger_stream *stream, int64_t wait_ms,
                               struct banger_error *error)
{
    int64_t until = clock_mono_ms() + wait_ms;
    enum banger_next next;
    ProtobufCMessage *message;
    *error = (struct banger_error){0};
    do {
        int64_t left = until - clock_mono_ms();
        next = banger_stream_next(stream, left > 0 ? left : 0, &message, error);
        banger_message_free(message);
    } while (next == BANGER_NEXT_MESSAGE);
    return next == BANGER_NEXT_ERROR ? error->code : BANGER_OK;
}

/* ---- the site's authorities ---- */

static void test_a_connection_ends_with_its_certificate(void)
{
    struct banger_error error;
    struct cert brief =
        cert_make(&root, &(struct cert_spec){.names = "DNS:carol.example", .ends_s = SOON_S});
    write_identity("brief", &brief, NULL);
    struct banger_client *client = connect_as("brief"), *other = connect_as("dan");
    struct banger_stream *stream = watch(client), *others = watch(other);
    CHECK(end_of(stream, SOON_S * 1000 + WAIT_MS, &error) != BANGER_OK);
    check_log("has expired: it ended at");
    CHECK_INT(whoami(client, &error), BANGER_UNAUTHENTICATED);
    CHECK_INT(end_of(others, 0, &error), BANGER_OK);
    CHECK_INT(whoami(other, &error), BANGER_OK);
    banger_stream_close(stream);
    banger_stream_close(others);
    banger_close(client);
    banger_close(other);
    cert_done(&brief);
}

static void test_a_new_list_ends_those_whom_it_revokes(void)
{
    struct banger_error error;
    struct banger_client *client = connect_as("carol"), *other = connect_as("dan");
    struct banger_stream *stream = watch(client), *others = watch(other);
    write_lists(&carol, NULL, 3600);
    reload();
    CHECK(end_of(stream, WAIT_MS, &error) != BANGER_OK);
    check_log("the certificate counts no more: it is revoked");
    CHECK_INT(whoami(client, &error), BANGER_UNAUTHENTICATED);
    CHECK_INT(end_of(others, 0, &error), BANGER_OK);
    CHECK_INT(whoami(other, &error), BANGER_OK);
    banger_stream_close(stream);
    banger_stream_close(others);
    banger_close(client);
    banger_close(other);
    remove_lists();
    reload();
    CHECK_INT(try_as("carol", &error), BANGER_OK);
}

/* Dan's is by an authority between. */
static void test_a_revoked_authority_takes_its_own_along(void)
{
    struct banger_error error;
    struct banger_client *client = connect_as("dan"), *other = connect_as("carol");
    struct banger_stream *stream = watch(client), *others = watch(other);
    write_lists(NULL, NULL, 3600);
    reload();
    CHECK_INT(try_as("dan", &error), BANGER_OK);
    write_lists(&middle, NULL, 3600);
    reload();
    CHECK_INT(try_as("dan", &error), BANGER_UNAUTHENTICATED);
    CHECK_CONTAINS(error.message, "revoked");
    CHECK(end_of(stream, WAIT_MS, &error) != BANGER_OK);
    check_log("its CA's certificate is revoked");
    CHECK_INT(end_of(others, 0, &error), BANGER_OK);
    CHECK_INT(try_as("carol", &error), BANGER_OK);
    banger_stream_close(stream);
    banger_stream_close(others);
    banger_close(client);
    banger_close(other);
    remove_lists();
    reload();
}

/* It shuts out who comes, with the reason in the log, and nobody who is here: what it says of
 * revocations counts all the same. */
static void test_a_list_that_has_expired_or_is_missing_is_told_as_such(void)
{
    struct banger_error error;
    char path[128];
    struct banger_client *client = connect_as("dan");
    struct banger_stream *stream = watch(client);
    write_lists(NULL, NULL, -60);
    reload();
    check_log("crl.pem has expired: it ended at 2");
    CHECK_INT(try_as("dan", &error), BANGER_UNAVAILABLE);
    CHECK_CONTAINS(error.message, "its log says which");
    check_log("the revocation list of the CA \\\"Middle\\\" has expired: it ended at 2");
    CHECK_INT(whoami(client, &error), BANGER_OK);
    CHECK_INT(end_of(stream, 0, &error), BANGER_OK);
    write_lists(NULL, &dan, -60);
    reload();
    CHECK(end_of(stream, WAIT_MS, &error) != BANGER_OK);
    banger_stream_close(stream);
    banger_close(client);
    struct cert own = own_ca();
    char *list = cert_revoke(&own, NULL);
    path_of(path, h.state, "pki/crl.pem");
    write_text(path, list);
    reload();
    CHECK_INT(try_as("dan", &error), BANGER_UNAVAILABLE);
    check_log("the revocation list of the CA \\\"Middle\\\" is missing");
    free(list);
    cert_done(&own);
    remove_lists();
    reload();
    CHECK_INT(try_as("dan", &error), BANGER_OK);
}

/* What its clients have begun may end; they begin nothing more. */
static void test_an_authority_that_is_taken_away_has_no_more_calls(void)
{
    struct banger_error error;
    struct banger_client *client = connect_as("carol");
    struct banger_stream *stream = watch(client);
    struct cert next = cert_make(NULL, &(struct cert_spec){.common_name = "Next", .ca = true});
    write_text(site_ca, next.certificate);
    reload();
    CHECK_INT(whoami(client, &error), BANGER_UNAUTHENTICATED);
    CHECK_INT(end_of(stream, 0, &error), BANGER_OK);
    banger_stream_close(stream);
    banger_close(client);
    write_text(site_ca, root.certificate);
    reload();
    cert_done(&next);
}

/* ---- enrolled ---- */

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
    request.role = BANGER__V1__ROLE__ROLE_OPERATOR;
    Banger__V1__CreateTokenResponse *made = banger_create_token(local, &request, NULL, &error);
    if (!made || banger_context_enroll(target, made->token, who, &error) < 0)
        harness_die(&h, "enroll %s: %s", who, error.message);
    banger_message_free(&made->base);
}

/* Somebody has copied her files. */
static void steal(const char *to)
{
    auto_free char *text = NULL;
    char path[128];
    path_of(path, config_dir, "contexts/alice/identity.pem");
    if (fs_read(path, 1 << 20, &text, NULL, NULL) < 0)
        harness_die(&h, "no file %s", path);
    path_of(path, h.dir, to);
    write_text(path, text);
}

static enum banger_code rotate(struct banger_client *client, struct banger_error *error)
{
    static uint8_t csr[2000];
    static size_t len;
    *error = (struct banger_error){0};
    if (len == 0)
        len = cert_request(csr, sizeof(csr));
    Banger__V1__RotateCertificateRequest request = BANGER__V1__ROTATE_CERTIFICATE_REQUEST__INIT;
    request.csr_der = (ProtobufCBinaryData){len, csr};
    Banger__V1__EnrollResponse *made = banger_rotate_certificate(client, &request, NULL, error);
    banger_message_free(made ? &made->base : NULL);
    return made ? BANGER_OK : error->code;
}

static void rotate_hers(void)
{
    struct banger_error error = {0};
    if (!CHECK_INT(banger_context_rotate("alice", &error), 0))
        fprintf(stderr, "  (%s)\n", error.message);
}

static void check_she_is_served(void)
{
    static const struct told_client once = {.retry_ms = -1, .wait_for_ready_ms = -1};
    struct banger_error error = {0};
    struct banger_client *client = told_connect_context("alice", &once, &error);
    CHECK_INT(whoami(client, &error), BANGER_OK);
    banger_close(client);
}

static void test_the_pair_before_may_call_and_not_renew(void)
{
    struct banger_error error;
    steal("copy1");
    struct banger_client *thief = connect_as("copy1"), *again;
    CHECK_INT(whoami(thief, &error), BANGER_OK);
    rotate_hers();
    CHECK_INT(whoami(thief, &error), BANGER_OK);
    CHECK_INT(rotate(thief, &error), BANGER_FAILED_PRECONDITION);
    CHECK_STR(error.reason, "CERTIFICATE_SUPERSEDED");
    again = connect_as("copy1");
    CHECK_INT(whoami(again, &error), BANGER_OK);
    CHECK_INT(rotate(again, &error), BANGER_FAILED_PRECONDITION);
    check_she_is_served();
    rotate_hers(); /* the newest can */
    banger_close(again);
    banger_close(thief);
}

static void test_a_pair_that_counts_no_more_has_no_calls_on_an_old_connection(void)
{
    struct banger_error error;
    steal("copy2");
    struct banger_client *thief = connect_as("copy2");
    struct banger_stream *stream = watch(thief);
    rotate_hers();
    CHECK_INT(whoami(thief, &error), BANGER_OK);
    rotate_hers();
    CHECK(rotate(thief, &error) != BANGER_OK);
    CHECK_INT(error.code, BANGER_UNAUTHENTICATED);
    CHECK_INT(whoami(thief, &error), BANGER_UNAUTHENTICATED);
    CHECK_INT(end_of(stream, 0, &error), BANGER_OK); /* what it began may end */
    check_she_is_served();
    rotate_hers();
    check_she_is_served();
    banger_stream_close(stream);
    banger_close(thief);
}

/* A client that reads its files anew notices nothing, whatever it has open. */
static void test_an_owner_s_old_connection_moves_on_by_itself(void)
{
    static const struct told_client once = {.retry_ms = -1, .wait_for_ready_ms = -1};
    struct banger_error error = {0};
    struct banger_client *client = told_connect_context("alice", &once, &error);
    struct banger_stream *stream = watch(client);
    for (int i = 0; i < 4; i++) {
        rotate_hers();
        CHECK_INT(whoami(client, &error), BANGER_OK);
    }
    CHECK_INT(end_of(stream, 0, &error), BANGER_OK);
    banger_stream_close(stream);
    banger_close(client);
}

static void make_site(void)
{
    char text[512];
    root = cert_make(NULL, &(struct cert_spec){.common_name = "Root", .ca = true});
    middle = cert_make(&root, &(struct cert_spec){.common_name = "Middle", .ca = true});
    carol = cert_make(&root, &(struct cert_spec){.names = "DNS:carol.example"});
    dan = cert_make(&middle, &(struct cert_spec){.names = "DNS:dan.example"});
    write_identity("carol", &carol, NULL);
    write_identity("dan", &dan, &middle);
    write_text(site_ca, root.certificate);
    snprintf(text, sizeof(text),
             "ca_file: %s\npeers: {carol.example: {role: viewer, principal: carol}, "
             "dan.example: {role: viewer, principal: dan}}\n",
             site_ca);
    write_text(conf, text);
}

int main(int argc, char **argv)
{
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    path_of(conf, h.dir, "bangerd.conf");
    path_of(site_ca, h.dir, "site.pem");
    path_of(config_dir, h.dir, "config");
    setenv("BANGER_CONFIG_DIR", config_dir, 1);
    h.args[0] = "--config";
    h.args[1] = conf;
    make_site();
    harness_start(&h, NULL);
    local = harness_connect(&h);
    init_auth();
    enroll("alice");
    RUN(test_a_connection_ends_with_its_certificate);
    RUN(test_a_new_list_ends_those_whom_it_revokes);
    RUN(test_a_revoked_authority_takes_its_own_along);
    RUN(test_a_list_that_has_expired_or_is_missing_is_told_as_such);
    RUN(test_an_authority_that_is_taken_away_has_no_more_calls);
    RUN(test_the_pair_before_may_call_and_not_renew);
    RUN(test_a_pair_that_counts_no_more_has_no_calls_on_an_old_connection);
    RUN(test_an_owner_s_old_connection_moves_on_by_itself);
    banger_close(local);
    cert_done(&root);
    cert_done(&middle);
    cert_done(&carol);
    cert_done(&dan);
    CHECK(harness_close(&h));
    return check_end();
}
