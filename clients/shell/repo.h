/* A git repository of ours, as it is found around a folder, and what makes it one that cannot be
 * carried. Its configuration is not trusted (git.h), nor where it says that its parts are. */
#ifndef BANGER_SHELL_REPO_H
#define BANGER_SHELL_REPO_H

#include <limits.h>

#include "git.h"

enum { OID_BYTES = 65, REF_BYTES = 256 };

struct repo {
    char top[PATH_MAX];        /* the work tree's folder, resolved */
    char git_dir[PATH_MAX];    /* of this work tree */
    char common_dir[PATH_MAX]; /* of all its work trees: objects, refs, configuration */
    char below[PATH_MAX];      /* the folder asked for, within top; "" is top */
    char head[OID_BYTES];      /* commit; "": there is none yet */
    char branch[REF_BYTES];    /* that HEAD is, without refs/heads/; "": detached */
    char format[16];           /* of object names: sha1, sha256 */
    bool shallow;              /* its history is cut already */
    bool borrows;              /* objects of other repositories (alternates) */
    struct git git;            /* for commands on it, from top */
};

/* 0, or EXIT_BANGER with what is the matter, and what to do, printed. */
int repo_find(struct repo *repo, const char *path);
/* Refuses a merge, rebase and the like that is under way. As repo_find. */
int repo_check_settled(const struct repo *repo);
/* The commit that a word names. *branch: the word is a branch's name. As repo_find. */
int repo_commit(const struct repo *repo, const char *option, const char *word,
                char commit[OID_BYTES], bool *branch);
/* A setting that runs a program, of the repository's own: "filter.x.clean"; "" if there is none. */
int repo_program(const struct repo *repo, char setting[REF_BYTES]);

#endif
