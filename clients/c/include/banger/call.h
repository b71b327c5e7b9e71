/* What a call is told beside its request, and what comes beside its answer. Part of libbanger; see
 * banger/client.h.
 *
 *   struct banger_call *call = banger_call_new();
 *   banger_call_set_timeout_ms(call, 2000);
 *   banger_metadata_add(banger_call_metadata(call), "x-request-id", "4711", &error);
 *   vm = banger_get_vm(client, &request, call, &error);
 *   by = banger_metadata_find(banger_call_trailers(call), "served-by", 0, NULL);
 *   banger_call_free(call);
 *
 * It may be used for any number of calls, one after the other, of any client. */
#ifndef BANGER_CLIENT_CALL_H
#define BANGER_CLIENT_CALL_H

#include <stdint.h>

#include "banger/metadata.h"

#ifdef __cplusplus
extern "C" {
#endif

struct banger_call;

/* To be freed with banger_call_free. NULL: no memory. */
struct banger_call *banger_call_new(void);
/* Streams that were opened with it go on. NULL is fine. */
void banger_call_free(struct banger_call *call);
/* For everything, retries included; 0, as at first: the client's for unary calls, else the method's
 * default; < 0: none. */
void banger_call_set_timeout_ms(struct banger_call *call, int64_t timeout_ms);
/* What it sends, to be filled; the client's (banger_client_metadata) goes with it, but for keys
 * that are here as well. Sent again with each retry. */
struct banger_metadata *banger_call_metadata(struct banger_call *call);

/* What the answer of the last unary call came with, its error too; that of a stream is
 * banger_stream_headers's and …_trailers's. Empty where nothing came. An answer that is nothing but
 * an error has trailers only; "grpc-status-details-bin" is among them, a google.rpc.Status.
 * Borrowed until the next call. */
const struct banger_metadata *banger_call_headers(const struct banger_call *call);
const struct banger_metadata *banger_call_trailers(const struct banger_call *call);

#ifdef __cplusplus
}
#endif

#endif
