/* Removing what a build may have left, for workers. */
#ifndef BANGER_DAEMON_HOST_REMOVE_H
#define BANGER_DAEMON_HOST_REMOVE_H

struct err;

/* As fs_remove_tree, and also what belongs to our subordinate ids (which need the id mapping that
 * made it). As root, mounts below path are taken away first. */
int host_remove_tree(const char *path, struct err *err);
/* Removes every .tmp-* that publish.h left in folder when its daemon was killed. Goes on past what
 * it cannot remove, which is logged by name; then -1 with how many are left and the first cause. */
int host_remove_leftovers(const char *folder, struct err *err);

#endif
