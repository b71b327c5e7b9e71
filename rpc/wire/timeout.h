/* The grpc-timeout header: at most eight digits and a unit (PROTOCOL-HTTP2.md). */
#ifndef BANGER_RPC_WIRE_TIMEOUT_H
#define BANGER_RPC_WIRE_TIMEOUT_H

#include <stddef.h>
#include <stdint.h>

enum { TIMEOUT_BYTES = 12 };

/* Milliseconds, rounded up; -1 when malformed. */
int64_t timeout_parse(const char *text, size_t len);
/* Writes it with the finest unit that fits, returns its length. */
size_t timeout_format(char text[TIMEOUT_BYTES], int64_t timeout_ms);

#endif
