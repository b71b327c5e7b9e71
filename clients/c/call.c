/* What a call is told; see banger/call.h. */
#include "call.h"

#include <stdlib.h>

#include "internal.h"
#include "rpc/wire/method.h"

struct banger_call *banger_call_new(void)
{
    return calloc(1, sizeof(struct banger_call));
}

void banger_call_free(struct banger_call *call)
{
    free(call);
}

void banger_call_set_timeout_ms(struct banger_call *call, int64_t timeout_ms)
{
    call->timeout_ms = timeout_ms;
}

int64_t call_timeout_ms(const struct banger_call *call, const struct banger_client *client,
                        const struct rpc_method *method)
{
    int64_t ms = call ? call->timeout_ms : 0;
    if (ms == 0 && !method->streams)
        ms = client->timeout_ms;
    if (ms == 0)
        ms = (int64_t)method->default_deadline_ms;
    return ms > 0 ? ms : -1;
}
