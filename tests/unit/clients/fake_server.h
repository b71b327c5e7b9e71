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
#include "tests/support/told.h"

struct rpc_server;

struct fake {
    /* TCP with TLS instead of Unix sockets; then clients need the options. */
    bool tls;
    struct told_client options;
    char target[128], proxy_target[128];
    char dir[32], socket[64], proxy_socket[64], ca_file[64], identity_file[64];
    uint16_t port;
    int64_t max_age_ms; /* of the server's connections; 0: its default */
    struct loop *loop;
    struct rpc_server *server;
    pthread_t thread, proxy_thread;
    int proxy_listen, proxy_stop[2];

    /* So many connections at the proxy are not passed on: */
    unsigned n_scripted;
    enum fake_script {
        FAKE_RST,    /* greets, refuses the first call */
        FAKE_GOAWAY, /* greets, says GOAWAY when the first call comes: it was not begun */
        FAKE_LEAVES, /* greets and says GOAWAY in one */
        FAKE_CLOSES, /* greets and closes at once */
        FAKE_WAVERS, /* the same; each fifth time it takes a call first */
        FAKE_SILENT, /* takes the connection, says nothing */
        FAKE_HTTP1,  /* speaks another protocol */
    } script;

    /* The proxy cuts so many connections, each after a number of bytes in either direction. */
    unsigned cuts;
    unsigned cut_least, cut_most;

    uint64_t stdout_bytes, stderr_bytes, stdin_bytes;
    unsigned refuse_writer; /* so many opens are answered with WRITER_TAKEN */
    const char *lie;        /* "gap", "exit_early", "no_exit", "total": a server that errs */

    /* So many calls of GetVM, WatchOperation and Attach are reset with that code, without a word,
     * as by a proxy between; an attach after some of its output. */
    unsigned resets;
    uint32_t reset_code;

    /* CreateVM answers an operation that boots until it is cancelled; a byte comes out of
     * watching[0] when someone watches it. */
    int watching[2];
    unsigned n_cancels, n_deletes;

    /* The server keeps the last stdin to itself, and has died with it at every other open. */
    bool holds_stdin;
    uint64_t stdin_taken, stdin_acked;
    bool stdin_ended, stdin_wrong;
    unsigned unavailable; /* so many calls of GetVM and SignalSession are answered UNAVAILABLE */
    unsigned n_tagged;    /* calls with an "echo-…": see echo_metadata */
    unsigned n_opens, n_gets, n_sends, n_signals, n_connections, n_lost;
};

void fake_start(struct fake *f);
/* Ends both threads and removes the folder. */
void fake_stop(struct fake *f);
/* The byte of a stream (1 stdout, 2 stderr, 0 stdin) at an offset. */
uint8_t fake_byte(int stream, uint64_t offset);

#endif
