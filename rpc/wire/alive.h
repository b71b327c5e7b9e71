/* Signs of life on quiet streams. Proxies cut a stream on which nothing was said for their time (60
 * s is usual), and what HTTP/2 has for this, PING, ends at the proxy. So a client may ask for them
 * with the metadata "banger-alive-ms": the server says so in its response's headers, and from then
 * on either side sends an empty message (of no bytes) where it had nothing to say for that long. On
 * such a call empty messages mean nothing else, and handlers do not see them. Only in directions
 * that stream. For rpc/wire only. */
#ifndef BANGER_RPC_WIRE_ALIVE_H
#define BANGER_RPC_WIRE_ALIVE_H

#include <stddef.h>
#include <stdint.h>

#define ALIVE_HEADER "banger-alive-ms"

enum { ALIVE_MIN_MS = 1000, ALIVE_MAX_MS = 3600 * 1000, ALIVE_TEXT_BYTES = 24 };

struct rpc_call;

/* Milliseconds within the bounds; 0 for what is no number. */
int64_t alive_parse(const uint8_t *value, size_t len);
/* Returns the length. */
size_t alive_format(char text[ALIVE_TEXT_BYTES], int64_t ms);
void alive_init(struct rpc_call *call);
/* Our direction begins to say that it lives every call->alive_ms; no memory: it does not. */
void alive_begin(struct rpc_call *call);
void alive_end(struct rpc_call *call);

#endif
