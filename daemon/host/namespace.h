/* Programs that end with us, in mount and pid namespaces of their own where the kernel allows it.
 *
 * A build mounts things and starts hundreds of processes. In namespaces of its own all of that is
 * gone as soon as its first process is, and that one ends when we do, in whatever way
 * (PR_SET_PDEATHSIG of the thread that starts it), by means of util-linux's setpriv and unshare. */
#ifndef BANGER_DAEMON_HOST_NAMESPACE_H
#define BANGER_DAEMON_HOST_NAMESPACE_H

#include <stddef.h>

enum namespace_kind {
    NAMESPACE_NONE,   /* there are none to be had: the program ends with us, not what it starts */
    NAMESPACE_ROOT,   /* we are root */
    NAMESPACE_SUBIDS, /* root in a user namespace: our id is 0 there, the subordinate ones follow */
    NAMESPACE_SELF,   /* a user namespace that has our own id only */
};

enum { NAMESPACE_ARGV_MAX = 64 };

/* A program's arguments, behind those that put it into its namespaces. */
struct namespace_argv {
    char parent[16];
    const char *argv[NAMESPACE_ARGV_MAX + 1]; /* NULL-terminated */
    size_t n;
};

/* A shell script that prints the best kind to be had here as a word, one of namespace_of()'s; $1 is
 * "all", or "self" to leave out subordinate ids. */
extern const char namespace_probe[];
enum namespace_kind namespace_of(const char *word);

void namespace_argv_init(struct namespace_argv *a, enum namespace_kind kind);
/* arg is borrowed; NULL adds nothing. */
void namespace_argv_add(struct namespace_argv *a, const char *arg);

#endif
