/* Which files of a work tree go along; see workspace.h. No content is read here. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "workspace.h"

static bool lies_there(const struct workspace *w, const char *path, struct stat *st)
{
    char full[PATH_MAX];
    return snprintf(full, sizeof(full), "%s/%s", w->repo.top, path) < (int)sizeof(full) &&
           lstat(full, st) == 0;
}

/* A line of ls-files --stage: "MODE OID STAGE\tPATH". */
static void take_tracked(struct workspace *w, const char *line)
{
    struct stat st = {0};
    bool submodule = strncmp(line, "160000 ", 7) == 0;
    const char *path = strchr(line, '\t');
    if (!path++)
        return;
    bool there = lies_there(w, path, &st);
    if (submodule)
        path_set_add(there && S_ISDIR(st.st_mode) ? &w->submodules : &w->gone, path);
    else
        path_set_add(there && (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) ? &w->kept : &w->gone,
                     path);
}

static void take_untracked(struct workspace *w, const char *path)
{
    char folder[PATH_MAX];
    struct stat st;
    size_t len = strlen(path);
    if (len > 0 && path[len - 1] == '/') {
        snprintf(folder, sizeof(folder), "%.*s", (int)len - 1, path);
        path_set_add(&w->nested, folder);
    } else if (lies_there(w, path, &st) && (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))) {
        bool large = w->mode != WORKSPACE_FULL && st.st_size > WORKSPACE_UNTRACKED_MAX_BYTES;
        path_set_add(large ? &w->too_large : &w->kept, path);
    }
}

static int list(struct workspace *w, const char *const *args,
                void (*take)(struct workspace *, const char *))
{
    struct git_output out;
    int rc = git_do(&w->repo.git, "listing its files", args, NULL, 0, &out);
    for (const char *at = out.text, *end = at ? at + out.len : NULL; rc == 0 && at < end;
         at += strlen(at) + 1)
        take(w, at);
    git_output_done(&out);
    return rc == 0 ? 0 : EXIT_BANGER;
}

/* Moves those that pass a filter, such as git-lfs's, from kept to filtered. Output of check-attr:
 * path, "filter", value. */
static int find_filtered(struct workspace *w)
{
    size_t len = 0;
    auto_free char *paths = path_set_join(&w->kept, &len);
    struct git_output out;
    if (!paths)
        return cli_usage("out of memory");
    int rc = git_do(&w->repo.git, "reading its attributes",
                    GIT_ARGS("check-attr", "-z", "--stdin", "filter"), paths, len, &out);
    for (const char *at = out.text, *end = at ? at + out.len : NULL; rc == 0 && at < end;) {
        const char *name = at + strlen(at) + 1, *value = name < end ? name + strlen(name) + 1 : end;
        if (value >= end)
            break;
        if (strcmp(value, "unspecified") != 0 && strcmp(value, "unset") != 0) {
            path_set_add(&w->filtered, at);
            w->lfs |= strcmp(value, "lfs") == 0;
        }
        at = value + strlen(value) + 1;
    }
    git_output_done(&out);
    path_set_sort(&w->filtered);
    size_t kept = 0;
    for (size_t i = 0; w->filtered.n > 0 && i < w->kept.n; i++) {
        if (path_set_has(&w->filtered, w->kept.paths[i]))
            free(w->kept.paths[i]);
        else
            w->kept.paths[kept++] = w->kept.paths[i];
    }
    w->kept.n = w->filtered.n > 0 ? kept : w->kept.n;
    return rc == 0 ? 0 : EXIT_BANGER;
}

int workspace_choose(struct workspace *w)
{
    struct path_set *const sets[] = {&w->kept,       &w->gone,   &w->filtered,
                                     &w->submodules, &w->nested, &w->too_large};
    if (w->options->branch || w->mode == WORKSPACE_METADATA)
        return 0;
    int rc = list(w, GIT_ARGS("ls-files", "-z", "--stage"), take_tracked);
    path_set_sort(&w->kept);
    if (rc == 0)
        rc = find_filtered(w);
    if (rc == 0 && (w->options->untracked || w->mode == WORKSPACE_FULL))
        rc = list(w, GIT_ARGS("ls-files", "-z", "--others", "--exclude-standard"), take_untracked);
    for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
        path_set_sort(sets[i]);
        if (rc == 0 && sets[i]->failed)
            rc = cli_usage("out of memory");
    }
    return rc;
}
