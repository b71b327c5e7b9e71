/* The small parsers of rpc/: what peers put into headers and trailers, compressed messages, tokens,
 * and questions to reflection. The first byte says which. Where there is a writer, what was read
 * must come back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "rpc/reflection/descriptors.h"
#include "rpc/wire/alive.h"
#include "base/base64.h"
#include "rpc/wire/content.h"
#include "rpc/wire/gzip.h"
#include "rpc/wire/metadata.h"
#include "rpc/wire/outgoing.h"
#include "rpc/wire/router.h"
#include "rpc/wire/status.h"
#include "rpc/wire/timeout.h"
#include "rpc/wire/tls_token.h"
#include "tests/support/echo_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLAIN_BYTES = 64 << 10, METADATA_BYTES = 8 << 10 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void try_base64(const uint8_t *data, size_t size)
{
    uint8_t *plain = malloc(base64_decoded_bytes(size));
    ssize_t n =
        plain ? base64_decode(plain, base64_decoded_bytes(size), (const char *)data, size) : -1;
    if (n >= 0) {
        size_t len = base64_encoded_bytes((size_t)n);
        char *text = malloc(len + 1);
        uint8_t *again = malloc((size_t)n + 1);
        if (text && again) {
            base64_encode(text, plain, (size_t)n);
            must(base64_decode(again, (size_t)n, text, len) == n);
            must(memcmp(again, plain, (size_t)n) == 0);
        }
        free(text);
        free(again);
    }
    free(plain);
}

static void try_timeout(const uint8_t *data, size_t size)
{
    char text[TIMEOUT_BYTES];
    int64_t ms = timeout_parse((const char *)data, size), alive_ms = alive_parse(data, size);
    must(alive_ms == 0 || (alive_ms >= ALIVE_MIN_MS && alive_ms <= ALIVE_MAX_MS));
    must(!content_is_grpc((const char *)data, size) || size >= strlen("application/grpc"));
    must(ms >= -1);
    if (ms < 0)
        return;
    size_t n = timeout_format(text, ms);
    must(n > 0 && n < TIMEOUT_BYTES && timeout_parse(text, n) >= ms);
}

static void try_status(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT, again = ERR_INIT;
    struct status_text t;
    status_parse_code(&err, (const char *)data, size);
    status_parse_message(&err, (const char *)data, size);
    status_parse_details(&err, data, size);
    if (err.code == ERR_NONE)
        err.code = ERR_UNKNOWN;
    status_format(&t, &err);
    must(t.code_len <= sizeof(t.code) && t.message_len <= sizeof(t.message));
    must(t.details_len <= sizeof(t.details));
    status_parse_code(&again, t.code, t.code_len);
    status_parse_message(&again, t.message, t.message_len);
    must(again.code == err.code && strcmp(again.message, err.message) == 0);
}

/* Two pieces with a length before the first. */
static size_t split(const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return 0;
    size_t n = **data < *size - 1 ? **data : *size - 1;
    *data += 1;
    *size -= 1;
    return n;
}

static void try_metadata(const uint8_t *data, size_t size)
{
    struct metadata m;
    metadata_init(&m, METADATA_BYTES);
    while (size > 0) {
        size_t key = split(&data, &size);
        const uint8_t *name = data;
        data += key;
        size -= key;
        size_t value = split(&data, &size), len;
        if (metadata_add(&m, name, key, data, value) == 0 && key < 64) {
            char text[64] = "";
            memcpy(text, name, key);
            if (key > 0 && strlen(text) == key)
                must(metadata_find(&m, text, &len) != NULL);
        }
        data += value;
        size -= value;
    }
    metadata_done(&m);
}

static void try_outgoing(const uint8_t *data, size_t size)
{
    struct outgoing o;
    struct err err;
    nghttp2_nv nv[OUTGOING_MAX];
    outgoing_init(&o);
    size_t key = split(&data, &size);
    char *name = strndup((const char *)data, key);
    const struct rpc_metadata one = {name, (const char *)data + key, size - key};
    for (int i = 0; name && i < OUTGOING_MAX + 1; i++)
        if (outgoing_add(&o, &one, 1, &err) < 0)
            break;
    must(outgoing_put(&o, nv) == o.n && o.n <= OUTGOING_MAX);
    outgoing_done(&o);
    free(name);
}

