/* A server of a few methods on a thread of its own, and a proxy before it that cuts connections.
 *
 * The session "s" has fixed output (pattern bytes by offset), takes stdin and holds it against the
 * same pattern, and exits with 7 when its output was sent and its stdin, if any is expected, has
 * ended. Its state outlives connections, as a real session's does. Read the counters only after
 * fake_stop. */
#ifndef BANGER_TESTS_FAKE_SERVER_H
#define BANGER_TESTS_FAKE_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "banger/methods.h"
#include "rpc/event/loop.h"

struct rpc_server;

struct fake {
    char dir[32], socket[64], proxy_socket[64];
    struct loop *loop;
    struct rpc_server *server;
    pthread_t thread, proxy_thread;
    int proxy_listen, proxy_stop[2];

    /* The proxy cuts so many connections, each after a number of bytes in either direction. */
    unsigned cuts;
    unsigned cut_least, cut_most;

    uint64_t stdout_bytes, stderr_bytes, stdin_bytes;
    unsigned refuse_writer; /* so many opens are answered with WRITER_TAKEN */
    const char *lie;        /* "gap", "exit_early", "no_exit", "total": a server that errs */

    /* CreateVM answers an operation that boots until it is cancelled; a byte comes out of
     * watching[0] when someone watches it. */
    int watching[2];
    unsigned n_cancels, n_deletes;

    uint64_t stdin_taken;
    bool stdin_ended, stdin_wrong;
    unsigned n_opens, n_gets, n_sends, n_connections;
};

void fake_start(struct fake *f);
/* Ends both threads and removes the folder. */
void fake_stop(struct fake *f);
/* The byte of a stream (1 stdout, 2 stderr, 0 stdin) at an offset. */
uint8_t fake_byte(int stream, uint64_t offset);

#endif
