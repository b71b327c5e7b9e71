/* See workspace_export.h. With a git in the guest the patch is made there, with an index and a
 * folder for objects of its own, so that nothing of the guest's changes. Without one the tree is
 * pulled, and compared here, with no configuration and nothing of the guest's repository but its
 * objects. */
#include "workspace_export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "session.h"
#include "tree_copy.h"
#include "workspace.h"

enum { FOUND_BYTES = 64 << 10, PATCH_MAX_BYTES = 1 << 30 };

/* Prints "git" or "none", and the path of each workspace. $1: the only one to look at, or "". */
static const char find_script[] =
    "command -v git >/dev/null 2>&1 && echo git || echo none\n"
    "is_one() {\n"
    "  [ -e \"$1/.git/refs/banger/base\" ] ||\n"
    "    grep -qs ' refs/banger/base$' \"$1/.git/packed-refs\"\n"
    "}\n"
    "if [ -n \"$1\" ]; then\n"
    "  if [ -d \"$1/.git\" ]; then cd \"$1\" && pwd; fi\n"
    "  exit 0\n"
    "fi\n"
    "for d in \"${HOME:-/root}\"/*; do if is_one \"$d\"; then echo \"$d\"; fi; done\n";

/* The patch of $1 against $2. */
static const char export_script[] =
    "set -e\n"
    "cd \"$1\"\n"
    "t=$(mktemp -d)\n"
    "trap 'rm -rf \"$t\"' EXIT\n"
    "export GIT_DIR=\"$PWD/.git\" GIT_WORK_TREE=\"$PWD\" GIT_INDEX_FILE=\"$t/index\"\n"
    "export GIT_OBJECT_DIRECTORY=\"$t/objects\" GIT_OPTIONAL_LOCKS=0\n"
    "export GIT_ALTERNATE_OBJECT_DIRECTORIES=\"$PWD/.git/objects\"\n"
    "mkdir \"$t/objects\"\n"
    "if [ -f .git/index ]; then cp -p .git/index \"$t/index\"; fi\n"
    "base=$(git rev-parse --verify --quiet \"$2^{commit}\") || {\n"
    "  echo \"the guest has no commit $2\" >&2; exit 3; }\n"
    "git -c core.hooksPath=/dev/null -c core.fsmonitor=false add --all >&2\n"
    "git -c core.hooksPath=/dev/null diff --cached --binary --full-index --no-color --no-ext-diff "
    "\\\n"
    "  --no-textconv --src-prefix=a/ --dst-prefix=b/ \"$base\"\n";

struct export
{
    struct cli *cli;
    const char *vm;
    const struct export_options *options;
    struct stream_signals *signals;
    char path[PATH_MAX]; /* of the workspace */
    bool git;            /* the guest has one */
};

/* Runs a script in the guest, its output in a file in memory; *fd is the caller's. Exit status. */
static int run_script(const struct export *x, const char *script, const char *a, const char *b,
                      int *fd)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script,
                    (char *)"sh",      (char *)a,    (char *)b};
    *fd = memfd_create("output", MFD_CLOEXEC);
    if (*fd < 0)
        return cli_usage("memfd_create: %s", strerror(errno));
    const struct session_options session = {
        .env = x->options->env, .user = x->options->user, .no_stdin = true, .output_fd = *fd};
    return session_run_attached(x->cli, x->vm, &session, 6, argv, false, x->signals);
}

/* The whole file, with a NUL behind it. NULL, with the error printed. */
static char *read_all(int fd, size_t max, size_t *len)
{
    struct stat st;
    char *text = NULL;
    if (fstat(fd, &st) == 0 && (size_t)st.st_size <= max)
        text = malloc((size_t)st.st_size + 1);
    if (!text) {
        cli_usage("what the guest has printed is too much");
        return NULL;
    }
    for (*len = 0; *len < (size_t)st.st_size;) {
        ssize_t n = pread(fd, text + *len, (size_t)st.st_size - *len, (off_t)*len);
        if (n <= 0)
            break;
        *len += (size_t)n;
    }
    text[*len] = '\0';
    return text;
}

/* Where the workspace is, and whether there is a git. */
static int find(struct export *x, const char *path)
{
    int fd;
    size_t len;
    int status = run_script(x, find_script, path, "", &fd);
    auto_fd int output = fd;
    auto_free char *text = status == 0 ? read_all(output, FOUND_BYTES, &len) : NULL;
    if (!text)
        return status ? status : EXIT_BANGER;
    char *rest = text, *word = strsep(&rest, "\n");
    char *first = rest ? strsep(&rest, "\n") : NULL, *second = rest ? strsep(&rest, "\n") : NULL;
    x->git = strcmp(word, "git") == 0;
    if ((!first || !*first) && *path)
        return cli_fail_with(EXIT_BANGER, "NO_WORKSPACE", "%s:%s is no git work tree", x->vm, path);
    if (!first || !*first)
        return cli_fail_with(EXIT_BANGER, "NO_WORKSPACE",
                             "%s has no workspace in its home; say where it is: %s:/PATH", x->vm,
                             x->vm);
    if (second && *second)
        return cli_fail_with(EXIT_BANGER, "MANY_WORKSPACES",
                             "%s has several workspaces (%s, %s); say which: %s:%s", x->vm, first,
                             second, x->vm, first);
    snprintf(x->path, sizeof(x->path), "%s", first);
    return 0;
}

static int export_there(const struct export *x, char **patch, size_t *len)
{
    int fd;
    int status = run_script(x, export_script, x->path,
                            x->options->base ? x->options->base : WORKSPACE_BASE, &fd);
    auto_fd int output = fd;
    if (status == 0 && !(*patch = read_all(output, PATCH_MAX_BYTES, len)))
        status = EXIT_BANGER;
    if (status == 0 || status >= 128 || status == EXIT_BANGER)
        return status;
    return cli_fail_with(EXIT_BANGER, "EXPORT_FAILED", "git in %s could not compare %s", x->vm,
                         x->path);
}

