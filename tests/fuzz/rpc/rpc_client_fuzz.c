/* Raw bytes from a server to a client with one call of each kind open. */
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "rpc/wire/client.h"
#include "tests/support/echo_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_CALLS = 4 };

typedef bool next_fn(const struct rpc_call *, size_t *, struct rpc_metadata *);

/* Every entry is whole, and ends where it says. */
static void walk(const struct rpc_call *call, next_fn *next)
{
    struct rpc_metadata m;
    for (size_t at = 0; next(call, &at, &m);)
        if (!m.key[0] || m.value[m.value_len] != '\0')
            abort();
}

static void on_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)status;
    walk(call, rpc_call_next_header);
    walk(call, rpc_call_next_trailer);
    ++*(int *)arg;
}

static const struct rpc_call_events events = {.closed = on_closed};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct rpc_client *client = rpc_client_new("localhost", &err);
    if (!client)
        return 0;
    int n_closed[N_CALLS] = {0};
    struct rpc_call *calls[N_CALLS];
    Banger__Test__V1__EchoRequest request = BANGER__TEST__V1__ECHO_REQUEST__INIT;
    for (int i = 0; i < N_CALLS; i++) {
        bool streams = echo_method(i)->streams & RPC_CLIENT_STREAMS;
        calls[i] = rpc_client_start(client, echo_method(i), NULL, streams ? NULL : &request.base,
                                    &events, &n_closed[i], &err);
    }
    const uint8_t *out;
    while (rpc_client_output(client, &out, &err) > 0)
        ;
    size_t step = size > 0 && data[0] ? data[0] : size;
    for (size_t at = 1; at < size;) {
        size_t n = size - at < step ? size - at : step;
        if (rpc_client_receive(client, data + at, n, &err) < 0)
            break;
        while (rpc_client_output(client, &out, &err) > 0)
            ;
        at += n;
    }
    rpc_client_free(client);
    for (int i = 0; i < N_CALLS; i++) {
        if (calls[i] && n_closed[i] != 1)
            abort();
        rpc_call_unref(calls[i]);
    }
    return 0;
}
