/* All services of the daemon over a core of their own, served on a thread, with the sim driver; for
 * tests that call them through libbanger on the main thread. The core belongs to the thread between
 * served_open and served_close. */
#ifndef BANGER_TESTS_SERVICE_SERVED_H
#define BANGER_TESTS_SERVICE_SERVED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "banger/client.h"
#include "banger/contract.rpc.h"
#include "banger/methods.h"
#include "banger/operation.h"
#include "daemon/core/supervise/host_info.h"
#include "rpc/wire/method.h"
#include "tests/integration/core/world.h"

enum { SERVED_WAIT_MS = 20000 };

struct rpc_server;

struct served {
    struct world world;
    struct host_info host_info;
    char dir[PATH_BYTES], socket[PATH_BYTES + 16];
    char address[128]; /* for TLS, after served_listen_tls */
    pthread_t thread;
    atomic_int role;        /* of connections that come from now on */
    atomic_int n_shut_down; /* Shutdown was called so often */
    atomic_size_t connections;
};

/* With a running VM "box". Ends the program where that cannot be. */
void served_open(struct served *s);
void served_close(struct served *s);
/* A new connection; retries nothing. */
struct banger_client *served_connect(const struct served *s);

/* Over mutual TLS, with contexts below dir. local is a connection of the owner's; scoped binds the
 * role to env=ci. These end the program where that cannot be. */
void served_listen_tls(struct served *s, struct banger_client *local);
struct banger_client *served_enroll(const struct served *s, struct banger_client *local,
                                    const char *name, int role, bool scoped);
struct banger_client *served_connect_tls(const char *name);

/* Calls a method of any kind with a request (NULL: an empty one; sent as first message where the
 * client streams) and follows it to its end, for at most timeout_ms: the code, BANGER_OK for a
 * unary answer or a stream that ended well. *n_messages (may be NULL) counts what came. */
enum banger_code served_call(struct banger_client *client, const struct rpc_method *method,
                             const ProtobufCMessage *request, int64_t timeout_ms,
                             size_t *n_messages, struct banger_error *error);
const struct rpc_method *served_method(const char *path);

#endif
