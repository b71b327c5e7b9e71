/* What the daemon was told: options and environment, in one table that also makes the help. */
#ifndef BANGER_DAEMON_CONFIG_H
#define BANGER_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/paths.h"
#include "daemon/model/model.h"

struct err;

struct daemon_config {
    struct paths paths;
    char agent_path[PATH_BYTES]; /* "": looked for beside the program */
    char driver[16];
    char default_image[NAME_BYTES * 2];
    uint32_t max_vms;
    uint64_t max_memory_mib; /* promised to VMs altogether; 0: no limit */
    uint64_t boot_timeout_ms;
    uint64_t stop_grace_ms;
    uint64_t workers;
    char listen[108]; /* HOST:PORT for TLS clients; "": as "banger auth init" said */
    bool debug;
};

enum config_result { CONFIG_RUN, CONFIG_SHOWN /* help or version: end with 0 */, CONFIG_WRONG };

/* Defaults, then BANGER_* variables, then options. */
enum config_result config_parse(struct daemon_config *config, int argc, char **argv,
                                struct err *err);

#endif
