/* A cgroup with those that its processes made below it (root in a guest may). On the agent's
 * thread. */
#ifndef BANGER_AGENT_CGROUP_TREE_H
#define BANGER_AGENT_CGROUP_TREE_H

#include <stdbool.h>

/* name below dir_fd. Sends signo to each process once, as far as they stay where they are. False
 * where there is no such cgroup. */
bool cgroup_tree_signal(int dir_fd, const char *name, int signo);
/* Removes it from the leaves up, as far as no process is left; true when it is gone. */
bool cgroup_tree_remove(int dir_fd, const char *name);

#endif
