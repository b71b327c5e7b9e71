/* Targets as text; see target.h. */
#include "target.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/client.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "rpc/wire/tls.h"

enum { PEM_BYTES_MAX = 1 << 20 };

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

static int read_pem(const char *path, char **text, struct err *err)
{
    if (!path)
        return 0;
    if (fs_read(path, PEM_BYTES_MAX, text, NULL, err) == 0)
        return 0;
    if (err)
        err->code = ERR_INVALID;
    return -1;
}

struct tls_context *target_load_tls(const struct target *t, struct err *err)
{
    auto_free char *ca = NULL, *certificate = NULL, *key = NULL;
    struct tls_config config = {.certificate_pem = t->memory.certificate_pem,
                                .key_pem = t->memory.key_pem,
                                .pin_sha256 = t->memory.pin_sha256};
    if (t->ca_pem) {
        config.ca_pem = t->ca_pem;
        config.certificate_pem = t->certificate_pem;
        config.key_pem = t->key_pem;
    } else if (!config.pin_sha256) {
        if (!t->ca_file) {
            err_set(err, ERR_INVALID, "a TLS target needs the CA of its server, and a certificate");
            return NULL;
        }
        if (read_pem(t->ca_file, &ca, err) < 0 ||
            read_pem(t->certificate_file, &certificate, err) < 0 ||
            read_pem(t->key_file, &key, err) < 0)
            return NULL;
        config.ca_pem = ca;
        config.certificate_pem = certificate;
        config.key_pem = key;
    }
    struct tls_context *context = tls_context_new(&config, err);
    if (!context && t->ca_pem)
        err_wrap(err, "certificates given for %s", t->authority);
    else if (!context && !config.pin_sha256)
        err_wrap(err, "certificates of %s (%s, %s)", t->authority, t->ca_file,
                 t->certificate_file ? t->certificate_file : "no certificate of ours");
    return context;
}

static int copy_files(struct target *t, const struct banger_client_options *o, struct err *err)
{
    const char *from[] = {o->ca_file, o->certificate_file, o->key_file};
    char **to[] = {&t->ca_file, &t->certificate_file, &t->key_file};
    for (size_t i = 0; i < 3; i++)
        if (from[i] && !(*to[i] = strdup(from[i])))
            return err_sys(err, ENOMEM, "credentials");
    return 0;
}

int target_init(struct target *t, const char *text, const struct banger_client_options *options,
                const struct target_credentials *memory, struct err *err)
{
    *t = (struct target){0};
    if (strncmp(text, "tls:", 4) != 0)
        return parse_unix(t, text, err);
    if (memory)
        t->memory = *memory;
    if (parse_tls(t, text + 4, err) < 0 || (options && copy_files(t, options, err) < 0))
        return -1;
    /* Without any they are still to come: banger_set_credentials. */
    if (!t->ca_file && !t->certificate_file && !t->key_file && !t->memory.pin_sha256)
        return 0;
    struct tls_context *context = target_load_tls(t, err);
    tls_context_unref(context);
    return context ? 0 : -1;
}

static void free_texts(struct target *t)
{
    free(t->ca_pem);
    free(t->certificate_pem);
    free(t->key_pem);
}

int target_set_credentials(struct target *t, const char *ca_pem, const char *certificate_pem,
                           const char *key_pem, struct err *err)
{
    struct target next = *t;
    next.ca_pem = strdup(ca_pem);
    next.certificate_pem = certificate_pem ? strdup(certificate_pem) : NULL;
    next.key_pem = key_pem ? strdup(key_pem) : NULL;
    bool whole =
        next.ca_pem && !next.certificate_pem == !certificate_pem && !next.key_pem == !key_pem;
    if (!whole)
        err_sys(err, ENOMEM, "credentials");
    struct tls_context *context = whole ? target_load_tls(&next, err) : NULL;
    tls_context_unref(context);
    free_texts(context ? t : &next);
    if (!context)
        return -1;
    t->ca_pem = next.ca_pem;
    t->certificate_pem = next.certificate_pem;
    t->key_pem = next.key_pem;
    return 0;
}

void target_done(struct target *t)
{
    free(t->ca_file);
    free(t->certificate_file);
    free(t->key_file);
    free_texts(t);
    free(t->server_name);
}

const char *target_name(const struct target *t)
{
    return t->path[0] ? t->path : t->authority;
}
