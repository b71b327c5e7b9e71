/* The CA in use, the TLS context made of it, the listener; see access.h. */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "daemon/core/access_internal.h"
#include "daemon/core/access_rules.h"
#include "daemon/core/core.h"
#include "rpc/event/server.h"
#include "rpc/wire/tls.h"

enum { FILE_BYTES_MAX = 1 << 20 };

static void pki_folder(const struct core *core, char folder[PATH_BYTES])
{
    snprintf(folder, PATH_BYTES, "%.500s/pki", core->config.state_dir);
}

static bool exists(const char *path)
{
    return faccessat(AT_FDCWD, path, F_OK, 0) == 0;
}

/* In the handshake: a refusal here goes out as an alert. */
static int admit(void *arg, const struct tls_identity *peer, struct err *err)
{
    const struct access *access = arg;
    if (peer->self_signed) {
        if (access_find_token(access, peer->key_sha256))
            return 0;
        return err_set(err, ERR_UNAUTHENTICATED,
                       "signed by no CA of ours, and its key is that of no token");
    }
    if (peer->mapped ? access_find_mapped(access, peer->principal) != NULL
                     : access_certificate_counts(access, peer->principal, peer->serial))
        return 0;
    return err_set(err, ERR_UNAUTHENTICATED, "the certificate %s of %s counts no more",
                   peer->serial, peer->principal);
}

/* For a certificate without a principal of ours. */
static bool name_by_rules(void *arg, enum tls_name_kind kind, const char *name, char *principal)
{
    const struct access *access = arg;
    const struct access_peer *rule = access_rules_peer(access->rules, kind, name);
    if (rule)
        strcpy(principal, rule->principal);
    return rule != NULL;
}

/* "" reads as NULL. */
static int read_pem(const char *path, char **text, struct err *err)
{
    size_t len = 0;
    if (!*path)
        return 0;
    if (fs_read(path, FILE_BYTES_MAX, text, &len, err) < 0) {
        if (err)
            err->code = ERR_PRECONDITION;
        return -1;
    }
    return len > 0 ? 0 : err_set(err, ERR_PRECONDITION, "%s is empty", path);
}

static int make_context(struct access *access, const char *folder, const struct pki *pki,
                        struct tls_context **tls, struct err *err)
{
    const struct access_files *files = &access->files;
    auto_free char *ca = NULL, *certificate = NULL, *key = NULL;
    if (read_pem(files->ca, &ca, err) < 0 || read_pem(files->certificate, &certificate, err) < 0 ||
        read_pem(files->key, &key, err) < 0)
        return -1;
    const struct tls_config config = {
        .server = true,
        .certificate_pem = certificate ? certificate : pki_server_pem(pki),
        .key_pem = certificate ? key : pki_server_key_pem(pki),
        .ca_pem = pki ? pki_ca_pem(pki) : NULL,
        .mapped_ca_pem = ca,
        .crl_pem = pki ? pki_crl_pem(pki) : NULL,
        .name = name_by_rules,
        .admit = admit,
        .arg = access,
    };
    *tls = tls_context_new(&config, err);
    if (key)
        OPENSSL_cleanse(key, strlen(key));
    if (*tls)
        return 0;
    if (err)
        err->code = ERR_PRECONDITION;
    return err_wrap(err, "%s%s%s%s%s", folder, ca ? ", " : "", files->ca, certificate ? ", " : "",
                    files->certificate);
}

/* A site that brings authority, certificate and key needs none of ours. */
static bool has_own_ca(const struct access *access, const char *folder)
{
    const struct access_files *files = &access->files;
    char path[PATH_BYTES + 16];
    snprintf(path, sizeof(path), "%s/ca.pem", folder);
    return exists(path) || !*files->ca || !*files->certificate;
}

