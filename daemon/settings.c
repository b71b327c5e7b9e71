/* Configuration to parts; see settings.h. */
#include "daemon/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/open_files.h"
#include "base/log_file.h"
#include "daemon/config.h"
#include "daemon/core/access/access.h"
#include "daemon/core/core.h"
#include "rpc/event/server.h"

void settings_core(const struct daemon_config *config, struct core_config *core)
{
    _Static_assert(sizeof(core->default_driver) == sizeof(config->driver), "driver");
    _Static_assert(sizeof(core->default_image) == sizeof(config->default_image), "image");
    memcpy(core->default_driver, config->driver, sizeof(core->default_driver));
    memcpy(core->default_image, config->default_image, sizeof(core->default_image));
    priv_pool_read(config->guest_network, &core->guest_network); /* checked: config_keys.c */
    _Static_assert(sizeof(core->dns) == sizeof(config->dns), "dns");
    memcpy(core->dns, config->dns, sizeof(core->dns));
    core->dns_resolved = config->dns_resolved;
    core->max_vms = (uint32_t)config->max_vms;
    core->max_files = open_files_limit();
    core->max_memory_bytes = config->max_memory_mib << 20;
    core->boot_timeout_ms = (int64_t)config->boot_timeout_ms;
    core->stop_grace_ms = (int64_t)config->stop_grace_ms;
}

/* What is switched off by 0 here is so by -1 there, where 0 stands for the default. */
static int64_t or_never(uint64_t ms)
{
    return ms > 0 ? (int64_t)ms : -1;
}

void settings_rpc(const struct daemon_config *config, struct rpc_server_config *rpc)
{
    rpc->max_connections = (size_t)config->max_connections;
    rpc->max_connections_per_principal = (size_t)config->max_connections_per_principal;
    rpc->max_handshakes = (size_t)config->max_handshakes;
    rpc->max_streams = (size_t)config->max_streams;
    rpc->max_header_list_bytes = (size_t)config->max_header_list_bytes;
    rpc->max_message_bytes = (size_t)config->max_message_bytes;
    rpc->max_buffered_output_bytes = (size_t)config->max_queued_output_bytes;
    rpc->handshake_timeout_ms = (int64_t)config->handshake_timeout_ms;
    rpc->request_timeout_ms = or_never(config->request_timeout_ms);
    rpc->idle_timeout_ms = (int64_t)config->idle_timeout_ms;
    rpc->keepalive_interval_ms = or_never(config->keepalive_interval_ms);
    rpc->keepalive_timeout_ms = (int64_t)config->keepalive_timeout_ms;
    rpc->min_ping_interval_ms = (int64_t)config->min_ping_interval_ms;
    rpc->max_age_ms = or_never(config->max_connection_age_ms);
    rpc->max_age_grace_ms = (int64_t)config->max_connection_age_grace_ms;
    rpc->compress = config->compress;
}

void settings_files(const struct daemon_config *config, struct access_files *files)
{
    _Static_assert(sizeof(files->ca) == sizeof(config->ca_file), "ca_file");
    memcpy(files->ca, config->ca_file, sizeof(files->ca));
    memcpy(files->certificate, config->certificate_file, sizeof(files->certificate));
    memcpy(files->key, config->key_file, sizeof(files->key));
}

/* Whoever started the daemon may have given it its log as stderr (libbanger does): then it has the
 * bound that a named one has. */
int settings_log(const struct daemon_config *config, struct err *err)
{
    const char *path = config->log_file;
    log_set_level(config->debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    if (!*path && log_file_is_stderr(config->paths.log))
        path = config->paths.log;
    return *path ? log_file_use(path, config->log_max_kib << 10, err) : 0;
}
