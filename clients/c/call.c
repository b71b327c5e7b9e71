/* What a call is told; see banger/call.h. */
#include "call.h"

#include <stdlib.h>

#include "internal.h"
#include "rpc/wire/method.h"

struct banger_call *banger_call_new(void)
{
    struct banger_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call_metadata_init(&call->metadata);
    call_metadata_init(&call->headers);
    call_metadata_init(&call->trailers);
    return call;
}

void banger_call_free(struct banger_call *call)
{
    if (!call)
        return;
    call_metadata_done(&call->metadata);
    call_metadata_done(&call->headers);
    call_metadata_done(&call->trailers);
    free(call);
}

void banger_call_set_timeout_ms(struct banger_call *call, int64_t timeout_ms)
{
    call->timeout_ms = timeout_ms;
}

struct banger_metadata *banger_call_metadata(struct banger_call *call)
{
    return &call->metadata;
}

const struct banger_metadata *banger_call_headers(const struct banger_call *call)
{
    return &call->headers;
}

const struct banger_metadata *banger_call_trailers(const struct banger_call *call)
{
    return &call->trailers;
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