/* Replaces both, or neither. */
static int load(struct access *access, struct err *err)
{
    char folder[PATH_BYTES];
    struct tls_context *tls = NULL;
    pki_folder(access->core, folder);
    struct pki *pki = has_own_ca(access, folder) ? pki_open(folder, err) : NULL;
    if (!pki && has_own_ca(access, folder))
        return -1;
    if (make_context(access, folder, pki, &tls, err) < 0) {
        pki_close(pki);
        return -1;
    }
    pki_close(access->pki);
    tls_context_unref(access->tls);
    access->pki = pki;
    access->tls = tls;
    if (access->core->rpc_server)
        rpc_server_set_tls(access->core->rpc_server, tls);
    return 0;
}

/* What access_init has kept; "" where it has not. */
static int read_kept_address(struct access *access, struct err *err)
{
    char folder[PATH_BYTES], path[PATH_BYTES + 16], *text = NULL;
    pki_folder(access->core, folder);
    snprintf(path, sizeof(path), "%s/listen", folder);
    if (access->address[0] || !exists(path))
        return 0;
    if (fs_read_own(path, sizeof(access->address) - 1, &text, NULL, err) < 0)
        return -1;
    text[strcspn(text, "\n")] = '\0';
    snprintf(access->address, sizeof(access->address), "%s", text);
    free(text);
    return 0;
}

void access_set_files(struct core *core, const struct access_files *files)
{
    core->access->files = *files;
}

const struct access_files *access_files(const struct core *core)
{
    return &core->access->files;
}

int access_prepare(struct core *core, const char *listen, struct err *err)
{
    struct access *access = core->access;
    char folder[PATH_BYTES], path[PATH_BYTES + 16];
    snprintf(access->address, sizeof(access->address), "%s", listen);
    if (read_kept_address(access, err) < 0)
        return -1;
    pki_folder(core, folder);
    snprintf(path, sizeof(path), "%s/ca.pem", folder);
    if (!access->address[0] && !exists(path))
        return 0;
    if (load(access, err) == 0)
        return 0;
    if (access->address[0])
        return err_wrap(err,
                        "cannot listen on %s without the certificates that \"banger auth init\" "
                        "makes",
                        access->address);
    log_err(LOG_LEVEL_WARN, "bangerd", err, "the CA is not usable");
    return 0;
}

int access_open(struct core *core, struct err *err)
{
    struct access *access = core->access;
    if (!access->address[0] || access->listening)
        return 0;
    uint16_t port = 0;
    if (rpc_server_listen_tls(core->rpc_server, access->address, access->tls, &port, err) < 0)
        return -1;
    /* Port 0 takes a free one: that is where clients find us. */
    char *colon = strrchr(access->address, ':');
    size_t room = sizeof(access->address) - (size_t)(colon - access->address);
    if (strcmp(colon, ":0") == 0 && room > 6)
        snprintf(colon, room, ":%u", port);
    access->listening = true;
    log_info("bangerd", "listens on %s, TLS 1.3 only", access->address);
    return 0;
}

int access_reload(struct core *core, struct err *err)
{
    return core->access->tls ? load(core->access, err) : 0;
}

int access_init(struct core *core, const char *const *names, size_t n_names, const char *listen,
                struct err *err)
{
    struct access *access = core->access;
    char folder[PATH_BYTES], path[PATH_BYTES + 16];
    pki_folder(core, folder);
    if (strlen(listen) >= sizeof(access->address))
        return err_set(err, ERR_INVALID, "the address to listen on is too long");
    if (*listen && access->listening && strcmp(listen, access->address) != 0)
        return err_set(err, ERR_PRECONDITION,
                       "the daemon listens on %s already; to change that, restart it with --listen",
                       access->address);
    if (pki_init(folder, names, n_names, err) < 0 || load(access, err) < 0)
        return -1;
    if (!*listen || access->listening)
        return 0;
    strcpy(access->address, listen);
    if (access_open(core, err) < 0) {
        access->address[0] = '\0';
        return -1;
    }
    snprintf(path, sizeof(path), "%s/listen", folder);
    return fs_write_atomic(path, listen, strlen(listen), 0600, err);
}

const struct pki *access_pki(const struct core *core)
{
    return core->access->pki;
}

const char *access_address(const struct core *core)
{
    return core->access->listening ? core->access->address : "";
}
