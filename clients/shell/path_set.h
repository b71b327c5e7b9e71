/* A sorted set of paths, and the folders on the way to them: what of a tree goes along. */
#ifndef BANGER_SHELL_PATH_SET_H
#define BANGER_SHELL_PATH_SET_H

#include <stdbool.h>
#include <stddef.h>

struct path_set {
    char **paths; /* owned, as the strings are */
    size_t n, cap;
    bool sorted, failed; /* failed: out of memory, said nowhere */
};

void path_set_add(struct path_set *set, const char *path);
/* To be called after the last add and before it is asked; what is there twice is there once. */
void path_set_sort(struct path_set *set);
bool path_set_has(const struct path_set *set, const char *path);
/* Whether path is in it, or a folder that one of it is in. */
bool path_set_leads(const struct path_set *set, const char *path);
/* Whether path lies below one of it. */
bool path_set_covers(const struct path_set *set, const char *path);
/* All of them with a NUL behind each, for programs' -z; owned by the caller. NULL: no memory. */
char *path_set_join(const struct path_set *set, size_t *len);
void path_set_done(struct path_set *set);

#endif
