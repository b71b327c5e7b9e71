/* The repository of a workspace, built in a temporary folder; see workspace.h. While it is built it
 * borrows the original's objects, and its configuration is the only one that git reads, so that
 * nothing of the original's runs, filters of files included. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "workspace.h"
#include "workspace_config.h"

enum { INDEX_MAX_BYTES = 1 << 30, SHALLOW_MAX_BYTES = 16 << 20 };

static int fail_file(const char *path)
{
    return cli_usage("%.300s: %s", path, strerror(errno));
}

static void name_in(char out[PATH_MAX], const char *folder, const char *name)
{
    if (snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
        out[0] = '\0'; /* no such file, then */
}

static int write_file(const char *folder, const char *name, const char *data, size_t len)
{
    char path[PATH_MAX];
    name_in(path, folder, name);
    return fs_write_scratch(path, data, len, 0644, NULL) < 0 ? fail_file(path) : 0;
}

/* Copies a file of the original's .git, with its time, by which git knows what it may believe of an
 * index. One that is not there is fine. */
static int copy_file(const char *from_folder, const char *name, const char *to_folder,
                     const char *to_name)
{
    char from[PATH_MAX], to[PATH_MAX];
    auto_free char *data = NULL;
    size_t len;
    struct stat st;
    name_in(from, from_folder, name);
    name_in(to, to_folder, to_name);
    if (lstat(from, &st) < 0 && errno == ENOENT)
        return 0;
    if (!S_ISREG(st.st_mode) || fs_read(from, INDEX_MAX_BYTES, &data, &len, NULL) < 0 ||
        fs_write_scratch(to, data, len, 0644, NULL) < 0)
        return fail_file(from);
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    return utimensat(AT_FDCWD, to, times, 0) < 0 ? fail_file(to) : 0;
}

/* An index may be split: what it shares is beside it. */
static int copy_shared_indexes(struct workspace *w)
{
    auto_dir DIR *dir = opendir(w->repo.git_dir);
    int rc = 0;
    for (const struct dirent *d; rc == 0 && dir && (d = readdir(dir));)
        if (strncmp(d->d_name, "sharedindex.", 12) == 0)
            rc = copy_file(w->repo.git_dir, d->d_name, w->git_dir, d->d_name);
    return rc;
}

static int remove_shared_indexes(struct workspace *w)
{
    char path[PATH_MAX];
    auto_dir DIR *dir = opendir(w->git_dir);
    for (const struct dirent *d; dir && (d = readdir(dir));)
        if (strncmp(d->d_name, "sharedindex.", 12) == 0) {
            name_in(path, w->git_dir, d->d_name);
            unlink(path);
        }
    return 0;
}

static int begin(struct workspace *w)
{
    char path[PATH_MAX], line[PATH_MAX + 16];
    const char *parent = getenv("TMPDIR");
    snprintf(w->temp, PATH_MAX, "%s/banger-workspace-XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(w->temp)) {
        int rc = fail_file(w->temp);
        w->temp[0] = '\0';
        return rc;
    }
    name_in(w->git_dir, w->temp, "git");
    name_in(w->files, w->temp, "files");
    w->git = (struct git){.at = w->temp, .dir = w->git_dir, .alone = true};
    snprintf(line, sizeof(line), "--object-format=%s", w->repo.format);
    const struct git init = {.at = w->temp, .alone = true};
    if (git_do(&init, "making a repository",
               GIT_ARGS("init", "--quiet", "--bare", "--template=", line, w->git_dir), NULL, 0,
               NULL) < 0)
        return EXIT_BANGER;
    name_in(path, w->git_dir, "config");
    int n = snprintf(line, sizeof(line), "%s/objects\n", w->repo.common_dir);
    if (mkdir(w->files, 0700) < 0)
        return fail_file(w->files);
    int rc = workspace_config_write(&w->repo, path);
    if (rc == 0)
        rc = write_file(w->git_dir, "objects/info/alternates", line, (size_t)n);
    if (rc == 0)
        rc = copy_file(w->repo.common_dir, "shallow", w->git_dir, "shallow");
    return rc;
}

