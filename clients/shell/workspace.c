/* See workspace.h. */
#include "workspace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"

static enum workspace_mode mode_of(const char *word)
{
    if (word && strcmp(word, "full") == 0)
        return WORKSPACE_FULL;
    return word && strcmp(word, "metadata") == 0 ? WORKSPACE_METADATA : WORKSPACE_OVERLAY;
}

/* Which commit it is, and whether that can be carried. */
static int find_commit(struct workspace *w)
{
    const struct workspace_options *o = w->options;
    bool committed = o->branch || w->mode == WORKSPACE_METADATA, branch = *w->repo.branch;
    snprintf(w->commit, sizeof(w->commit), "%s", w->repo.head);
    snprintf(w->branch, sizeof(w->branch), "%s", w->repo.branch);
    if (o->branch && repo_commit(&w->repo, "--branch", o->branch, w->commit, &branch) != 0)
        return EXIT_BANGER;
    if (o->branch)
        snprintf(w->branch, sizeof(w->branch), "%s", branch ? o->branch : "");
    if (!*w->commit && (committed || o->from))
        return cli_fail_with(EXIT_BANGER, "NO_COMMIT", "%.300s has no commit yet", w->repo.top);
    if (o->from && w->mode != WORKSPACE_OVERLAY)
        return cli_usage("--from is of --mode overlay; the others take all of the history along");
    if (committed && o->untracked)
        return cli_usage("--include-untracked is of the work tree, which %s leaves out",
                         o->branch ? "--branch" : "--mode metadata");
    return committed ? 0 : repo_check_settled(&w->repo);
}

int workspace_init(struct workspace *w, const struct workspace_options *options)
{
    *w = (struct workspace){.options = options, .mode = mode_of(options->mode)};
    int rc = repo_find(&w->repo, options->path);
    if (rc == 0)
        rc = find_commit(w);
    if (rc == 0)
        rc = workspace_choose(w);
    return rc == 0 ? workspace_build(w) : rc;
}

void workspace_done(struct workspace *w)
{
    if (*w->temp && fs_remove_tree(w->temp, NULL) < 0)
        cli_usage("%.300s stays: %s", w->temp, strerror(errno));
    path_set_done(&w->kept);
    path_set_done(&w->gone);
    path_set_done(&w->filtered);
    path_set_done(&w->submodules);
    path_set_done(&w->nested);
    path_set_done(&w->too_large);
}

static bool wants_file(void *arg, const char *path)
{
    const struct workspace *w = arg;
    return path_set_leads(&w->kept, path) || path_set_leads(&w->submodules, path);
}

/* Everything, but repositories in it. */
static bool wants_all(void *arg, const char *path)
{
    const struct workspace *w = arg;
    const char *slash = strrchr(path, '/');
    return strcmp(slash ? slash + 1 : path, ".git") != 0 && !path_set_has(&w->nested, path) &&
           !path_set_covers(&w->submodules, path);
}

static bool wants_object(void *arg, const char *path)
{
    (void)arg;
    return strcmp(path, "info/alternates") != 0 && strcmp(path, "info/http-alternates") != 0 &&
           !strstr(path, "tmp_");
}

size_t workspace_parts(struct workspace *w, struct workspace_part parts[WORKSPACE_PARTS_MAX],
                       char paths[WORKSPACE_PARTS_MAX][PATH_MAX])
{
    size_t n = 0;
    bool tree = !w->options->branch && w->mode != WORKSPACE_METADATA;
    if (tree)
        parts[n++] = (struct workspace_part){w->repo.top, "",
                                             w->mode == WORKSPACE_FULL ? wants_all : wants_file, w};
    bool made = w->options->branch || (w->filtered.n > 0 && w->mode == WORKSPACE_OVERLAY);
    if (made && w->mode != WORKSPACE_METADATA)
        parts[n++] = (struct workspace_part){w->files, "", NULL, NULL};
    if (w->mode != WORKSPACE_OVERLAY && !w->repo.borrows) {
        snprintf(paths[n], PATH_MAX, "%.4000s/objects", w->repo.common_dir);
        parts[n] = (struct workspace_part){paths[n], "/.git/objects", wants_object, NULL};
        n++;
    }
    parts[n++] = (struct workspace_part){w->git_dir, "/.git", NULL, NULL};
    return n;
}

int workspace_place(const struct workspace *w, const char *user, char place[PATH_MAX])
{
    const char *dir = w->options->workdir, *name = strrchr(w->repo.top, '/') + 1;
    bool root = !user || !*user || strcmp(user, "root") == 0 || strcmp(user, "0") == 0;
    if (dir && *dir != '/')
        return cli_usage("--workdir: \"%.200s\" is no absolute path", dir);
    if (dir && strcmp(dir, "/") == 0)
        return cli_usage("--workdir: a folder of its own, please");
    if (!dir && !root && (strchr(user, '/') || strspn(user, "0123456789") == strlen(user)))
        return cli_usage("a workspace of user %.60s needs --workdir DIR", user);
    if (dir)
        snprintf(place, PATH_MAX, "%s", dir);
    else if (root)
        snprintf(place, PATH_MAX, "/root/%s", *name ? name : "workspace");
    else
        snprintf(place, PATH_MAX, "/home/%.100s/%.3000s", user, *name ? name : "workspace");
    for (size_t len = strlen(place); len > 1 && place[len - 1] == '/';)
        place[--len] = '\0';
    return 0;
}

const char *workspace_cwd(const struct workspace *w, const char *place, char cwd[PATH_MAX])
{
    bool there =
        *w->repo.below &&
        (w->mode == WORKSPACE_FULL ? !w->options->branch : wants_file((void *)w, w->repo.below));
    if (!there || snprintf(cwd, PATH_MAX, "%s/%s", place, w->repo.below) >= PATH_MAX)
        snprintf(cwd, PATH_MAX, "%s", place);
    return cwd;
}
