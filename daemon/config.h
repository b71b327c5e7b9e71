/* What the daemon was told: options, environment, file.
 *
 * One table (config_keys.c) has every key with its type, default, bounds and help. Options,
 * variables, the file, the default file, both manual pages and every error come from it. An option
 * goes over the environment, that over the file, that over the default.
 *
 * The file is YAML: scalars come as text with their line, so that all three sources go through the
 * same conversion. Reading it may block and look up users, so a reload reads on a worker. */
#ifndef BANGER_DAEMON_CONFIG_H
#define BANGER_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/paths.h"
#include "daemon/model/model.h"

struct access_rules;

enum {
    CONFIG_KEYS_MAX = 64,
    CONFIG_ERRORS_MAX = 50, /* that are kept; the rest is counted */
    CONFIG_ERROR_BYTES = 512,
    CONFIG_PATH_BYTES = 4096,
};

/* Where a value came from; the later goes over the earlier. */
enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_ENVIRONMENT, CONFIG_OPTION };

struct daemon_config {
    struct paths paths;
    uint64_t socket_mode;
    char socket_group[64];       /* "": as it comes */
    gid_t socket_gid;            /* of socket_group */
    char agent_path[PATH_BYTES]; /* "": looked for beside the program */
    char driver[16];
    char user_network[16]; /* passt, slirp */
    bool firecracker_jailer;
    uint64_t firecracker_first_uid;
    char default_image[NAME_BYTES * 2];
    char guest_network[24];
    char dns[32];                        /* ADDRESS:PORT of the loopback, or "off" */
    bool dns_resolved;                   /* systemd-resolved is told to ask for names of VMs */
    char priv_socket[SOCKET_PATH_BYTES]; /* "": as daemon/priv/priv_call.h has it */
    uint64_t max_vms;
    uint64_t max_memory_mib; /* promised to VMs altogether; 0: no limit */
    uint64_t boot_timeout_ms;
    uint64_t stop_grace_ms;
    uint64_t workers, slow_workers;
    char log_file[CONFIG_PATH_BYTES]; /* "": stderr */
    uint64_t log_max_kib;
    char listen[108]; /* HOST:PORT for TLS clients; "": as "banger auth init" said */
    char ca_file[CONFIG_PATH_BYTES];
    char certificate_file[CONFIG_PATH_BYTES], key_file[CONFIG_PATH_BYTES];
    uint64_t max_connections, max_connections_per_principal, max_handshakes, max_streams;
    uint64_t max_header_list_bytes, max_message_bytes, max_queued_output_bytes;
    uint64_t handshake_timeout_ms, idle_timeout_ms;
    uint64_t request_timeout_ms;                          /* 0: any */
    uint64_t keepalive_interval_ms, keepalive_timeout_ms; /* interval 0: never */
    uint64_t min_ping_interval_ms;
    uint64_t max_connection_age_ms, max_connection_age_grace_ms; /* age 0: any */
    uint64_t drain_ms;
    char scopes[16];
    bool compress, debug;

    struct access_rules *rules;   /* owned: who may come, of the file's sections */
    char file[CONFIG_PATH_BYTES]; /* that was read, or would have been */
    const char *restore_backup; /* argv's: the copy to put in place, instead of serving; or NULL */
    uint8_t source[CONFIG_KEYS_MAX]; /* enum config_source, by index in the table */
    unsigned line[CONFIG_KEYS_MAX];  /* in the file */
};

/* What is wrong, a line of text each: "FILE:LINE: KEY: what". */
struct config_errors {
    size_t n; /* found, kept or not */
    char text[CONFIG_ERRORS_MAX][CONFIG_ERROR_BYTES];
};

enum config_result {
    CONFIG_RUN,
    CONFIG_SHOWN, /* what was asked for is on stdout: end with 0 */
    CONFIG_UNFIT, /* --check-config found errors */
    CONFIG_WRONG, /* cannot start with that */
};

/* The whole command line. Anything but CONFIG_RUN leaves nothing to be freed. */
enum config_result config_parse(struct daemon_config *config, int argc, char **argv,
                                struct config_errors *errors);
/* Defaults, file, environment and options into a config that is not in use; -1 with errors. argv as
 * it was given to config_parse; on any thread. */
int config_read(struct daemon_config *config, int argc, char **argv, struct config_errors *errors);
void config_done(struct daemon_config *config);
/* Each error on a line of its own, with what was not kept counted. */
void config_print_errors(const struct config_errors *errors, FILE *to);

/* Compares by the table's rows: calls differs for each key that has another value in next. */
void config_compare(const struct daemon_config *now, const struct daemon_config *next,
                    void (*differs)(void *arg, const char *key, bool reloads), void *arg);
/* Gives `to` the value that `from` has for the key. */
void config_copy_key(struct daemon_config *to, const struct daemon_config *from, const char *key);

#endif
