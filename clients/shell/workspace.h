/* A workspace: the git repository around a folder of ours, as it is carried into a guest.
 *
 * It is made in three parts: what goes along is chosen (workspace_choose.c), its repository is
 * built in a temporary folder of ours (workspace_build.c), which borrows the original's objects
 * meanwhile and has a configuration of our own, and both are sent (workspace_send.c). Files of the
 * work tree are sent from where they are: nothing is there twice but what git has to pack.
 *
 * refs/banger/base in it is what was carried, as a commit: HEAD, or one on top of it with the
 * changes that were not committed. What the guest does is what differs from it
 * (workspace_export.c). */
#ifndef BANGER_SHELL_WORKSPACE_H
#define BANGER_SHELL_WORKSPACE_H

#include "cli.h"
#include "path_set.h"
#include "repo.h"

#define WORKSPACE_BASE "refs/banger/base"

enum { WORKSPACE_UNTRACKED_MAX_BYTES = 64 << 20 };

struct workspace_options {
    const char *path;    /* the folder; NULL: no workspace */
    const char *mode;    /* NULL: overlay */
    const char *branch;  /* NULL: the work tree as it is */
    const char *from;    /* history begins here; NULL: only one commit, without its history */
    const char *workdir; /* in the guest; NULL: by the repository's name in the user's home */
    bool untracked, read_only, dry_run;
};

enum workspace_mode { WORKSPACE_OVERLAY, WORKSPACE_FULL, WORKSPACE_METADATA };

struct workspace {
    const struct workspace_options *options;
    enum workspace_mode mode;
    struct repo repo;
    char commit[OID_BYTES]; /* that is checked out; "": none yet */
    char branch[REF_BYTES]; /* of that name; "": detached */
    char base[OID_BYTES];
    char temp[PATH_MAX];    /* "" until it is made */
    char git_dir[PATH_MAX]; /* in temp */
    char files[PATH_MAX];   /* in temp: those that are not taken from the work tree */
    struct git git;         /* on git_dir, with no other configuration */
    struct path_set kept;   /* files of the work tree that are sent from there */
    struct path_set gone;   /* in git's index, and not in the work tree */
    /* Tracked files that pass a filter, such as git-lfs's: sent as git keeps them (full: as they
     * are). */
    struct path_set filtered;
    struct path_set submodules, nested, too_large; /* not sent: what is in them, repositories in
                                                      untracked folders, untracked files */
    bool lfs;                                      /* filtered are git-lfs's */
};

/* Rows for a table; base is the offset of the struct workspace_options in the command's struct. */
#define WORKSPACE_OPTS(base)                                                                       \
    {"mode",                                                                                       \
     0,                                                                                            \
     OPT_STRING,                                                                                   \
     (base) + offsetof(struct workspace_options, mode),                                            \
     "MODE",                                                                                       \
     "what goes along: tracked files and a shallow history, all of both, or only the history",     \
     "overlay|full|metadata",                                                                      \
     NAMES_NONE},                                                                                  \
        {"branch",   0,                                                                            \
         OPT_STRING, (base) + offsetof(struct workspace_options, branch),                          \
         "BRANCH",   "this branch or commit, as it is committed, not the work tree",               \
         NULL,       NAMES_NONE},                                                                  \
        {"from",     0,                                                                            \
         OPT_STRING, (base) + offsetof(struct workspace_options, from),                            \
         "COMMIT",   "take the history along since then (default: the last commit alone)",         \
         NULL,       NAMES_NONE},                                                                  \
        {"workdir",  0,                                                                            \
         OPT_STRING, (base) + offsetof(struct workspace_options, workdir),                         \
         "DIR",      "the workspace's folder in the guest (default: its name, in the home)",       \
         NULL,       NAMES_NONE},                                                                  \
        {"include-untracked",                                                                      \
         0,                                                                                        \
         OPT_FLAG,                                                                                 \
         (base) + offsetof(struct workspace_options, untracked),                                   \
         NULL,                                                                                     \
         "files that are neither tracked nor ignored go along, up to 64M each",                    \
         NULL,                                                                                     \
         NAMES_NONE},                                                                              \
        {"read-only", 0,                                                                           \
         OPT_FLAG,    (base) + offsetof(struct workspace_options, read_only),                      \
         NULL,        "mount the workspace read-only in the guest",                                \
         NULL,        NAMES_NONE},                                                                 \
    {                                                                                              \
        "dry-run", 0, OPT_FLAG, (base) + offsetof(struct workspace_options, dry_run), NULL,        \
            "say what of the workspace would be sent, and do nothing", NULL, NAMES_NONE            \
    }

/* Chooses and builds. 0, or EXIT_BANGER with the error printed; to be done in any case. */
int workspace_init(struct workspace *w, const struct workspace_options *options);
/* Removes the temporary folder. */
void workspace_done(struct workspace *w);

/* workspace_choose.c: fills the sets. As workspace_init. */
int workspace_choose(struct workspace *w);
/* workspace_build.c: makes git_dir and files. As workspace_init. */
int workspace_build(struct workspace *w);

/* Says on stderr what does not go along. */
void workspace_tell_omitted(struct cli *cli, const struct workspace *w);
/* --dry-run: prints what would be sent, and where to. Exit status. */
int workspace_print(struct cli *cli, struct workspace *w, const char *place);

/* Where it is in the guest. 0, or EXIT_BANGER with the error printed. */
int workspace_place(const struct workspace *w, const char *user, char place[PATH_MAX]);

/* workspace_send.c: sends it to a VM that runs, for user (NULL: root), and makes it read-only if
 * that is asked for. Exit status. */
struct stream_signals;
int workspace_send(struct cli *cli, struct workspace *w, const char *vm, const char *user,
                   const char *place, struct stream_signals *signals);
/* Where in it the folder that was asked for is: a text of the caller's. */
const char *workspace_cwd(const struct workspace *w, const char *place, char cwd[PATH_MAX]);

/* A tree that is a part of what is sent. */
struct workspace_part {
    const char *from;                            /* a folder of ours */
    const char *to;                              /* below the workspace; "" for itself */
    bool (*wanted)(void *arg, const char *path); /* NULL: all of it */
    void *arg;
};
enum { WORKSPACE_PARTS_MAX = 4 };
/* In the order in which they are sent. paths: room for what parts refer to. How many there are. */
size_t workspace_parts(struct workspace *w, struct workspace_part parts[WORKSPACE_PARTS_MAX],
                       char paths[WORKSPACE_PARTS_MAX][PATH_MAX]);

#endif
