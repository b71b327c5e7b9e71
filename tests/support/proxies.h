/* nginx and HAProxy between a client and a daemon, as they are put before gRPC services: HTTP/2 on
 * both sides, over Unix sockets below the harness's folder, and with times that a test can wait
 * for. The harness's guard ends them with the rest. */
#ifndef BANGER_TESTS_PROXIES_H
#define BANGER_TESTS_PROXIES_H

#include <stdbool.h>

#include "tests/support/harness.h"

enum { PROXIES_QUIET_MS = 3000 }; /* then they give up a stream on which nothing was said */

enum proxy_kind { PROXY_NGINX, PROXY_HAPROXY, PROXY_KINDS };

struct proxy {
    enum proxy_kind kind;
    const char *name;
    char target[128]; /* for banger_connect */
    pid_t pid;
};

/* False where the program is not there. Fatal where it does not come up. */
bool proxy_start(struct proxy *p, const struct harness *h, enum proxy_kind kind);
void proxy_stop(struct proxy *p);

#endif
