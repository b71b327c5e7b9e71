/* The configuration of a workspace's repository: what a developer misses without it (remotes,
 * upstreams, name and address, line ends), and nothing that runs anything or holds a secret. */
#ifndef BANGER_SHELL_WORKSPACE_CONFIG_H
#define BANGER_SHELL_WORKSPACE_CONFIG_H

#include "repo.h"

/* Writes it to path. 0, or EXIT_BANGER with the error printed. */
int workspace_config_write(const struct repo *repo, const char *path);
/* A URL without password, token or query, in place. False: nothing that could be carried. */
bool workspace_config_clean_url(char *url);

#endif
