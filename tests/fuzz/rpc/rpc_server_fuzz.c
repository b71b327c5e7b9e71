/* Raw bytes to the server's side of a connection. The first byte says in what steps. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "rpc/wire/conn.h"
#include "rpc/wire/deadline.h"
#include "rpc/wire/pool.h"
#include "tests/support/echo_service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = data[0] ? data[0] : size;
    struct echo_stats stats = {0};
    struct deadlines deadlines;
    struct wire_pool pool;
    struct wire_server server = {0};
    struct err err;
    struct buf out;
    deadlines_init(&deadlines);
    wire_pool_init(&pool);
    router_init(&server.router);
    buf_init(&out, 1 << 20);
    const struct wire_conn_config config = {.server = &server,
                                            .limits = {16, 64 << 10, 8 << 10, 1 << 20, 1000, 1000},
                                            .deadlines = &deadlines,
                                            .pool = &pool};
    struct wire_conn *conn = NULL;
    if (router_add(&server.router, &echo_rpc_service, &echo_handlers, &stats, &err) == 0)
        conn = wire_conn_new(&config, &err);
    if (conn) {
        conn->peer.role = RPC_ROLE_OPERATOR;
        for (size_t at = 1; at < size;) {
            size_t n = size - at < step ? size - at : step;
            if (wire_conn_receive(conn, data + at, n, &err) < 0 ||
                wire_conn_pull(conn, &out, 64 << 10, &err) < 0)
                break;
            buf_consume(&out, buf_len(&out));
            at += n;
        }
        deadlines_run(&deadlines, INT64_MAX - 1);
        err_set(&err, ERR_CANCELLED, "end of input");
        wire_conn_close(conn, &err);
        wire_conn_unref(conn);
    }
    if (stats.n_started != stats.n_closed)
        abort();
    buf_done(&out);
    router_done(&server.router);
    deadlines_done(&deadlines);
    wire_pool_done(&pool);
    return 0;
}
