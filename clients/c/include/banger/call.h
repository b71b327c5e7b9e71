/* What a call is told beside its request. Part of libbanger; see banger/client.h.
 *
 *   struct banger_call *soon = banger_call_new();
 *   banger_call_set_timeout_ms(soon, 2000);
 *   vm = banger_get_vm(client, &request, soon, &error);
 *   banger_call_free(soon);
 *
 * It may be used for any number of calls, one after the other, of any client. */
#ifndef BANGER_CLIENT_CALL_H
#define BANGER_CLIENT_CALL_H

#include <stdint.h>

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

#ifdef __cplusplus
}
#endif

#endif
