/* bangerd: runs microVMs and commands in them, and serves them as gRPC. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/config.h"
#include "daemon/server.h"

/* glibc gives each thread a heap and raises the size from which it maps memory of its own with what
 * is freed: after an image was made, workers would keep tens of MB for good. */
static void keep_memory_small(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

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
    keep_memory_small();
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
