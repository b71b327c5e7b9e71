/* gzip of single messages, as grpc-encoding asks for it (compression.md of the gRPC spec).
 *
 * A message is small and alone, so that nothing is kept between two of them: an idle connection
 * holds no zlib state. */
#ifndef BANGER_RPC_WIRE_GZIP_H
#define BANGER_RPC_WIRE_GZIP_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

/* Bytes written to `to`; 0 where the result would not fit into room, or memory is short: send the
 * message as it is then. */
size_t gzip_compress(uint8_t *to, size_t room, const uint8_t *data, size_t len);
/* Appends the plain bytes to `to`. -1 with ERR_LIMIT over max_bytes or without memory, with
 * ERR_INTERNAL for what is not gzip, of one member or several. to->max must be above max_bytes. */
int gzip_decompress(struct buf *to, size_t max_bytes, const uint8_t *data, size_t len,
                    struct err *err);

#endif
