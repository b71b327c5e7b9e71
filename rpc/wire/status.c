/* Status trailers; see status.h. */
#include "rpc/wire/status.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/base64.h"
#include "rpc/wire/pbwire.h"
#include "base/utf8.h"

static const char error_info_url[] = "type.googleapis.com/banger.v1.ErrorInfo";

enum { STATUS_CODE = 1, STATUS_MESSAGE = 2, STATUS_DETAILS = 3 };
enum { ANY_TYPE_URL = 1, ANY_VALUE = 2 };
enum { INFO_REASON = 1, INFO_RESOURCE = 2, INFO_STAGE = 3, INFO_RETRYABLE = 4 };

/* A small message being written; what does not fit is dropped (the sizes above leave room). */
struct writer {
    uint8_t *at, *end;
};

static void put_varint(struct writer *w, uint64_t v)
{
    do {
        if (w->at == w->end)
            return;
        *w->at++ = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
    } while (v);
}

static void put_bytes(struct writer *w, uint32_t field, const void *data, size_t len)
{
    if (len == 0 || (size_t)(w->end - w->at) < len + 10)
        return;
    put_varint(w, field << 3 | PB_LEN);
    put_varint(w, len);
    memcpy(w->at, data, len);
    w->at += len;
}

/* Strings of a proto must be UTF-8, or a client cannot read any of it. */
static void put_string(struct writer *w, uint32_t field, const char *s)
{
    put_bytes(w, field, s, utf8_prefix((const uint8_t *)s, strlen(s)));
}

static void put_bool(struct writer *w, uint32_t field, bool value)
{
    if (!value)
        return;
    put_varint(w, field << 3 | PB_VARINT);
    put_varint(w, 1);
}

static size_t status_encode_details(uint8_t *to, size_t size, const struct err *e)
{
    uint8_t info[256], any[384];
    struct writer w = {info, info + sizeof(info)};
    put_string(&w, INFO_REASON, e->reason);
    put_string(&w, INFO_RESOURCE, e->resource);
    put_string(&w, INFO_STAGE, e->stage);
    put_bool(&w, INFO_RETRYABLE, err_retryable(e));
    size_t info_len = (size_t)(w.at - info);

    w = (struct writer){any, any + sizeof(any)};
    put_bytes(&w, ANY_TYPE_URL, error_info_url, sizeof(error_info_url) - 1);
    put_bytes(&w, ANY_VALUE, info, info_len);
    size_t any_len = (size_t)(w.at - any);

    w = (struct writer){to, to + size};
    put_varint(&w, STATUS_CODE << 3 | PB_VARINT);
    put_varint(&w, (uint64_t)e->code);
    put_string(&w, STATUS_MESSAGE, e->message);
    put_bytes(&w, STATUS_DETAILS, any, any_len);
    return (size_t)(w.at - to);
}

/* Percent-encoding of grpc-message: all but printable ASCII, the percent sign, and spaces at either
 * end, which a header value must not have (RFC 9113 8.2.1). */
