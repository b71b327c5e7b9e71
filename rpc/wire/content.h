/* Whether a content-type is gRPC's, of protocol buffers (PROTOCOL-HTTP2.md): "application/grpc" in
 * any case, "+proto" or nothing, then parameters, with blanks around the semicolon (RFC
 * 9110 8.3.1). */
#ifndef BANGER_RPC_WIRE_CONTENT_H
#define BANGER_RPC_WIRE_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

bool content_is_grpc(const char *type, size_t len);

#endif
