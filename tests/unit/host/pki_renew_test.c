/* The host's own certificates in time: renewed before they end, never by a clock that is wrong, and
 * whole after a crash at any point. Time is what the tests say. */
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/pki.h"
#include "daemon/host/pki_dates.h"
#include "daemon/host/pki_files.h"
#include "tests/support/certs.h"
#include "tests/support/check.h"

enum { DAY_S = 24 * 3600, SERVER_DAYS = 825, CA_DAYS = 3650 };

static char dir[64], folder[96];
static const char *const names[] = {"box.example"};

static int64_t now(void)
{
    static int64_t at;
    if (!at)
        at = time(NULL);
    return at;
}

static void begin(int64_t made_s)
{
    struct err err = ERR_INIT;
    CHECK_INT(fs_remove_tree(folder, &err), 0);
    CHECK_INT(pki_init(folder, names, 1, made_s, &err), 0);
}

static char *read_file(const char *file)
{
    struct err err = ERR_INIT;
    char *text = NULL;
    CHECK_INT(pki_read_text(folder, file, &text, &err), 0);
    return text;
}

static unsigned renew(int64_t now_s)
{
    struct err err = ERR_INIT;
    unsigned renewed = 99;
    CHECK_INT(pki_renew(folder, now_s, &renewed, &err), 0);
    CHECK_STR(err.message, "");
    return renewed;
}

/* What is there is a working pair, signed by the CA that is there; begins and ends as said. */
static void check_pair(int64_t begins_s, int64_t ends_s)
{
    struct err err = ERR_INIT;
    struct pki_dates dates;
    struct pki *pki = pki_open(folder, &err);
    CHECK_STR(err.message, "");
    if (!pki)
        return;
    X509 *server = pki_parse_certificate(pki_server_pem(pki));
    X509 *ca = pki_parse_certificate(pki_ca_pem(pki));
    EVP_PKEY *key = pki_find_key(pki_server_key_pem(pki), server);
    CHECK(key != NULL);
    CHECK_INT(X509_verify(server, X509_get0_pubkey(ca)), 1);
    CHECK_INT(X509_check_host(server, "box.example", 0, 0, NULL), 1);
    CHECK_INT(pki_dates_of_first(pki_server_pem(pki), &dates, &err), 0);
    CHECK_INT(dates.begins_s, begins_s);
    CHECK_INT(dates.ends_s, ends_s);
    EVP_PKEY_free(key);
    X509_free(server);
    X509_free(ca);
    pki_close(pki);
}

static void test_a_server_certificate_is_renewed_when_a_third_is_left(void)
{
    int64_t made = now(), third = made + (int64_t)(SERVER_DAYS * 2 / 3 - 1) * DAY_S;
    begin(made);
    char *before = read_file("server.key");
    CHECK_INT(renew(made), 0);
    CHECK_INT(renew(third), 0);
    check_pair(made - 3600, made + (int64_t)SERVER_DAYS * DAY_S);
    third += 2 * DAY_S;
    CHECK_INT(renew(third), PKI_RENEWED_SERVER);
    check_pair(third - 3600, third + (int64_t)SERVER_DAYS * DAY_S);
    char *after = read_file("server.key");
    CHECK(strcmp(before, after) != 0);
    CHECK_INT(renew(third), 0);
    free(before);
    free(after);
}

static void test_an_expired_server_certificate_is_renewed(void)
{
    int64_t late = now() + (int64_t)(SERVER_DAYS + 9) * DAY_S;
    begin(now());
    CHECK_INT(renew(late), PKI_RENEWED_SERVER);
    check_pair(late - 3600, late + (int64_t)SERVER_DAYS * DAY_S);
    /* The clock was wrong, and is right again. */
    CHECK_INT(renew(now() + DAY_S), PKI_RENEWED_SERVER);
    check_pair(now() + DAY_S - 3600, now() + (int64_t)(SERVER_DAYS + 1) * DAY_S);
}

static void test_a_clock_before_the_ca_renews_nothing(void)
{
    begin(now());
    CHECK_INT(renew(now() - DAY_S), 0);
    CHECK_INT(renew(0), 0);
    check_pair(now() - 3600, now() + (int64_t)SERVER_DAYS * DAY_S);
}

