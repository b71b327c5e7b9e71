/* The variables that a command was given, each name once. */
#ifndef BANGER_AGENT_ENVIRONMENT_H
#define BANGER_AGENT_ENVIRONMENT_H

#include "agent/codec.h"

/* Adds the strings of env (NUL-terminated, n_strings of them, borrowed) behind the n there are in
 * out, which has room for them and a NULL; of those with the same name only the last. Returns the
 * new count, -1 without memory. */
int environment_add(char **out, int n, struct slice env, int n_strings);

#endif