/* The first line of what git prints. */
static int ask(const struct git *git, const char *what, const char *const *args, char *line,
               size_t size)
{
    struct git_output out;
    int rc = git_do(git, what, args, NULL, 0, &out);
    line[0] = '\0';
    if (rc == 0)
        snprintf(line, size, "%.*s", (int)strcspn(out.text, "\n"), out.text);
    git_output_done(&out);
    return rc == 0 ? 0 : EXIT_BANGER;
}

static int feed(const struct git *git, const char *what, const char *const *args,
                const struct path_set *paths)
{
    size_t len;
    if (paths->n == 0)
        return 0;
    auto_free char *text = path_set_join(paths, &len);
    if (!text)
        return cli_usage("out of memory");
    return git_do(git, what, args, text, len, NULL) < 0 ? EXIT_BANGER : 0;
}

/* The commit's files, and an index of them. */
static int check_out(struct workspace *w)
{
    struct git git = w->git;
    git.at = git.work_tree = w->files;
    snprintf(w->base, sizeof(w->base), "%s", w->commit);
    if (git_do(&git, w->commit, GIT_ARGS("read-tree", w->commit), NULL, 0, NULL) < 0)
        return EXIT_BANGER;
    if (w->mode == WORKSPACE_METADATA)
        return 0;
    return git_do(&git, w->commit, GIT_ARGS("checkout-index", "--all", "--quiet"), NULL, 0, NULL) <
                   0
               ? EXIT_BANGER
               : 0;
}

/* Content of files as it is, whatever git would keep of them. */
static int add_raw(struct workspace *w, const struct git *sent)
{
    for (size_t i = 0; i < w->filtered.n; i++) {
        char oid[OID_BYTES], entry[PATH_MAX + 128];
        struct stat st;
        name_in(entry, w->repo.top, w->filtered.paths[i]);
        bool runs = lstat(entry, &st) == 0 && (st.st_mode & 0100);
        if (ask(sent, w->filtered.paths[i],
                GIT_ARGS("hash-object", "-w", "--no-filters", "--", w->filtered.paths[i]), oid,
                sizeof(oid)) != 0)
            return EXIT_BANGER;
        int n = snprintf(entry, sizeof(entry), "%s %s\t%s", runs ? "100755" : "100644", oid,
                         w->filtered.paths[i]);
        if (git_do(sent, w->filtered.paths[i], GIT_ARGS("update-index", "-z", "--index-info"),
                   entry, (size_t)n + 1, NULL) < 0)
            return EXIT_BANGER;
    }
    return 0;
}