/* Same key and name: who knows only the old certificate of the CA is served as before. */
static void test_a_ca_is_signed_anew_and_the_old_stays_beside_it(void)
{
    struct err err = ERR_INIT;
    int64_t late = now() + (int64_t)CA_DAYS * DAY_S * 2 / 3 + 9 * (int64_t)DAY_S;
    struct pki_dates dates;
    begin(now());
    char *old_text = read_file("ca.pem");
    X509 *old = pki_parse_certificate(old_text);
    CHECK_INT(renew(late), PKI_RENEWED_CA | PKI_RENEWED_SERVER);
    check_pair(late - 3600, late + (int64_t)SERVER_DAYS * DAY_S);
    struct pki *pki = pki_open(folder, &err);
    CHECK(pki && strstr(pki_ca_pem(pki), old_text) && strstr(pki_server_pem(pki), old_text));
    CHECK_INT(pki_dates_of_first(pki_ca_pem(pki), &dates, &err), 0);
    CHECK_INT(dates.begins_s, now() - 3600);
    CHECK_INT(dates.ends_s, late + (int64_t)CA_DAYS * DAY_S);
    X509 *server = pki_parse_certificate(pki_server_pem(pki));
    CHECK_INT(X509_check_issued(old, server), X509_V_OK);
    CHECK_INT(X509_verify(server, X509_get0_pubkey(old)), 1);
    X509_free(server);
    pki_close(pki);
    /* One that has expired is left out. */
    late += (int64_t)CA_DAYS * DAY_S * 2 / 3;
    CHECK_INT(renew(late), PKI_RENEWED_CA | PKI_RENEWED_SERVER);
    char *text = read_file("ca.pem");
    CHECK(strstr(text, old_text) == NULL);
    free(text);
    /* An expired one is no end: init makes it anew as well. */
    begin(now());
    late = now() + (int64_t)(CA_DAYS + 1) * DAY_S;
    CHECK_INT(pki_init(folder, names, 1, late, &err), 0);
    check_pair(late - 3600, late + (int64_t)SERVER_DAYS * DAY_S);
    X509_free(old);
    free(old_text);
}

static void test_what_another_signed_is_left_alone(void)
{
    struct err err = ERR_INIT;
    char path[160];
    begin(now());
    struct cert site = cert_make(NULL, &(struct cert_spec){.begins_s = -9000, .ends_s = -60});
    snprintf(path, sizeof(path), "%s/server.pem", folder);
    CHECK_INT(fs_write_atomic(path, site.certificate, strlen(site.certificate), 0600, &err), 0);
    snprintf(path, sizeof(path), "%s/server.key", folder);
    CHECK_INT(fs_write_atomic(path, site.key, strlen(site.key), 0600, &err), 0);
    CHECK_INT(renew(now()), 0);
    char *text = read_file("server.pem");
    CHECK_STR(text, site.certificate);
    free(text);
    cert_done(&site);
}

/* Each state that a crash can leave: the pair that was there works until the new one is whole. */
static void test_a_crash_between_the_files_leaves_a_working_pair(void)
{
    struct err err = ERR_INIT;
    char path[160], both[8192];
    begin(now());
    char *old_pem = read_file("server.pem"), *old_key = read_file("server.key");
    begin(now());
    char *new_pem = read_file("server.pem"), *new_key = read_file("server.key");
    snprintf(both, sizeof(both), "%s%s", new_key, old_key);
    snprintf(path, sizeof(path), "%s/server.key", folder);
    CHECK_INT(fs_write_atomic(path, both, strlen(both), 0600, &err), 0);
    check_pair(now() - 3600, now() + (int64_t)SERVER_DAYS * DAY_S); /* new certificate, both keys */
    snprintf(path, sizeof(path), "%s/server.pem", folder);
    struct pki_ca ca;
    CHECK_INT(pki_ca_read(&ca, folder, &err), 0);
    pki_ca_done(&ca);
    CHECK_INT(fs_write_atomic(path, old_pem, strlen(old_pem), 0600, &err), 0);
    struct pki *pki = pki_open(folder, &err); /* the old certificate, both keys */
    CHECK(pki != NULL);
    CHECK(pki && strcmp(pki_server_key_pem(pki), old_key) == 0);
    pki_close(pki);
    /* A CA's key without its certificate is one that nobody has seen: another is made. */
    snprintf(path, sizeof(path), "%s/ca.pem", folder);
    CHECK_INT(remove(path), 0);
    CHECK_INT(pki_init(folder, names, 1, now(), &err), 0);
    check_pair(now() - 3600, now() + (int64_t)SERVER_DAYS * DAY_S);
    free(old_pem);
    free(old_key);
    free(new_pem);
    free(new_key);
}