static void try_gzip(const uint8_t *data, size_t size)
{
    struct buf plain;
    struct err err;
    buf_init(&plain, PLAIN_BYTES + 1);
    int rv = gzip_decompress(&plain, PLAIN_BYTES, data, size, &err);
    must(rv < 0 || buf_len(&plain) <= PLAIN_BYTES);
    buf_done(&plain);
    buf_init(&plain, size + 1);
    size_t room = 2 * size + 64;
    uint8_t *packed = malloc(room);
    size_t n = packed ? gzip_compress(packed, room, data, size) : 0;
    if (n > 0) {
        must(gzip_decompress(&plain, size, packed, n, &err) == 0 && buf_len(&plain) == size);
        must(size == 0 || memcmp(buf_data(&plain), data, size) == 0);
    }
    free(packed);
    buf_done(&plain);
}

static void try_names(const char *text)
{
    struct router router;
    struct err err;
    struct echo_stats stats = {0};
    router_init(&router);
    if (router_add(&router, &echo_rpc_service, &echo_handlers, &stats, &err) == 0) {
        const struct route *r = router_find(&router, text);
        must(!r || strcmp(r->method->path, text) == 0);
    }
    router_done(&router);
    if (tls_principal_is_valid(text))
        must(*text && strlen(text) < TLS_PRINCIPAL_BYTES && !strpbrk(text, ":/ \n"));
}

static void try_token(const char *text)
{
    struct tls_token token = {.certificate_pem = NULL};
    struct err err;
    if (tls_token_open(&token, text, &err) < 0)
        return;
    must(token.certificate_pem && token.key_pem);
    tls_token_done(&token);
}

static int visit(void *arg, const char *name)
{
    (void)arg;
    return *name ? 0 : -1;
}

static void ask(const struct descriptors *d, const char *text)
{
    struct slice files[DESCRIPTORS_MAX_FILES];
    int32_t numbers[4];
    const int found[] = {descriptors_file_by_name(d, text), descriptors_file_of_symbol(d, text),
                         descriptors_file_of_extension(d, text, 50000)};
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        must(found[i] >= -1 && found[i] < (int)d->n_files);
        if (found[i] >= 0)
            must(descriptors_closure(d, found[i], files) <= DESCRIPTORS_MAX_FILES);
    }
    (void)descriptors_extensions(d, text, numbers, 4);
}

/* Questions to our own set. */
static void try_reflection(const char *text)
{
    static char *set;
    static struct descriptors ours;
    size_t len;
    if (!set && (fs_read(DESCRIPTOR_FILE, 1 << 20, &set, &len, NULL) < 0 ||
                 descriptors_init(&ours, set, len, NULL) < 0))
        abort();
    ask(&ours, text);
}

/* A set that is not ours. */
static void try_descriptors(const uint8_t *data, size_t size)
{
    struct descriptors d;
    if (descriptors_init(&d, data, size, NULL) < 0)
        return;
    ask(&d, "a.B");
    (void)descriptors_each_service(&d, visit, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t which = *data;
    /* Copies, so that the sanitizer sees every byte too many. */
    uint8_t *bytes = malloc(size);
    char *text = malloc(size);
    if (!bytes || !text)
        abort();
    memcpy(bytes, data + 1, size - 1);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (which % 10) {
    case 0:
        try_base64(bytes, size - 1);
        break;
    case 1:
        try_timeout(bytes, size - 1);
        break;
    case 2:
        try_status(bytes, size - 1);
        break;
    case 3:
        try_metadata(bytes, size - 1);
        break;
    case 4:
        try_outgoing(bytes, size - 1);
        break;
    case 5:
        try_gzip(bytes, size - 1);
        break;
    case 6:
        try_names(text);
        break;
    case 7:
        try_token(text);
        break;
    case 8:
        try_reflection(text);
        break;
    case 9:
        try_descriptors(bytes, size - 1);
        break;
    }
    free(bytes);
    free(text);
    return 0;
}
