/* bangerd: runs microVMs and commands in them, and serves them as gRPC. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/config.h"
#include "daemon/server.h"

int main(int argc, char **argv)
{
    static struct daemon_config config;
    struct err err = ERR_INIT;
    switch (config_parse(&config, argc, argv, &err)) {
    case CONFIG_SHOWN:
        return EXIT_SUCCESS;
    case CONFIG_WRONG:
        fprintf(stderr, "bangerd: %s\n", err.message);
        return 2;
    case CONFIG_RUN:
        break;
    }
    if (config.debug)
        log_set_level(LOG_LEVEL_DEBUG);
    signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error of its own write */
    umask(077);
    struct daemon *d = daemon_new(&config, &err);
    int rc = d ? daemon_run(d, &err) : -1;
    daemon_free(d);
    if (rc < 0) {
        log_err(LOG_LEVEL_ERROR, "bangerd", &err, "cannot go on");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