/* The commit that a pulled tree was carried as. */
static int read_base(const struct export *x, const char *tree, char base[OID_BYTES])
{
    char path[PATH_MAX];
    auto_free char *text = NULL;
    size_t len;
    const char *given = x->options->base;
    if (given && (strlen(given) < 40 || strspn(given, "0123456789abcdef") != strlen(given)))
        return cli_usage(
            "--base-commit: %s has no git; give the whole name of a commit, not \"%.60s\"", x->vm,
            given);
    if (given) {
        snprintf(base, OID_BYTES, "%s", given);
        return 0;
    }
    snprintf(path, sizeof(path), "%.4000s/.git/%s", tree, WORKSPACE_BASE);
    if (fs_read_own(path, 256, &text, &len, NULL) < 0)
        return cli_fail_with(EXIT_BANGER, "NO_WORKSPACE", "%s:%s has no %s; give --base-commit",
                             x->vm, x->path, WORKSPACE_BASE);
    snprintf(base, OID_BYTES, "%.*s", (int)strspn(text, "0123456789abcdef"), text);
    return 0;
}

/* Compares the tree in temp with the commit; its objects are borrowed. */
static int compare(const char *temp, const char *base, char **patch, size_t *len)
{
    char dir[PATH_MAX], tree[PATH_MAX], path[PATH_MAX], line[PATH_MAX];
    struct git_output out;
    snprintf(dir, sizeof(dir), "%.4000s/git", temp);
    snprintf(tree, sizeof(tree), "%.4000s/tree", temp);
    snprintf(path, sizeof(path), "%.4000s/git/objects/info/alternates", temp);
    int n = snprintf(line, sizeof(line), "%.4000s/.git/objects\n", tree);
    const struct git init = {.at = temp, .alone = true};
    const struct git git = {.at = tree, .dir = dir, .work_tree = tree, .alone = true};
    const char *format = strlen(base) > 40 ? "--object-format=sha256" : "--object-format=sha1";
    if (git_do(&init, "making a repository",
               GIT_ARGS("init", "-q", "--bare", "--template=", format, dir), NULL, 0, NULL) < 0)
        return EXIT_BANGER;
    if (fs_write_scratch(path, line, (size_t)n, 0600, NULL) < 0)
        return cli_usage("%.300s: %s", path, strerror(errno));
    int rc = git_do(&git, base, GIT_ARGS("read-tree", base), NULL, 0, NULL);
    if (rc == 0)
        rc = git_do(&git, "comparing", GIT_ARGS("add", "--all"), NULL, 0, NULL);
    if (rc < 0)
        return EXIT_BANGER;
    rc = git_do(&git, "comparing",
                GIT_ARGS("diff", "--cached", "--binary", "--full-index", "--no-color",
                         "--no-ext-diff", "--no-textconv", base),
                NULL, 0, &out);
    *patch = take_ptr(&out.text);
    *len = out.len;
    git_output_done(&out);
    return rc < 0 ? EXIT_BANGER : 0;
}

static int export_here(const struct export *x, char **patch, size_t *len)
{
    char temp[PATH_MAX], tree[PATH_MAX], base[OID_BYTES];
    const char *parent = getenv("TMPDIR");
    snprintf(temp, sizeof(temp), "%.4000s/banger-workspace-XXXXXX",
             parent && *parent ? parent : "/tmp");
    if (!mkdtemp(temp))
        return cli_usage("%.300s: %s", temp, strerror(errno));
    snprintf(tree, sizeof(tree), "%.4000s/tree", temp);
    int status = mkdir(tree, 0700) < 0 ? cli_usage("%.300s: %s", tree, strerror(errno)) : 0;
    const struct tree_copy copy = {.vm = x->vm,
                                   .user = x->options->user,
                                   .there = x->path,
                                   .here = tree,
                                   .signals = x->signals};
    if (status == 0 && !x->cli->options.quiet)
        cli_say(stderr, "banger: %s has no git: its files are compared here", x->vm);
    if (status == 0)
        status = tree_pull(x->cli, &copy);
    if (status == 0)
        status = read_base(x, tree, base);
    if (status == 0)
        status = compare(temp, base, patch, len);
    fs_remove_tree(temp, NULL);
    return status;
}

static int write_patch(const char *file, const char *patch, size_t len)
{
    if (file)
        return fs_write_atomic(file, patch, len, 0644, NULL) < 0
                   ? cli_usage("%.300s: %s", file, strerror(errno))
                   : 0;
    return stream_write_all(STDOUT_FILENO, patch, len) < 0
               ? cli_usage("write to standard output: %s", strerror(errno))
               : 0;
}

int workspace_export(struct cli *cli, const char *vm, const char *path,
                     const struct export_options *options, struct stream_signals *signals)
{
    struct export x = {.cli = cli, .vm = vm, .options = options, .signals = signals};
    auto_free char *patch = NULL;
    size_t len = 0;
    int status = find(&x, path);
    if (status == 0)
        status = x.git ? export_there(&x, &patch, &len) : export_here(&x, &patch, &len);
    if (status != 0)
        return status;
    if (len == 0 && !cli->options.quiet)
        cli_say(stderr, "banger: nothing has changed in %s:%s", vm, x.path);
    if (options->file || !options->apply)
        status = write_patch(options->file, patch, len);
    if (status == 0 && options->apply && len > 0)
        status = workspace_apply(cli, options->repository ? options->repository : ".", patch, len);
    return status;
}
