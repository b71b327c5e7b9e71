/* What the certificates' files say, together; see access_internal.h. On a worker, but for the
 * questions at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/core/access/access_internal.h"
#include "daemon/host/pki_files.h"
#include "rpc/wire/tls.h"

enum { SITE_FILE_BYTES_MAX = 1 << 20 };

void access_credentials_free(struct access_credentials *c)
{
    if (!c)
        return;
    tls_context_unref(c->tls);
    pki_close(c->pki);
    free(c);
}

static int unusable(struct err *err, const char *reason)
{
    if (!err->reason[0])
        err_tag(err, reason, NULL);
    return -1;
}

/* Remembers when what is in the text counts. What cannot be read has none: the TLS context says
 * what is wrong with it. */
static void add_dated(struct access_credentials *c, enum access_what what, const char *pem,
                      const char *path)
{
    struct access_dated *d = &c->dated[c->n_dated];
    int rv;
    if (what == ACCESS_CRL)
        rv = pki_dates_of_lists(pem, &d->dates, NULL);
    else if (what == ACCESS_SITE_CA)
        rv = pki_dates_of_certificates(pem, &d->dates, NULL);
    else
        rv = pki_dates_of_first(pem, &d->dates, NULL);
    if (rv < 0)
        return;
    d->what = what;
    snprintf(d->path, sizeof(d->path), "%s", path);
    c->n_dated++;
}

static void add_own(struct access_credentials *c, enum access_what what, const char *pem,
                    const char *folder, const char *file)
{
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/%s", folder, file);
    if (pem)
        add_dated(c, what, pem, path);
}

/* ERR_PRECONDITION unless the file has something in it; "" is none. */
static int add_site(struct access_credentials *c, enum access_what what, const char *path)
{
    auto_free char *text = NULL;
    size_t len = 0;
    if (!*path)
        return 0;
    if (fs_read(path, SITE_FILE_BYTES_MAX, &text, &len, &c->why) < 0) {
        c->why.code = ERR_PRECONDITION;
        return -1;
    }
    if (len == 0)
        return err_set(&c->why, ERR_PRECONDITION, "%s is empty", path);
    add_dated(c, what, text, path);
    return 0;
}

/* A site that brings authority, certificate and key needs none of ours. */
static int open_own(struct access_credentials *c, const char *folder,
                    const struct access_files *files)
{
    bool there = pki_has_file(folder, "ca.pem");
    if (!there && *files->ca && *files->certificate)
        return 0;
    if (!there) {
        err_set(&c->why, ERR_PRECONDITION,
                "%s/ca.pem: No such file: \"banger auth init\" makes this host's certificates",
                folder);
        return err_tag(&c->why, "NO_CA", NULL);
    }
    c->pki = pki_open(folder, &c->why);
    if (!c->pki)
        return unusable(&c->why, "CERTIFICATES_UNUSABLE");
    add_own(c, ACCESS_OWN_CA, pki_ca_pem(c->pki), folder, "ca.pem");
    if (!*files->certificate)
        add_own(c, ACCESS_OWN_SERVER, pki_server_pem(c->pki), folder, "server.pem");
    add_own(c, ACCESS_CRL, pki_crl_pem(c->pki), folder, "crl.pem");
    return 0;
}

static void read_kept_address(struct access_credentials *c, const char *folder)
{
    char path[PATH_BYTES + 16];
    auto_free char *text = NULL;
    if (!pki_has_file(folder, "listen"))
        return;
    snprintf(path, sizeof(path), "%s/listen", folder);
    if (fs_read_own(path, sizeof(c->kept_address) - 1, &text, NULL, NULL) < 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    snprintf(c->kept_address, sizeof(c->kept_address), "%s", text);
}

struct access_credentials *access_credentials_read(struct access *access, const char *folder,
                                                   const struct access_files *files, int64_t now_s)
{
    struct access_credentials *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    read_kept_address(c, folder);
    c->nothing = !pki_has_file(folder, "ca.pem") && !*files->certificate;
    if (pki_renew(folder, now_s, &c->renewed, &c->not_renewed) < 0 && c->not_renewed.code == 0)
        err_set(&c->not_renewed, ERR_INTERNAL, "certificates could not be renewed");
    if (open_own(c, folder, files) < 0)
        return c;
    if (add_site(c, ACCESS_SITE_CA, files->ca) < 0 ||
        add_site(c, ACCESS_SITE_SERVER, files->certificate) < 0) {
        unusable(&c->why, "CERTIFICATES_UNUSABLE");
        return c;
    }
    if (access_credentials_count(c, now_s, &c->why) < 0)
        return c;
    c->tls = access_make_context(access, files, c->pki, &c->why);
    if (!c->tls) {
        c->why.code = ERR_PRECONDITION;
        err_wrap(&c->why, "%s%s%s%s%s", folder, *files->ca ? ", " : "", files->ca,
                 *files->certificate ? ", " : "", files->certificate);
        unusable(&c->why, "CERTIFICATES_UNUSABLE");
    }
    return c;
}

static bool is_shown(const struct access_credentials *c, const struct access_dated *d)
{
    if (d->what == ACCESS_SITE_SERVER || d->what == ACCESS_OWN_SERVER)
        return true;
    /* Without a site's certificate ours is shown, and its CA behind it. */
    for (size_t i = 0; i < c->n_dated; i++)
        if (c->dated[i].what == ACCESS_SITE_SERVER)
            return false;
    return d->what == ACCESS_OWN_CA;
}

int access_credentials_count(const struct access_credentials *c, int64_t now_s, struct err *err)
{
    char then[PKI_TIME_BYTES], now[PKI_TIME_BYTES];
    for (size_t i = 0; i < c->n_dated; i++) {
        const struct access_dated *d = &c->dated[i];
        enum pki_when when = pki_when(&d->dates, now_s);
        if (when == PKI_VALID || !is_shown(c, d))
            continue;
        pki_time_text(now, now_s);
        if (when == PKI_EXPIRED) {
            err_set(err, ERR_PRECONDITION,
                    "%.200s has expired: it ended at %s, and the clock says %s", d->path,
                    pki_time_text(then, d->dates.ends_s), now);
            return err_tag(err, "CERTIFICATE_EXPIRED", NULL);
        }
        err_set(
            err, ERR_PRECONDITION,
            "%.200s is not yet valid: it begins at %s, and the clock says %s: is the clock right?",
            d->path, pki_time_text(then, d->dates.begins_s), now);
        return err_tag(err, "CERTIFICATE_NOT_YET_VALID", NULL);
    }
    return 0;
}

bool access_credentials_are_due(const struct access_credentials *c, int64_t now_s)
{
    for (size_t i = 0; i < c->n_dated; i++) {
        const struct access_dated *d = &c->dated[i];
        if ((d->what == ACCESS_OWN_CA || d->what == ACCESS_OWN_SERVER) &&
            (pki_is_ending(&d->dates, now_s) || pki_when(&d->dates, now_s) == PKI_NOT_YET))
            return true;
    }
    return false;
}