/* The work tree as a tree, and as a commit on top of HEAD where it is another. */
static int take_work_tree(struct workspace *w, char staged[OID_BYTES])
{
    char index[PATH_MAX], tree[OID_BYTES], head_tree[OID_BYTES] = "", name[OID_BYTES + 8];
    struct git sent = w->git;
    name_in(index, w->git_dir, "index.sent");
    sent.index = index;
    sent.at = sent.work_tree = w->repo.top;
    if (copy_file(w->repo.git_dir, "index", w->git_dir, "index") != 0 ||
        copy_file(w->repo.git_dir, "index", w->git_dir, "index.sent") != 0 ||
        copy_shared_indexes(w) != 0)
        return EXIT_BANGER;
    if (ask(&w->git, "the index", GIT_ARGS("write-tree", "--missing-ok"), staged, OID_BYTES) != 0 ||
        feed(&sent, "what was removed", GIT_ARGS("update-index", "-z", "--force-remove", "--stdin"),
             &w->gone) != 0 ||
        feed(&sent, "the work tree",
             GIT_ARGS("update-index", "--add", "--replace", "-z", "--stdin"), &w->kept) != 0 ||
        (w->mode == WORKSPACE_FULL && add_raw(w, &sent) != 0) ||
        ask(&sent, "the work tree", GIT_ARGS("write-tree", "--missing-ok"), tree, sizeof(tree)) !=
            0)
        return EXIT_BANGER;
    if (w->mode != WORKSPACE_FULL) {
        struct git git = w->git;
        git.at = git.work_tree = w->files;
        if (feed(&git, "files that pass a filter",
                 GIT_ARGS("checkout-index", "--quiet", "-z", "--stdin"), &w->filtered) != 0)
            return EXIT_BANGER;
    }
    snprintf(name, sizeof(name), "%s^{tree}", w->commit);
    if (*w->commit && ask(&w->git, w->commit, GIT_ARGS("rev-parse", "--verify", name), head_tree,
                          sizeof(head_tree)) != 0)
        return EXIT_BANGER;
    if (strcmp(tree, head_tree) == 0) {
        snprintf(w->base, sizeof(w->base), "%s", w->commit);
        return 0;
    }
    const char *parent = *w->commit ? "-p" : NULL; /* where there is none, arguments end there */
    return ask(&w->git, "what is carried",
               GIT_ARGS("-c", "user.name=banger", "-c", "user.email=banger@localhost",
                        "commit-tree", "-m", "as carried by banger", tree, parent, w->commit),
               w->base, sizeof(w->base));
}

/* Commits whose parents do not go along, a line each with a prefix. */
static int find_edge(struct workspace *w, const char *from, struct path_set *edge)
{
    char range[2 * OID_BYTES + 4];
    struct git_output out;
    if (!from) {
        path_set_add(edge, w->commit);
        return 0;
    }
    snprintf(range, sizeof(range), "%s..%s", from, w->commit);
    int rc =
        git_do(&w->git, "its history", GIT_ARGS("rev-list", "--boundary", range), NULL, 0, &out);
    for (char *line, *rest = out.text; rc == 0 && (line = strsep(&rest, "\n"));)
        if (*line == '-')
            path_set_add(edge, line + 1);
    if (rc == 0 && edge->n == 0)
        path_set_add(edge, w->commit);
    git_output_done(&out);
    return rc == 0 ? 0 : EXIT_BANGER;
}

/* One pack of what goes along, for lines as pack-objects takes them. */
static int pack(struct workspace *w, const char *wants, const char *all)
{
    char path[PATH_MAX];
    name_in(path, w->git_dir, "objects/pack/pack");
    return git_do(&w->git, "packing its history (what a partial clone left out cannot go along)",
                  GIT_ARGS("pack-objects", "-q", "--revs", all ? all : "--delta-base-offset", path),
                  wants, strlen(wants), NULL) < 0
               ? EXIT_BANGER
               : 0;
}

static int pack_shallow(struct workspace *w, const char *staged)
{
    char from[OID_BYTES];
    bool branch;
    struct path_set edge = {0};
    if (w->options->from && repo_commit(&w->repo, "--from", w->options->from, from, &branch) != 0)
        return EXIT_BANGER;
    int rc = *w->commit ? find_edge(w, w->options->from ? from : NULL, &edge) : 0;
    auto_free char *wants = NULL, *shallow = NULL;
    size_t n_wants = 0, n_shallow = 0;
    FILE *to_wants = open_memstream(&wants, &n_wants);
    FILE *to_shallow = open_memstream(&shallow, &n_shallow);
    for (size_t i = 0; rc == 0 && to_wants && to_shallow && i < edge.n; i++) {
        fprintf(to_wants, "--shallow %s\n%s\n", edge.paths[i], edge.paths[i]);
        fprintf(to_shallow, "%s\n", edge.paths[i]);
    }
    if (to_wants) {
        fprintf(to_wants, "%s\n%s%s%s%s", w->base, w->commit, *w->commit ? "\n" : "", staged,
                *staged ? "\n" : "");
        fclose(to_wants);
    }
    if (to_shallow)
        fclose(to_shallow);
    if (rc == 0 && (!wants || !shallow || edge.failed))
        rc = cli_usage("out of memory");
    if (rc == 0)
        rc = pack(w, wants, NULL);
    if (rc == 0 && n_shallow > 0 && !(w->options->from && w->repo.shallow))
        rc = write_file(w->git_dir, "shallow", shallow, n_shallow);
    path_set_done(&edge);
    return rc;
}

