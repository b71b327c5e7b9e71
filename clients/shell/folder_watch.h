/* What changes in a folder of ours and below it, by inotify; links are not followed. */
#ifndef BANGER_SHELL_FOLDER_WATCH_H
#define BANGER_SHELL_FOLDER_WATCH_H

#include "path_set.h"

struct folder_watch {
    int fd;       /* readable when there is something to take */
    char *root;   /* owned */
    char **paths; /* owned, as the strings are: of each watch, by its number; NULL: none */
    size_t n;
    bool full; /* there are more folders than the kernel watches for us */
};

/* What changed since the last look. */
struct folder_changes {
    struct path_set paths;   /* something is, or was, of that name; from root down */
    struct path_set folders; /* that have just appeared: all that is in them */
    bool all;                /* more happened than is known */
};

/* -1 with errno. */
int folder_watch_init(struct folder_watch *w, const char *root);
void folder_watch_done(struct folder_watch *w);
/* Takes what there is, without waiting. True where there was something. */
bool folder_watch_take(struct folder_watch *w, struct folder_changes *changes);
void folder_changes_sort(struct folder_changes *changes);
void folder_changes_done(struct folder_changes *changes);

#endif
