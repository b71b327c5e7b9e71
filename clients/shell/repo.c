/* See repo.h. */
#include "repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli.h"

enum { REPO_LINK_MAX_BYTES = 8192 };

#define REFUSE(reason, ...) cli_fail_with(EXIT_BANGER, reason, __VA_ARGS__)

static bool join(char out[PATH_MAX], const char *folder, const char *name)
{
    return snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX;
}

static bool exists(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    return join(path, folder, name) && lstat(path, &st) == 0;
}

static bool is_link(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat st;
    return join(path, folder, name) && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* The nearest folder with a .git, from path upwards; path becomes it. */
static bool climb(char path[PATH_MAX])
{
    while (!exists(path, ".git")) {
        char *slash = strrchr(path, '/');
        if (!slash || strcmp(path, "/") == 0)
            return false;
        slash[slash == path] = '\0';
    }
    return true;
}

/* What git says of it, a line each. */
static int look(struct repo *repo, const char *path)
{
    struct git git = {.at = path};
    struct git_output out;
    int rc = git_run(&git,
                     GIT_ARGS("rev-parse", "--is-bare-repository", "--is-shallow-repository",
                              "--show-object-format", "--absolute-git-dir",
                              "--path-format=absolute", "--git-common-dir"),
                     NULL, 0, &out);
    char *lines[5] = {NULL}, *rest = out.text;
    for (size_t i = 0; rc == 0 && i < 5; i++)
        if (!(lines[i] = strsep(&rest, "\n")))
            rc = -1;
    bool none = out.errors && strstr(out.errors, "not a git repository");
    if (rc < 0 && none)
        REFUSE("NO_REPOSITORY",
               "%s is in no git repository; \"banger vm cp %s VM:/root\" copies a folder as it is",
               path, path);
    else if (rc < 0 && out.errors && strstr(out.errors, "dubious ownership"))
        REFUSE("NOT_YOURS",
               "%s: the repository belongs to another user; if you trust it: "
               "git config --global --add safe.directory %s",
               path, path);
    else if (rc < 0)
        REFUSE("GIT_FAILED", "%s: %s", path,
               out.errors && *out.errors ? out.errors : "git does not say what it is");
    else if (strcmp(lines[0], "true") == 0)
        rc = REFUSE("BARE_REPOSITORY",
                    "%s is a bare repository, without files; git clone it, and give that", path);
    else {
        repo->shallow = strcmp(lines[1], "true") == 0;
        snprintf(repo->format, sizeof(repo->format), "%s", lines[2]);
        snprintf(repo->git_dir, PATH_MAX, "%s", lines[3]);
        if (!realpath(lines[4], repo->common_dir))
            rc = REFUSE("GIT_FAILED", "%.300s: %s", lines[4], strerror(errno));
    }
    git_output_done(&out);
    return rc == 0 ? 0 : EXIT_BANGER;
}

/* Whether the folder that a .git file names knows of it: of another work tree, or of a submodule.
 * Else a folder from anywhere could have another repository of ours carried. */
static bool known_there(const struct repo *repo)
{
    char path[PATH_MAX], other[PATH_MAX], real[PATH_MAX];
    auto_free char *text = NULL;
    size_t len;
    if (!join(path, repo->git_dir, "gitdir"))
        return false;
    if (fs_read(path, REPO_LINK_MAX_BYTES, &text, &len, NULL) == 0) {
        text[strcspn(text, "\n")] = '\0';
        return join(other, repo->top, ".git") && strcmp(text, other) == 0;
    }
    struct git git = {.at = repo->git_dir, .dir = repo->git_dir};
    if (git_line(&git, GIT_ARGS("config", "--local", "core.worktree"), path, sizeof(path)) < 0 ||
        !*path)
        return false;
    if (*path != '/' && !join(other, repo->git_dir, path))
        return false;
    return realpath(*path == '/' ? path : other, real) && strcmp(real, repo->top) == 0;
}

/* Its parts are in it. */
static int check_parts(const struct repo *repo)
{
    static const char *const parts[] = {"HEAD",        "refs",    "objects",      "config",
                                        "packed-refs", "shallow", "objects/info", "objects/pack"};
    char path[PATH_MAX], real[PATH_MAX];
    struct stat st;
    if (!join(path, repo->top, ".git") || lstat(path, &st) < 0)
        return REFUSE("GIT_FAILED", "%.300s: %s", repo->top, strerror(errno));
    if (S_ISLNK(st.st_mode))
        return REFUSE("LINKED_REPOSITORY", "%.300s is a link; give the folder that it belongs to",
                      path);
    bool ours = S_ISDIR(st.st_mode) ? realpath(path, real) && strcmp(real, repo->git_dir) == 0
                                    : known_there(repo);
    if (!ours)
        return REFUSE("LINKED_REPOSITORY",
                      "%.300s leads to %.300s, which does not know of it: not carried", path,
                      repo->git_dir);
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        if (is_link(repo->common_dir, parts[i]))
            return REFUSE("LINKED_REPOSITORY", "%.300s/%s is a link: not carried", repo->common_dir,
                          parts[i]);
    if (is_link(repo->git_dir, "index") || is_link(repo->git_dir, "HEAD"))
        return REFUSE("LINKED_REPOSITORY", "%.300s has links in it: not carried", repo->git_dir);
    if (strpbrk(repo->common_dir, "\n\""))
        return REFUSE("BAD_PATH", "a path with a line break or quote in it: not carried");
    return 0;
}

static void find_head(struct repo *repo)
{
    char ref[REF_BYTES];
    git_line(&repo->git, GIT_ARGS("rev-parse", "--verify", "--quiet", "HEAD^{commit}"), repo->head,
             sizeof(repo->head));
    if (git_line(&repo->git, GIT_ARGS("symbolic-ref", "--quiet", "HEAD"), ref, sizeof(ref)) == 0 &&
        strncmp(ref, "refs/heads/", 11) == 0)
        snprintf(repo->branch, sizeof(repo->branch), "%s", ref + 11);
}

int repo_find(struct repo *repo, const char *path)
{
    char real[PATH_MAX];
    struct stat st;
    *repo = (struct repo){.top = ""};
    if (!realpath(path, real) || stat(real, &st) < 0)
        return REFUSE("NO_FOLDER", "%.300s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return REFUSE("NO_FOLDER", "%.300s is no folder", path);
    if (look(repo, real) != 0)
        return EXIT_BANGER;
    snprintf(repo->top, PATH_MAX, "%s", real);
    if (!climb(repo->top))
        return REFUSE("BARE_REPOSITORY", "%.300s is inside of a .git: give the folder around it",
                      path);
    const char *below = real + strlen(repo->top);
    snprintf(repo->below, PATH_MAX, "%s", *below == '/' ? below + 1 : below);
    if (check_parts(repo) != 0)
        return EXIT_BANGER;
    repo->borrows = exists(repo->common_dir, "objects/info/alternates");
    repo->git = (struct git){.at = repo->top, .dir = repo->git_dir, .work_tree = repo->top};
    find_head(repo);
    return 0;
}

int repo_check_settled(const struct repo *repo)
{
    static const struct {
        const char *file, *what;
    } states[] = {
        {"MERGE_HEAD", "merge"},          {"rebase-merge", "rebase"},
        {"rebase-apply", "rebase or am"}, {"CHERRY_PICK_HEAD", "cherry-pick"},
        {"REVERT_HEAD", "revert"},
    };
    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
        if (exists(repo->git_dir, states[i].file))
            return REFUSE("UNDER_WAY",
                          "%.300s: a %s is under way; end it first (git status), or take "
                          "--branch, which carries what is committed",
                          repo->top, states[i].what);
    struct git_output out;
    if (git_do(&repo->git, repo->top, GIT_ARGS("ls-files", "-z", "--unmerged"), NULL, 0, &out) <
        0) {
        git_output_done(&out);
        return EXIT_BANGER;
    }
    size_t unmerged = out.len;
    git_output_done(&out);
    return unmerged ? REFUSE("UNDER_WAY",
                             "%.300s: files are not merged yet; resolve them first (git status), "
                             "or take --branch, which carries what is committed",
                             repo->top)
                    : 0;
}

int repo_commit(const struct repo *repo, const char *option, const char *word,
                char commit[OID_BYTES], bool *branch)
{
    static const char *const places[] = {"refs/heads/", "refs/remotes/origin/", "refs/remotes/",
                                         ""};
    char name[REF_BYTES];
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        *branch = i < 2;
        if (snprintf(name, sizeof(name), "%s%s^{commit}", places[i], word) < (int)sizeof(name) &&
            git_line(&repo->git,
                     GIT_ARGS("rev-parse", "--verify", "--quiet", "--end-of-options", name), commit,
                     OID_BYTES) == 0)
            return 0;
    }
    return REFUSE("NO_COMMIT", "%s: %.300s has no branch or commit \"%.100s\"", option, repo->top,
                  word);
}

int repo_program(const struct repo *repo, char setting[REF_BYTES])
{
    struct git_output out;
    setting[0] = '\0';
    if (git_do(&repo->git, repo->top,
               GIT_ARGS("config", "-z", "--list", "--show-scope", "--includes"), NULL, 0,
               &out) < 0) {
        git_output_done(&out);
        return EXIT_BANGER;
    }
    for (const char *at = out.text, *end = out.text + out.len; at < end;) {
        const char *scope = at, *key = at + strlen(at) + 1;
        if (key >= end)
            break;
        at = key + strlen(key) + 1;
        bool own = strcmp(scope, "local") == 0 || strcmp(scope, "worktree") == 0;
        if (own && (strncmp(key, "filter.", 7) == 0 || strncmp(key, "merge.", 6) == 0) &&
            (strstr(key, ".clean\n") || strstr(key, ".smudge\n") || strstr(key, ".process\n") ||
             strstr(key, ".driver\n")))
            snprintf(setting, REF_BYTES, "%.*s", (int)strcspn(key, "\n"), key);
    }
    git_output_done(&out);
    return 0;
}