/* All refs of the original's, but those of tools. */
static int copy_refs(struct workspace *w, const char *staged)
{
    char wants[2 * OID_BYTES];
    struct git_output refs;
    snprintf(wants, sizeof(wants), "%s\n%s%s", w->base, staged, *staged ? "\n" : "");
    int rc = git_do(&w->repo.git, "its refs",
                    GIT_ARGS("for-each-ref", "--format=create %(refname) %(objectname)",
                             "refs/heads", "refs/tags", "refs/remotes"),
                    NULL, 0, &refs);
    if (rc == 0)
        rc = git_do(&w->git, "its refs", GIT_ARGS("update-ref", "--stdin"), refs.text, refs.len,
                    NULL);
    if (rc == 0 && w->repo.borrows)
        rc = pack(w, wants, "--all");
    git_output_done(&refs);
    return rc == 0 ? 0 : EXIT_BANGER;
}

static int set_head(struct workspace *w)
{
    char ref[REF_BYTES + 16];
    snprintf(ref, sizeof(ref), "refs/heads/%s", w->branch);
    int rc = 0;
    if (*w->branch)
        rc = git_do(&w->git, ref, GIT_ARGS("symbolic-ref", "HEAD", ref), NULL, 0, NULL);
    else
        rc = git_do(&w->git, "HEAD", GIT_ARGS("update-ref", "--no-deref", "HEAD", w->commit), NULL,
                    0, NULL);
    if (rc == 0 && *w->branch && *w->commit)
        rc = git_do(&w->git, ref, GIT_ARGS("update-ref", ref, w->commit), NULL, 0, NULL);
    if (rc == 0)
        rc = git_do(&w->git, WORKSPACE_BASE, GIT_ARGS("update-ref", WORKSPACE_BASE, w->base), NULL,
                    0, NULL);
    return rc == 0 ? 0 : EXIT_BANGER;
}

/* Takes away what it was built with. */
static int finish(struct workspace *w)
{
    char path[PATH_MAX];
    bool packed = w->mode == WORKSPACE_OVERLAY || w->repo.borrows;
    if (packed && git_do(&w->git, "tidying", GIT_ARGS("prune-packed", "-q"), NULL, 0, NULL) < 0)
        return EXIT_BANGER;
    name_in(path, w->git_dir, "index");
    if (access(path, F_OK) == 0 && git_do(&w->git, "the index",
                                          GIT_ARGS("update-index", "--no-split-index",
                                                   "--no-untracked-cache", "--force-write-index"),
                                          NULL, 0, NULL) < 0)
        return EXIT_BANGER;
    remove_shared_indexes(w);
    static const char *const tools[] = {"index.sent", "objects/info/alternates", "logs"};
    for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++) {
        name_in(path, w->git_dir, tools[i]);
        if (fs_remove_tree(path, NULL) < 0)
            return fail_file(path);
    }
    return 0;
}

int workspace_build(struct workspace *w)
{
    char staged[OID_BYTES] = "";
    bool committed = w->options->branch || w->mode == WORKSPACE_METADATA;
    int rc = begin(w);
    if (rc == 0)
        rc = committed ? check_out(w) : take_work_tree(w, staged);
    if (rc == 0)
        rc = w->mode == WORKSPACE_OVERLAY ? pack_shallow(w, staged) : copy_refs(w, staged);
    if (rc == 0)
        rc = set_head(w);
    return rc == 0 ? finish(w) : rc;
}
