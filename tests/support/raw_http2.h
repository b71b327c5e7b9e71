/* HTTP/2 frames by hand, as no library would send them (RFC 9113, RFC 7541). */
#ifndef BANGER_TESTS_RAW_HTTP2_H
#define BANGER_TESTS_RAW_HTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum raw_type {
    RAW_DATA = 0,
    RAW_HEADERS = 1,
    RAW_PRIORITY = 2,
    RAW_RST_STREAM = 3,
    RAW_SETTINGS = 4,
    RAW_PING = 6,
    RAW_WINDOW_UPDATE = 8,
    RAW_CONTINUATION = 9,
    RAW_UNKNOWN = 0x42,
};
enum { RAW_END_STREAM = 1, RAW_ACK = 1, RAW_END_HEADERS = 4, RAW_PADDED = 8 };

struct raw {
    uint8_t *data; /* owned */
    size_t len, cap;
};

/* Preface and empty SETTINGS. */
void raw_begin(struct raw *r);
/* The answer to the server's SETTINGS, whose windows and number of streams hold from then on. */
void raw_accept(struct raw *r);
void raw_done(struct raw *r);
/* Bytes as they are. */
void raw_add(struct raw *r, const void *data, size_t len);
void raw_frame(struct raw *r, enum raw_type type, uint8_t flags, uint32_t stream,
               const void *payload, size_t len);
/* HEADERS of a gRPC request, without END_STREAM. */
void raw_headers(struct raw *r, uint32_t stream, const char *path);
/* The same with one header more. */
void raw_headers_and(struct raw *r, uint32_t stream, const char *path, const char *name,
                     const char *value);
/* The same with more of a header block behind its own, as it is. */
void raw_headers_block(struct raw *r, uint32_t stream, const char *path, const void *more,
                       size_t len);
void raw_reset(struct raw *r, uint32_t stream);
/* DATA with a gRPC message that claims so many bytes, of which len follow. */
void raw_message(struct raw *r, uint32_t stream, uint32_t claimed, uint32_t len);
/* HEADERS, then CONTINUATION without an end, about bytes of them. */
void raw_endless_headers(struct raw *r, uint32_t stream, size_t bytes);

#endif
