/* HTTP/2 frames by hand, as no library would send them (RFC 9113, RFC 7541). */
#ifndef BANGER_TESTS_SERVICE_RAW_HTTP2_H
#define BANGER_TESTS_SERVICE_RAW_HTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct raw {
    uint8_t *data; /* owned */
    size_t len, cap;
};

/* Preface and empty SETTINGS. */
void raw_begin(struct raw *r);
void raw_done(struct raw *r);
/* HEADERS of a gRPC request, without END_STREAM. */
void raw_headers(struct raw *r, uint32_t stream, const char *path);
void raw_reset(struct raw *r, uint32_t stream);
/* DATA with a gRPC message that claims so many bytes, of which len follow. */
void raw_message(struct raw *r, uint32_t stream, uint32_t claimed, uint32_t len);
/* HEADERS, then CONTINUATION without an end, about bytes of them. */
void raw_endless_headers(struct raw *r, uint32_t stream, size_t bytes);

#endif
