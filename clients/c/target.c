/* Targets as text; see target.h. */
#include "target.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/pem_pair.h"
#include "lookup.h"
#include "rpc/wire/tls.h"

static int parse_unix(struct target *t, const char *text, struct err *err)
{
    const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : text;
    if (strncmp(path, "///", 3) == 0)
        path += 2;
    if (path[0] != '/')
        return err_set(err, ERR_INVALID,
                       "\"%.200s\" is no target: give unix:/path/of/socket or tls:HOST:PORT", text);
    if (strlen(path) >= sizeof(t->path))
        return err_set(
            err, ERR_INVALID,
            "the socket's path \"%.200s\" is longer than the %zu bytes a Unix socket may have",
            path, sizeof(t->path) - 1);
    strcpy(t->path, path);
    strcpy(t->authority, "localhost");
    return 0;
}

/* HOST:PORT, a numeric IPv6 host in brackets. */
static int parse_tls(struct target *t, const char *text, struct err *err)
{
    const char *colon = strrchr(text, ':'), *end = colon;
    bool bracket = text[0] == '[';
    char *port_end = NULL;
    unsigned long port = colon ? strtoul(colon + 1, &port_end, 10) : 0;
    if (bracket && colon)
        end = colon[-1] == ']' ? colon - 1 : text;
    text += bracket;
    size_t n = end > text ? (size_t)(end - text) : 0;
    if (n == 0 || n >= sizeof(t->host) || (!bracket && memchr(text, ':', n)) || *port_end ||
        port == 0 || port > UINT16_MAX)
        return err_set(err, ERR_INVALID,
                       "\"%.200s\" is no target: give tls:HOST:PORT, such as tls:box.example:7443",
                       text - bracket);
    memcpy(t->host, text, n);
    snprintf(t->port, sizeof(t->port), "%lu", port);
    snprintf(t->authority, sizeof(t->authority), bracket ? "[%s]:%s" : "%s:%s", t->host, t->port);
    return 0;
}

static int read_files(const struct target_credentials *c, char **ca, char **certificate, char **key,
                      struct err *err)
{
    if (fs_read(c->ca, PEM_BYTES_MAX, ca, NULL, err) == 0 &&
        (!c->certificate || pem_read_pair(c->certificate, c->key ? c->key : c->certificate,
                                          certificate, key, err) == 0))
        return 0;
    if (err && err->code != ERR_UNAVAILABLE)
        err->code = ERR_INVALID;
    return -1;
}

static struct tls_context *load_pinned(const struct target_pinned *pinned, struct err *err)
{
    const struct tls_config config = {.certificate_pem = pinned->certificate_pem,
                                      .key_pem = pinned->key_pem,
                                      .pin_sha256 = pinned->ca_sha256};
    return tls_context_new(&config, err);
}

static struct tls_context *load_files(const struct target *t, struct err *err)
{
    const struct target_credentials *c = &t->credentials;
    auto_free char *ca = NULL, *certificate = NULL;
    char *key = NULL;
    if (read_files(c, &ca, &certificate, &key, err) < 0)
        return NULL;
    const struct tls_config config = {.ca_pem = ca, .certificate_pem = certificate, .key_pem = key};
    struct tls_context *context = tls_context_new(&config, err);
    pem_forget_key(key);
    if (!context)
        err_wrap(err, "certificates of %s (%s, %s)", t->authority, c->ca,
                 c->certificate ? c->certificate : "no certificate of ours");
    return context;
}

static struct tls_context *load_texts(const struct target *t, struct err *err)
{
    const struct target_credentials *c = &t->credentials;
    const struct tls_config config = {
        .ca_pem = c->ca, .certificate_pem = c->certificate, .key_pem = c->key};
    struct tls_context *context = tls_context_new(&config, err);
    if (!context)
        err_wrap(err, "certificates given for %s", t->authority);
    return context;
}

struct tls_context *target_load_tls(const struct target *t, struct err *err)
{
    if (t->pinned.ca_sha256)
        return load_pinned(&t->pinned, err);
    if (!t->credentials.ca) {
        err_set(err, ERR_INVALID, "a TLS target needs the CA of its server, and a certificate");
        return NULL;
    }
    return t->credentials.are_files ? load_files(t, err) : load_texts(t, err);
}

int target_init(struct target *t, const char *text, const struct target_pinned *pinned,
                struct err *err)
{
    *t = (struct target){0};
    if (strncmp(text, "tls:", 4) != 0)
        return parse_unix(t, text, err);
    if (pinned)
        t->pinned = *pinned;
    return parse_tls(t, text + 4, err);
}

static void credentials_done(struct target_credentials *c)
{
    free(c->ca);
    free(c->certificate);
    free(c->key);
}

static char *copy_text(const char *text, bool *whole)
{
    char *copy = text ? strdup(text) : NULL;
    *whole &= !text == !copy;
    return copy;
}

int target_set_credentials(struct target *t, const struct target_credentials *credentials,
                           struct err *err)
{
    struct target next = *t;
    bool whole = true;
    next.credentials = (struct target_credentials){
        .ca = copy_text(credentials->ca, &whole),
        .certificate = copy_text(credentials->certificate, &whole),
        .key = copy_text(credentials->key, &whole),
        .are_files = credentials->are_files,
    };
    if (!whole)
        err_sys(err, ENOMEM, "credentials");
    struct tls_context *context = whole ? target_load_tls(&next, err) : NULL;
    tls_context_unref(context);
    credentials_done(context ? &t->credentials : &next.credentials);
    if (!context)
        return -1;
    t->credentials = next.credentials;
    return 0;
}

void target_done(struct target *t)
{
    lookup_leave(t->lookup);
    credentials_done(&t->credentials);
    free(t->server_name);
}

const char *target_name(const struct target *t)
{
    return t->path[0] ? t->path : t->authority;
}
