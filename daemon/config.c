/* What the daemon was told; see config.h. */
#include "daemon/config.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/version.h"

enum option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_NUMBER32, OPTION_FLAG };

struct option_row {
    const char *name; /* --name, and BANGER_NAME in the environment */
    const char *argument;
    const char *help;
    enum option_kind kind;
    size_t offset, size;
    uint64_t min, max;
};

#define FIELD(field)                                                                               \
    offsetof(struct daemon_config, field), sizeof(((struct daemon_config *)0)->field)

static const struct option_row options[] = {
    {"state-dir", "DIR", "database, disks and images", OPTION_TEXT, FIELD(paths.state_dir), 0, 0},
    {"socket", "PATH", "Unix socket to listen on", OPTION_TEXT, FIELD(paths.socket), 0, 0},
    {"listen", "HOST:PORT", "TCP address for TLS clients; needs \"banger auth init\"", OPTION_TEXT,
     FIELD(listen), 0, 0},
    {"agent", "PATH", "guest agent program (default: beside bangerd)", OPTION_TEXT,
     FIELD(agent_path), 0, 0},
    {"driver", "NAME", "VM monitor where a VM names none: qemu (default) or sim", OPTION_TEXT,
     FIELD(driver), 0, 0},
    {"default-image", "NAME", "image where a VM names none (debian-bookworm)", OPTION_TEXT,
     FIELD(default_image), 0, 0},
    {"max-vms", "N", "VMs at most (1000)", OPTION_NUMBER32, FIELD(max_vms), 1, 100000},
    {"max-memory-mib", "MIB", "memory promised to VMs altogether, 0: no limit", OPTION_NUMBER,
     FIELD(max_memory_mib), 0, UINT64_C(1) << 34},
    {"boot-timeout-ms", "MS", "from start to an answering agent, per try (60000)", OPTION_NUMBER,
     FIELD(boot_timeout_ms), 100, 3600000},
    {"stop-grace-ms", "MS", "time a guest gets to power off (10000)", OPTION_NUMBER,
     FIELD(stop_grace_ms), 0, 3600000},
    {"workers", "N", "threads for disk and image work (4)", OPTION_NUMBER, FIELD(workers), 1, 64},
    {"debug", NULL, "log more", OPTION_FLAG, FIELD(debug), 0, 0},
};

enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) };

static void print_help(void)
{
    printf("usage: bangerd [options]\n\n"
           "Runs microVMs and commands in them, and serves them as gRPC.\n\n");
    for (int i = 0; i < N_OPTIONS; i++) {
        char left[40];
        snprintf(left, sizeof(left), "--%s %s", options[i].name,
                 options[i].argument ? options[i].argument : "");
        printf("  %-24s %s\n", left, options[i].help);
    }
    printf("  %-24s %s\n  %-24s %s\n\n", "--help", "this text", "--version", "version");
    printf("Each is also read from the environment: --state-dir from BANGER_STATE_DIR.\n");
}

static int set_option(struct daemon_config *config, const struct option_row *o, const char *value,
                      const char *where, struct err *err)
{
    char *field = (char *)config + o->offset;
    if (o->kind == OPTION_FLAG) {
        bool on = strcmp(value, "0") != 0;
        memcpy(field, &on, sizeof(on));
        return 0;
    }
    if (o->kind == OPTION_TEXT) {
        size_t n = strlen(value);
        if (n == 0 || n >= o->size)
            return err_set(err, ERR_INVALID, "%s needs 1 to %zu characters", where, o->size - 1);
        memcpy(field, value, n + 1);
        return 0;
    }
    char *end = NULL;
    unsigned long long number = strtoull(value, &end, 10);
    if (!isdigit((unsigned char)value[0]) || *end || number < o->min || number > o->max)
        return err_set(err, ERR_INVALID, "%s: \"%s\" is not a number from %llu to %llu", where,
                       value, (unsigned long long)o->min, (unsigned long long)o->max);
    uint64_t wide = number;
    uint32_t narrow = (uint32_t)number;
    memcpy(field, o->kind == OPTION_NUMBER ? (void *)&wide : (void *)&narrow, o->size);
    return 0;
}

static int apply_environment(struct daemon_config *config, struct err *err)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        char name[64];
        size_t n = (size_t)snprintf(name, sizeof(name), "BANGER_%s", options[i].name);
        for (size_t k = 0; k < n; k++)
            name[k] = name[k] == '-' ? '_' : (char)toupper((unsigned char)name[k]);
        const char *value = getenv(name);
        if (value && *value && set_option(config, &options[i], value, name, err) < 0)
            return -1;
    }
    return 0;
}

static const struct option_row *find_option(const char *name, size_t len)
{
    for (int i = 0; i < N_OPTIONS; i++)
        if (strlen(options[i].name) == len && memcmp(options[i].name, name, len) == 0)
            return &options[i];
    return NULL;
}

static int apply_argument(struct daemon_config *config, int argc, char **argv, int *at,
                          struct err *err)
{
    const char *arg = argv[*at];
    if (strncmp(arg, "--", 2) != 0)
        return err_set(err, ERR_INVALID, "bangerd takes options only, not \"%s\"; see --help", arg);
    const char *equals = strchr(arg, '=');
    size_t len = equals ? (size_t)(equals - arg) - 2 : strlen(arg) - 2;
    const struct option_row *o = find_option(arg + 2, len);
    if (!o)
        return err_set(err, ERR_INVALID, "unknown option \"%s\"; see --help", arg);
    if (o->kind == OPTION_FLAG)
        return set_option(config, o, equals ? equals + 1 : "1", arg, err);
    if (!equals && *at + 1 == argc)
        return err_set(err, ERR_INVALID, "%s needs a value", arg);
    return set_option(config, o, equals ? equals + 1 : argv[++*at], arg, err);
}

static void follow_state_dir(struct daemon_config *config, const struct paths *before)
{
    /* A state folder given by option moves the socket along, unless that was given, too. */
    if (strcmp(config->paths.state_dir, before->state_dir) == 0 ||
        strcmp(config->paths.socket, before->socket) != 0 || getenv("BANGER_SOCKET"))
        return;
    snprintf(config->paths.runtime_dir, sizeof(config->paths.runtime_dir), "%.4000s/run",
             config->paths.state_dir);
    snprintf(config->paths.socket, sizeof(config->paths.socket), "%.4000s/run/bangerd.sock",
             config->paths.state_dir);
}

enum config_result config_parse(struct daemon_config *config, int argc, char **argv,
                                struct err *err)
{
    *config = (struct daemon_config){
        .driver = "qemu",
        .default_image = "debian-bookworm",
        .max_vms = 1000,
        .boot_timeout_ms = 60000,
        .stop_grace_ms = 10000,
        .workers = 4,
    };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return CONFIG_SHOWN;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("bangerd %s\n", BANGER_VERSION);
            return CONFIG_SHOWN;
        }
    }
    if (paths_default(&config->paths, err) < 0)
        return CONFIG_WRONG;
    struct paths before = config->paths;
    if (apply_environment(config, err) < 0)
        return CONFIG_WRONG;
    for (int i = 1; i < argc; i++)
        if (apply_argument(config, argc, argv, &i, err) < 0)
            return CONFIG_WRONG;
    follow_state_dir(config, &before);
    if (config->paths.state_dir[0] != '/' || config->paths.socket[0] != '/') {
        err_set(err, ERR_INVALID, "state-dir and socket must be absolute paths");
        return CONFIG_WRONG;
    }
    return CONFIG_RUN;
}
