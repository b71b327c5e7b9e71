/* What a guest has made of its workspace, as a patch; see workspace.h. */
#ifndef BANGER_SHELL_WORKSPACE_EXPORT_H
#define BANGER_SHELL_WORKSPACE_EXPORT_H

#include "cli.h"

struct export_options {
    const char *base;       /* a commit that the guest has; NULL: what was carried */
    const char *file;       /* to write the patch to; NULL: standard output */
    const char *repository; /* a folder in the one to apply to; NULL: where we are */
    const char *user;       /* in the guest; NULL: root */
    struct opt_list env;    /* of the guest's git */
    bool apply;
};

struct stream_signals;

/* path: of the workspace in the guest; "": the only one in the user's home. Exit status. */
int workspace_export(struct cli *cli, const char *vm, const char *path,
                     const struct export_options *options, struct stream_signals *signals);

/* Applies a patch to the repository around a folder: to its files as they are if it fits, else by a
 * three-way merge, which marks conflicts. Exit status. */
int workspace_apply(struct cli *cli, const char *folder, const char *patch, size_t len);

#endif
