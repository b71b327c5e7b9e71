/* Private SSH keys; see ssh_key.h. */
#include "daemon/host/ssh_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/err.h"

#define KEY_BEGIN "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define KEY_END   "-----END OPENSSH PRIVATE KEY-----\n"
#define KEY_TYPE  "ssh-ed25519"

static const char magic[] = "openssh-key-v1"; /* with its NUL */

enum { ED25519_BYTES = 32, LINE_CHARS = 70, BLOB_BYTES = 512, BLOCK_BYTES = 8 };

/* Writing */

struct blob_writer {
    size_t n;
    uint8_t data[BLOB_BYTES];
};

static void put(struct blob_writer *w, const void *data, size_t len)
{
    memcpy(w->data + w->n, data, len);
    w->n += len;
}

static void put_u32(struct blob_writer *w, uint32_t v)
{
    const uint8_t bytes[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    put(w, bytes, sizeof(bytes));
}

static void put_string(struct blob_writer *w, const void *data, size_t len)
{
    put_u32(w, (uint32_t)len);
    put(w, data, len);
}

static void put_text(struct blob_writer *w, const char *text)
{
    put_string(w, text, strlen(text));
}

static void put_public(struct blob_writer *w, const uint8_t public[ED25519_BYTES])
{
    struct blob_writer inner = {.n = 0};
    put_text(&inner, KEY_TYPE);
    put_string(&inner, public, ED25519_BYTES);
    put_string(w, inner.data, inner.n);
}

static void put_private(struct blob_writer *w, const uint8_t *public, const uint8_t *seed,
                        const char *comment)
{
    struct blob_writer inner = {.n = 0};
    uint32_t check = 0;
    if (getrandom(&check, sizeof(check), 0) != (ssize_t)sizeof(check))
        check = 0; /* it only tells a right passphrase from a wrong one */
    put_u32(&inner, check);
    put_u32(&inner, check);
    put_text(&inner, KEY_TYPE);
    put_string(&inner, public, ED25519_BYTES);
    put_u32(&inner, 2 * ED25519_BYTES);
    put(&inner, seed, ED25519_BYTES);
    put(&inner, public, ED25519_BYTES);
    put_text(&inner, comment);
    for (uint8_t pad = 1; inner.n % BLOCK_BYTES != 0; pad++)
        put(&inner, &pad, 1);
    put_string(w, inner.data, inner.n);
    OPENSSL_cleanse(&inner, sizeof(inner));
}

static void write_text(const struct blob_writer *w, char text[SSH_KEY_BYTES])
{
    char base64[BLOB_BYTES * 2];
    size_t len = (size_t)EVP_EncodeBlock((uint8_t *)base64, w->data, (int)w->n);
    size_t n = (size_t)sprintf(text, KEY_BEGIN);
    for (size_t at = 0; at < len; at += LINE_CHARS)
        n += (size_t)sprintf(text + n, "%.*s\n", LINE_CHARS, base64 + at);
    strcpy(text + n, KEY_END);
    OPENSSL_cleanse(base64, sizeof(base64));
}

int ssh_key_make(const char *comment, char text[SSH_KEY_BYTES], struct err *err)
{
    uint8_t public[ED25519_BYTES], seed[ED25519_BYTES];
    size_t n_public = sizeof(public), n_seed = sizeof(seed);
    struct blob_writer w = {.n = 0};
    char short_comment[64];
    snprintf(short_comment, sizeof(short_comment), "%s", comment);
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    bool made = key && EVP_PKEY_get_raw_public_key(key, public, &n_public) == 1 &&
                EVP_PKEY_get_raw_private_key(key, seed, &n_seed) == 1;
    EVP_PKEY_free(key);
    if (!made)
        return err_set(err, ERR_INTERNAL, "no SSH key could be made");
    put(&w, magic, sizeof(magic));
    put_text(&w, "none"); /* cipher */
    put_text(&w, "none"); /* of the passphrase */
    put_text(&w, "");
    put_u32(&w, 1);
    put_public(&w, public);
    put_private(&w, public, seed, short_comment);
    write_text(&w, text);
    OPENSSL_cleanse(seed, sizeof(seed));
    OPENSSL_cleanse(&w, sizeof(w));
    return 0;
}

/* Reading */

struct blob_reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static const uint8_t *take(struct blob_reader *r, size_t len)
{
    const uint8_t *at = r->at;
    r->bad = r->bad || len > r->left;
    if (r->bad)
        return NULL;
    r->at += len;
    r->left -= len;
    return at;
}

static uint32_t take_u32(struct blob_reader *r)
{
    const uint8_t *b = take(r, 4);
    return b ? (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3] : 0;
}

static const uint8_t *take_string(struct blob_reader *r, size_t *len)
{
    *len = take_u32(r);
    return take(r, *len);
}

static bool take_text(struct blob_reader *r, const char *text)
{
    size_t len;
    const uint8_t *at = take_string(r, &len);
    return at && len == strlen(text) && memcmp(at, text, len) == 0;
}

/* The bytes between the two lines; the caller frees. */
static uint8_t *decode(const char *text, size_t *len)
{
    const char *begin = strstr(text, KEY_BEGIN);
    const char *end = begin ? strstr(begin, "\n-----END") : NULL;
    if (!end)
        return NULL;
    begin += strlen(KEY_BEGIN);
    uint8_t *data = end > begin ? malloc((size_t)(end - begin) + 4) : NULL;
    EVP_ENCODE_CTX *ctx = data ? EVP_ENCODE_CTX_new() : NULL;
    int n = 0, last = 0;
    if (ctx)
        EVP_DecodeInit(ctx);
    bool good = ctx &&
                EVP_DecodeUpdate(ctx, data, &n, (const uint8_t *)begin, (int)(end - begin)) >= 0 &&
                EVP_DecodeFinal(ctx, data + n, &last) >= 0;
    EVP_ENCODE_CTX_free(ctx);
    *len = (size_t)n + (size_t)last;
    if (good)
        return data;
    free(data);
    return NULL;
}

static int write_line(const uint8_t *blob, size_t len, char line[SSH_PUBLIC_BYTES], struct err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@.-";
    struct blob_reader r = {.at = blob, .left = len};
    size_t type_len;
    const char *type = (const char *)take_string(&r, &type_len);
    char name[64] = "";
    if (type && type_len < sizeof(name))
        memcpy(name, type, type_len);
    if (!name[0] || name[strspn(name, plain)] != '\0' || strlen(name) != type_len ||
        len / 3 * 4 + 8 + sizeof(name) > SSH_PUBLIC_BYTES)
        return err_set(err, ERR_INVALID, "an SSH key of no type that is known");
    int n = sprintf(line, "%s ", name);
    EVP_EncodeBlock((uint8_t *)line + n, blob, (int)len);
    return 0;
}

int ssh_key_public(const char *text, char line[SSH_PUBLIC_BYTES], struct err *err)
{
    size_t len = 0, blob_len = 0, none_len = 0;
    auto_free uint8_t *data = decode(text, &len);
    struct blob_reader r = {.at = data, .left = len, .bad = !data};
    const uint8_t *start = take(&r, sizeof(magic));
    if (!start || memcmp(start, magic, sizeof(magic)) != 0)
        return err_set(err, ERR_INVALID,
                       "it is no private key in OpenSSH's format (ssh-keygen -t ed25519)");
    bool open_cipher = take_text(&r, "none");
    if (!take_text(&r, "none") || !open_cipher) /* the key derivation */
        return err_set(err, ERR_INVALID, "the SSH key has a passphrase, which nobody could type");
    take_string(&r, &none_len);
    uint32_t n_keys = take_u32(&r);
    const uint8_t *blob = take_string(&r, &blob_len);
    if (!blob || n_keys != 1)
        return err_set(err, ERR_INVALID, "the SSH key's file is damaged");
    return write_line(blob, blob_len, line, err);
}
