/* bangerd: runs microVMs and commands in them, and serves them as gRPC. */
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/launch_slots.h"
#include "base/log.h"
#include "base/open_files.h"
#include "base/std_fds.h"
#include "daemon/config.h"
#include "daemon/server.h"
#include "daemon/settings.h"

/* glibc gives each thread a heap and raises the size from which it maps memory of its own with what
 * is freed: after an image was made, workers would keep tens of MB for good. */
static void keep_memory_small(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

static int restore(struct daemon_config *config)
{
    struct err err = ERR_INIT;
    int rc = daemon_restore(config, &err);
    if (rc < 0)
        log_err(LOG_LEVEL_ERROR, "bangerd", &err, "cannot put a copy of the database in place");
    config_done(config);
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct daemon_config config;
    static struct config_errors errors;
    struct err err = ERR_INIT;
    std_fds_open();
    enum config_result result = config_parse(&config, argc, argv, &errors);
    config_print_errors(&errors, stderr);
    if (result != CONFIG_RUN)
        return result == CONFIG_SHOWN ? EXIT_SUCCESS : result == CONFIG_UNFIT ? EXIT_FAILURE : 2;
    keep_memory_small();
    open_files_raise();
    launch_slots_keep();
    signal(SIGCHLD, SIG_DFL); /* who ignores it has its children reaped by the kernel */
    signal(SIGPIPE, SIG_IGN); /* a peer that went away is an error of its own write */
    umask(077);
    struct daemon *d = NULL;
    if (settings_log(&config, &err) < 0)
        config_done(&config);
    else if (config.restore_backup)
        return restore(&config);
    else
        d = daemon_new(&config, argc, argv, &err);
    int rc = d ? daemon_run(d, &err) : -1;
    daemon_free(d);
    if (rc < 0) {
        log_err(LOG_LEVEL_ERROR, "bangerd", &err, "cannot go on");
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
