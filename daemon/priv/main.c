/* banger-priv: makes, for a bangerd that is an ordinary user, the few things of the host that need
 * privileges. See proto/banger/priv/v1/priv.proto and docs/security.md.
 *
 *   banger-priv [--pool ADDRESS/PREFIX] [--disks] [--listen PATH]
 *   banger-priv --check | --fix    says what of this host is in the way of taps, and mends it
 *
 * Without a PATH descriptor 3 is a SOCK_SEQPACKET socket: one that listens, as systemd gives it, or
 * one connection, as a bangerd that is root gives it to a helper of its own, which ends with it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/priv/priv_clients.h"
#include "daemon/priv/priv_doctor.h"
#include "daemon/priv/priv_limits.h"
#include "daemon/priv/priv_listen.h"

enum { GIVEN_FD = 3 };

int main(int argc, char **argv)
{
    struct priv_settings settings = {.disks = false};
    struct err err = ERR_INIT;
    const char *pool = PRIV_POOL, *path = NULL;
    if (argc == 2 && (strcmp(argv[1], "--check") == 0 || strcmp(argv[1], "--fix") == 0))
        return priv_doctor(strcmp(argv[1], "--fix") == 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--pool") == 0 && i + 1 < argc) {
            pool = argv[++i];
        } else if (strcmp(argv[i], "--disks") == 0) {
            settings.disks = true;
        } else if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc) {
            path = argv[++i];
        } else {
            fprintf(stderr, "usage: banger-priv [--pool ADDRESS/PREFIX] [--disks] [--listen PATH]\n"
                            "without a PATH descriptor 3 is its socket\n");
            return 2;
        }
    }
    signal(SIGPIPE, SIG_IGN);
    if (!priv_pool_read(pool, &settings.pool)) {
        log_error("priv", "%s is no pool of addresses: an IPv4 network, /%d to /%d", pool,
                  PRIV_POOL_PREFIX_MIN, PRIV_PREFIX);
        return 2;
    }
    int fd = path ? priv_listen(path, &err) : GIVEN_FD;
    if (fd < 0 || priv_clients_open(fd, &err) < 0 || priv_limit(settings.disks, &err) < 0) {
        log_err(LOG_LEVEL_ERROR, "priv", &err, "cannot begin");
        return 1;
    }
    priv_clients_run(&settings);
    _exit(0); /* nothing is left to do, and what a sanitizer would do here is not allowed */
}
