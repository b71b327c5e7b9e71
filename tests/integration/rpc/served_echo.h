/* The echo service in a process of its own, so that its memory and log are its own, too; and honest
 * clients that call it all the time from threads and check every answer. */
#ifndef BANGER_TESTS_RPC_SERVED_ECHO_H
#define BANGER_TESTS_RPC_SERVED_ECHO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rpc/event/server.h"
#include "tests/support/certs.h"

enum { SERVED_CONTEXTS_MAX = 4 };

/* What TLS peers are held against; a SIGHUP takes the next, after the last the first. */
struct served_tls {
    const char *certificate_pem, *key_pem, *ca_pem, *crl_pem;
};

struct served_echo {
    char dir[40], socket[64], log[64];
    uint16_t port; /* TLS, on 127.0.0.1 */
    pid_t pid;
    size_t base_kib; /* resident when honest clients alone were there */
};

/* Threads must not run yet. tls[0] is used from the start. */
void served_echo_start(struct served_echo *s, const struct rpc_server_config *config,
                       const struct served_tls *tls, size_t n_tls);
/* SIGTERM: false, and told, if it does not drain and end well (leaks included). */
bool served_echo_stop(struct served_echo *s);
/* Most that was ever resident, in KiB. */
size_t served_echo_peak_kib(const struct served_echo *s);
/* How much that has grown; 0 also where the kernel, which counts roughly, says less than before. */
size_t served_echo_grown_kib(const struct served_echo *s, size_t base_kib);
/* Lines of its log with all of the texts (NULL ends). */
size_t served_echo_log_lines(const struct served_echo *s, const char *const *texts);

enum { HONEST_MAX = 4 };

/* Honest clients: half over the Unix socket, half over TLS. */
struct honest {
    struct honest_thread {
        pthread_t thread;
        struct honest *all;
        bool tls;
        atomic_int n;
        atomic_bool failed;
        int64_t worst_us, sum_us;
        int64_t worst_cpu_us; /* of the server, within a call: what it did before it answered */
        char why[256];
    } threads[HONEST_MAX];
    const struct served_echo *server;
    const char *ca_pem;
    const struct cert *certs[2]; /* the second for every other connection; may be the same */
    int calls_per_connection;    /* 0: one connection for all */
    unsigned
        redials;  /* of a call: so often a connection may be closed before its handshake was done */
    bool patient; /* only that the answers are right is checked, not when they come */
    atomic_bool stop;
};

void honest_start(struct honest *h);
/* Waits until each has made n calls more; false when one has failed. */
bool honest_await(struct honest *h, int n);
/* Ends them; prints, and checks that every call went right and came back in time. Returns the most
 * milliseconds that the server worked before it answered one: unlike the time that it took, this
 * does not tell how busy the machine is. */
double honest_end(struct honest *h, const char *what);

#endif