static void test_a_key_that_is_lost_is_made_anew(void)
{
    char path[160];
    begin(now());
    snprintf(path, sizeof(path), "%s/server.key", folder);
    CHECK_INT(remove(path), 0);
    CHECK_INT(renew(now()), PKI_RENEWED_SERVER);
    check_pair(now() - 3600, now() + (int64_t)SERVER_DAYS * DAY_S);
}

/* Files of more than so many bytes cannot be written, by root neither. */
static void limit_files(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_a_failed_write_leaves_what_was_there(void)
{
    static const rlim_t limits[] = {0, 1000}; /* no file; the keys, but not the certificates */
    int64_t late = now() + (int64_t)SERVER_DAYS * DAY_S;
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct err err = ERR_INIT;
        unsigned renewed = 9;
        begin(now());
        limit_files(limits[i]);
        CHECK_INT(pki_renew(folder, late, &renewed, &err), -1);
        CHECK_INT(pki_init(folder, names, 1, late, &err), -1);
        limit_files(RLIM_INFINITY);
        CHECK_INT(renewed, 0);
        check_pair(now() - 3600, late);
        CHECK_INT(renew(late), PKI_RENEWED_SERVER);
        check_pair(late - 3600, late + (int64_t)SERVER_DAYS * DAY_S);
    }
}

static void test_dates(void)
{
    struct err err = ERR_INIT;
    struct pki_dates dates;
    char text[PKI_TIME_BYTES], both[8192];
    struct cert ca = cert_make(NULL, &(struct cert_spec){.ca = true});
    struct cert early = cert_make(&ca, &(struct cert_spec){.begins_s = -500, .ends_s = 900});
    struct cert later = cert_make(&ca, &(struct cert_spec){.begins_s = 100, .ends_s = 9000});
    snprintf(both, sizeof(both), "%s%s", early.certificate, later.certificate);
    CHECK_INT(pki_dates_of_certificates(both, &dates, &err), 0);
    CHECK_INT(dates.ends_s - dates.begins_s, 800);
    CHECK_INT(pki_when(&dates, dates.begins_s - 1), PKI_NOT_YET);
    CHECK_INT(pki_when(&dates, dates.begins_s), PKI_VALID);
    CHECK_INT(pki_when(&dates, dates.ends_s), PKI_VALID);
    CHECK_INT(pki_when(&dates, dates.ends_s + 1), PKI_EXPIRED);
    CHECK(!pki_is_ending(&dates, dates.begins_s + 533) &&
          pki_is_ending(&dates, dates.ends_s - 266));
    char *list = cert_revoke(&ca, NULL);
    CHECK_INT(pki_dates_of_lists(list, &dates, &err), 0);
    CHECK_INT(dates.ends_s - dates.begins_s, 3660);
    CHECK_INT(pki_dates_of_certificates(list, &dates, &err), -1);
    CHECK_INT(pki_dates_of_lists("", &dates, &err), -1);
    CHECK_INT(pki_dates_of_lists("-----BEGIN X509 CRL-----\nAAAA\n", &dates, &err), -1);
    CHECK_STR(pki_time_text(text, 0), "1970-01-01 00:00:00 UTC");
    free(list);
    cert_done(&ca);
    cert_done(&early);
    cert_done(&later);
}

int main(void)
{
    signal(SIGXFSZ, SIG_IGN);
    snprintf(dir, sizeof(dir), "/tmp/banger-pki.XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    snprintf(folder, sizeof(folder), "%s/pki", dir);
    RUN(test_a_server_certificate_is_renewed_when_a_third_is_left);
    RUN(test_an_expired_server_certificate_is_renewed);
    RUN(test_a_clock_before_the_ca_renews_nothing);
    RUN(test_a_ca_is_signed_anew_and_the_old_stays_beside_it);
    RUN(test_what_another_signed_is_left_alone);
    RUN(test_a_crash_between_the_files_leaves_a_working_pair);
    RUN(test_a_key_that_is_lost_is_made_anew);
    RUN(test_a_failed_write_leaves_what_was_there);
    RUN(test_dates);
    CHECK_INT(fs_remove_tree(dir, NULL), 0);
    return check_end();
}