static size_t status_escape(char *to, const char *s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *start = to;
    for (; *s; s++) {
        uint8_t c = (uint8_t)*s;
        bool bare_space = c == ' ' && (to == start || s[1] == '\0');
        if (c >= ' ' && c <= '~' && c != '%' && !bare_space) {
            *to++ = *s;
        } else {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    return (size_t)(to - start);
}

void status_format(struct status_text *t, const struct err *e)
{
    uint8_t proto[STATUS_PROTO_BYTES];
    unsigned code = (unsigned)e->code <= ERR_UNAUTHENTICATED ? (unsigned)e->code : ERR_UNKNOWN;
    t->code_len = (size_t)snprintf(t->code, sizeof(t->code), "%u", code);
    t->message_len = status_escape(t->message, e->message);
    size_t len = status_encode_details(proto, sizeof(proto), e);
    t->details_len = base64_encoded_bytes(len);
    base64_encode(t->details, proto, len);
}

void status_parse_code(struct err *e, const char *text, size_t len)
{
    unsigned code = ERR_UNKNOWN;
    if (len == 1 && text[0] >= '0' && text[0] <= '9')
        code = (unsigned)(text[0] - '0');
    else if (len == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '6')
        code = 10 + (unsigned)(text[1] - '0');
    e->code = (enum err_code)code;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void status_parse_message(struct err *e, const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 1 < sizeof(e->message); i++) {
        char c = text[i];
        if (c == '%' && i + 2 < len && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
            c = (char)(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        }
        if (c)
            e->message[n++] = c;
    }
    e->message[n] = '\0';
    e->message[utf8_prefix((const uint8_t *)e->message, n)] = '\0';
}

static void copy_text(char *to, size_t size, const struct pb_field *f)
{
    size_t n = f->len < size - 1 ? f->len : size - 1;
    n = n ? utf8_prefix(f->data, n) : 0;
    memcpy(to, f->data, n);
    to[n] = '\0';
}

static void status_parse_info(struct err *e, const uint8_t *data, size_t len)
{
    struct pb_reader r = {data, data + len};
    for (struct pb_field f; pb_next(&r, &f);) {
        if (f.wire_type != PB_LEN)
            continue;
        if (f.id == INFO_REASON)
            copy_text(e->reason, sizeof(e->reason), &f);
        else if (f.id == INFO_RESOURCE)
            copy_text(e->resource, sizeof(e->resource), &f);
        else if (f.id == INFO_STAGE)
            copy_text(e->stage, sizeof(e->stage), &f);
    }
}

static void status_parse_any(struct err *e, const uint8_t *data, size_t len)
{
    struct pb_reader r = {data, data + len};
    bool ours = false;
    struct pb_field value = {0};
    for (struct pb_field f; pb_next(&r, &f);) {
        if (f.wire_type != PB_LEN)
            continue;
        if (f.id == ANY_TYPE_URL)
            ours =
                f.len == sizeof(error_info_url) - 1 && memcmp(f.data, error_info_url, f.len) == 0;
        else if (f.id == ANY_VALUE)
            value = f;
    }
    if (ours && value.data)
        status_parse_info(e, value.data, value.len);
}

void status_parse_details(struct err *e, const uint8_t *data, size_t len)
{
    struct pb_reader r = {data, data + len};
    for (struct pb_field f; pb_next(&r, &f);)
        if (f.id == STATUS_DETAILS && f.wire_type == PB_LEN)
            status_parse_any(e, f.data, f.len);
}

void status_of_http(struct err *e, int http_status)
{
    enum err_code code = ERR_UNKNOWN;
    switch (http_status) {
    case 400:
        code = ERR_INTERNAL;
        break;
    case 401:
        code = ERR_UNAUTHENTICATED;
        break;
    case 403:
        code = ERR_DENIED;
        break;
    case 404:
        code = ERR_UNIMPLEMENTED;
        break;
    case 429:
    case 502:
    case 503:
    case 504:
        code = ERR_UNAVAILABLE;
        break;
    default:
        break;
    }
    err_set(e, code, "the server answered HTTP status %d, not gRPC", http_status);
}

void status_of_reset(struct err *e, uint32_t error_code)
{
    enum err_code code = ERR_INTERNAL;
    switch (error_code) {
    case NGHTTP2_REFUSED_STREAM:
        code = ERR_UNAVAILABLE;
        break;
    case NGHTTP2_CANCEL:
        code = ERR_CANCELLED;
        break;
    case NGHTTP2_ENHANCE_YOUR_CALM:
        code = ERR_LIMIT;
        break;
    case NGHTTP2_INADEQUATE_SECURITY:
        code = ERR_DENIED;
        break;
    default:
        break;
    }
    err_set(e, code, "the peer reset the stream: %s", nghttp2_http2_strerror(error_code));
}
