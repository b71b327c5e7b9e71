/* What the configuration means for the parts, at start and when it is read again. */
#ifndef BANGER_DAEMON_SETTINGS_H
#define BANGER_DAEMON_SETTINGS_H

struct access_files;
struct core_config;
struct daemon_config;
struct err;
struct rpc_server_config;

/* What may change while the core runs. */
void settings_core(const struct daemon_config *config, struct core_config *core);
/* Limits; not the hooks. */
void settings_rpc(const struct daemon_config *config, struct rpc_server_config *rpc);
void settings_files(const struct daemon_config *config, struct access_files *files);
/* Level and file; -1: the file in use stays. */
int settings_log(const struct daemon_config *config, struct err *err);

#endif
