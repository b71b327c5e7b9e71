/* Workspaces as they would be in a guest: built of real repositories, and unpacked beside them.
 * What a line of shell prints is what a developer would see there; the repository is in src, its
 * workspace in box, and evil is made where a repository's configuration gets something to run. */
#include <ctype.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "tests/support/check.h"
#include "tree/pack.h"
#include "tree/unpack.h"
#include "workspace.h"
#include "workspace_config.h"
#include "workspace_export.h"

enum { OUTPUT_BYTES = 1 << 20 };

static char dir[64];
static char *out;

/* Runs a line of shell in the test's folder; its status. out is what it printed. */
__attribute__((format(printf, 1, 2))) static int sh(const char *fmt, ...)
{
    char line[4096], path[128];
    va_list ap;
    va_start(ap, fmt);
    int n = snprintf(line, sizeof(line), "cd %s && { ", dir);
    n += vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
    va_end(ap);
    snprintf(line + n, sizeof(line) - (size_t)n, "\n} >out 2>&1 </dev/null");
    int status = system(line);
    size_t len;
    free(out);
    out = NULL;
    snprintf(path, sizeof(path), "%s/out", dir);
    if (fs_read(path, OUTPUT_BYTES, &out, &len, NULL) < 0)
        out = strdup("");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void unpack_part(const struct workspace_part *part)
{
    char to[256];
    uint8_t data[8192];
    ssize_t n;
    struct err err = ERR_INIT;
    snprintf(to, sizeof(to), "%s/box%s", dir, part->to);
    CHECK_INT(fs_make_dirs(to, 0755, NULL), 0);
    struct pack_options from = {.name = "", .wanted = part->wanted, .arg = part->arg};
    struct unpack_options options = {.owners = TREE_OWNERS_NONE};
    struct pack *p = pack_open(part->from, &from, &err);
    struct unpack *u = unpack_open(to, &options, &err);
    if (!CHECK(p && u))
        fprintf(stderr, "%s: %s\n", part->from, err.message);
    while (p && u && (n = pack_read(p, data, sizeof(data), &err)) > 0)
        CHECK_INT(unpack_write(u, data, (size_t)n, &err), 0);
    if (u)
        CHECK_INT(unpack_end(u, &err), 0);
    unpack_close(u, false);
    pack_close(p);
}

/* Makes box of what the options say. The status; what is said on standard error is in out. */
static int carry(const struct workspace_options *options)
{
    char path[128], paths[WORKSPACE_PARTS_MAX][PATH_MAX];
    struct workspace w;
    struct workspace_part parts[WORKSPACE_PARTS_MAX];
    struct workspace_options o = *options;
    snprintf(path, sizeof(path), "%s/src", dir);
    if (!o.path)
        o.path = path;
    sh("rm -rf box");
    fflush(stderr);
    int saved = dup(STDERR_FILENO);
    char log[128];
    snprintf(log, sizeof(log), "%s/errors", dir);
    FILE *errors = fopen(log, "we");
    if (!errors)
        return -1;
    dup2(fileno(errors), STDERR_FILENO);
    int status = workspace_init(&w, &o);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    fclose(errors);
    if (status == 0) {
        size_t n = workspace_parts(&w, parts, paths);
        for (size_t i = 0; i < n; i++)
            unpack_part(&parts[i]);
    }
    workspace_done(&w);
    sh("cat errors");
    return status;
}

static int carry_default(void)
{
    return carry(&(struct workspace_options){.mode = NULL});
}

/* A repository of three commits and a merge, with all kinds of changes on top. */
static void make_repository(void)
{
    CHECK_INT(
        sh("rm -rf src && git init -q -b main src && cd src && "
           "git config user.name Dev && git config user.email dev@example.org && "
           "for i in 1 2 3 4; do echo \"line $i\" >f$i; git add .; git commit -qm c$i; done && "
           "mkdir -p sub/deep && echo x >sub/deep/x && ln -s ../f1 sub/link && "
           "printf 'ignored\\n*.o\\n' >.gitignore && printf '#!/bin/sh\\n' >run && chmod +x run && "
           "git add . && git commit -qm c5 && git checkout -q -b side HEAD~2 && echo s >side && "
           "git add . && git commit -qm s && git checkout -q main && git merge -q --no-edit side "
           "&& git tag v1"),
        0);
}

static void make_changes(void)
{
    CHECK_INT(
        sh("cd src && echo changed >>f1 && rm f2 && git mv f3 moved && echo staged >new && "
           "git add new && echo more >>new && chmod +x f4 && rm sub/link && ln -s ../f4 sub/link "
           "&& echo o >a.o && mkdir ignored && echo i >ignored/i && echo u >untracked && "
           "printf 'sp ace' >'we ird\tname'"),
        0);
}

static void test_the_work_tree_goes_along_as_it_is(void)
{
    make_repository();
    make_changes();
    CHECK_INT(carry_default(), 0);
    CHECK_STR(out, "");
    CHECK_INT(sh("for r in src box; do (cd $r && git status --porcelain -uno) >$r.status; done; "
                 "diff src.status box.status"),
              0);
    CHECK_STR(out, "");
    CHECK_INT(sh("cd box && git log --oneline | wc -l && git branch --show-current && "
                 "git diff --stat " WORKSPACE_BASE " && cat f1 sub/link && test -x f4 && "
                 "test ! -e a.o -a ! -e ignored -a ! -e untracked -a ! -e f2 && git fsck --strict"),
              0);
    CHECK_STR(out, "1\nmain\nline 1\nchanged\nline 4\n");
    CHECK_INT(sh("cd box && git diff --cached --name-status && git log -1 --format=%%H && "
                 "git -C ../src rev-parse HEAD"),
              0);
    CHECK_CONTAINS(out, "A\tnew");
    CHECK_CONTAINS(out, "R100\tf3\tmoved");
    /* The original is as it was, and nothing is left behind. */
    CHECK_INT(sh("cd src && git status --porcelain -uno | diff - ../src.status && git fsck && "
                 "git for-each-ref | grep -c banger; ls -d tmp/banger-workspace-*"),
              2);
}

static void test_untracked_files_go_along_when_asked_for(void)
{
    make_repository();
    make_changes();
    CHECK_INT(sh("cd src && truncate -s 65M huge && git init -q nested && echo n >nested/n"), 0);
    CHECK_INT(carry(&(struct workspace_options){.untracked = true}), 0);
    CHECK_INT(sh("cd box && git status --porcelain | grep '^?' ; git diff --stat " WORKSPACE_BASE
                 "; ls -d a.o ignored huge nested"),
              2);
    CHECK_CONTAINS(out, "?? untracked\n");
    CHECK_CONTAINS(out, "?? \"we ird\\tname\"\n");
    CHECK_CONTAINS(out, "'a.o'");
    CHECK_CONTAINS(out, "'huge'");
    CHECK_CONTAINS(out, "'nested'");
}

static void test_full_has_the_history_and_ignored_files(void)
{
    make_repository();
    make_changes();
    CHECK_INT(carry(&(struct workspace_options){.mode = "full"}), 0);
    CHECK_INT(sh("cd box && git fsck && git log --oneline | wc -l && git tag && git branch | tr -d "
                 "'\\n' && "
                 "cat a.o ignored/i untracked && test ! -e .git/objects/info/alternates && "
                 "git -C ../src status --porcelain >../s && git status --porcelain | diff ../s -"),
              0);
    CHECK_STR(out, "7\nv1\n* main  sideo\ni\nu\n");
}

static void test_metadata_has_no_files(void)
{
    make_repository();
    make_changes();
    CHECK_INT(carry(&(struct workspace_options){.mode = "metadata"}), 0);
    CHECK_INT(sh("cd box && ls && git log --oneline | wc -l && git checkout -q -f && git status "
                 "--porcelain && "
                 "ls | wc -l"),
              0);
    CHECK_STR(out, "7\n7\n");
}

static void test_a_branch_goes_along_as_it_is_committed(void)
{
    make_repository();
    make_changes();
    CHECK_INT(carry(&(struct workspace_options){.branch = "side"}), 0);
    CHECK_INT(sh("cd box && git branch --show-current && git status --porcelain && cat side f1 && "
                 "git fsck"),
              0);
    CHECK_STR(out, "side\ns\nline 1\n");
    CHECK_INT(carry(&(struct workspace_options){.branch = "v1"}), 0);
    CHECK_INT(sh("cd box && git status --porcelain && git rev-parse --abbrev-ref HEAD && ls -l "
                 "sub/link | "
                 "sed 's/.*-> //'"),
              0);
    CHECK_STR(out, "HEAD\n../f1\n");
    CHECK_INT(carry(&(struct workspace_options){.branch = "--help"}), EXIT_BANGER);
    CHECK_CONTAINS(out, "no branch or commit \"--help\"");
}

static void test_history_since_a_commit(void)
{
    make_repository();
    CHECK_INT(carry(&(struct workspace_options){.from = "HEAD~2"}), 0);
    CHECK_INT(sh("cd box && git log --format=%%s && git fsck && git status --porcelain"), 0);
    CHECK_CONTAINS(out, "c5\n");
    CHECK_CONTAINS(out, "c4\n");
    CHECK_CONTAINS(out, "s\n");
    CHECK(!strstr(out, "c2\n"));
    CHECK_INT(carry(&(struct workspace_options){.from = "nothing"}), EXIT_BANGER);
    CHECK_INT(sh("rm -rf shallow && git clone -q --depth 2 file://$PWD/src shallow"), 0);
}

/* Whatever its configuration says, nothing of a repository's runs here. */
static void test_a_hostile_repository_runs_nothing(void)
{
    static const char *const modes[] = {"overlay", "full", "metadata"};
    make_repository();
    make_changes();
    CHECK_INT(
        sh("E=$PWD/evil; cat >e <<END\n#!/bin/sh\ntouch $E; cat\nEND\nchmod +x e; cd src && "
           "echo '* filter=x diff=x merge=x' >.gitattributes && git add .gitattributes && "
           "for k in core.fsmonitor core.pager core.editor core.sshCommand core.gitProxy "
           "core.askPass "
           "core.alternateRefsCommand diff.external diff.x.command diff.x.textconv filter.x.clean "
           "filter.x.smudge filter.x.process merge.x.driver gpg.program credential.helper "
           "uploadpack.packObjectsHook alias.ls-files; do git config $k $PWD/../e; done && "
           "git config log.showSignature true && git config core.hooksPath $PWD/../hooks && "
           "git config core.worktree / && git config protocol.ext.allow always && "
           "git config remote.origin.url \"ext::$PWD/../e\" && git config extensions.partialClone "
           "origin && "
           "git config remote.origin.promisor true && git config core.repositoryformatversion 1 && "
           "mkdir -p ../hooks .git/hooks && for h in post-index-change pre-commit post-checkout "
           "reference-transaction pre-auto-gc; do cp ../e ../hooks/$h; cp ../e .git/hooks/$h; "
           "done; "
           "touch f1 f4; rm -f ../evil"),
        0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(carry(&(struct workspace_options){.mode = modes[i]}), 0);
        CHECK_STR(out, "");
        CHECK_INT(sh("test ! -e evil && grep -c 'ext::\\|evil\\|/e$' box/.git/config"), 1);
    }
    CHECK_INT(sh("cat box/.git/config; ls box/.git/hooks"), 2);
    /* An object that is not there would be fetched. */
    CHECK_INT(sh("cd src && git -c core.fsmonitor= rev-parse HEAD:f4 | sed "
                 "'s,^..,.git/objects/&/,' | xargs rm -f; rm -f ../evil"),
              0);
    CHECK_INT(carry_default(), EXIT_BANGER);
    CHECK_CONTAINS(out, "banger: ");
    CHECK_INT(sh("test ! -e evil"), 0);
}

/* A patch of a guest's comes into the work tree as it is, or is merged; nothing of the repository's
 * configuration runs. */
static void test_patches_are_applied(void)
{
    char path[128];
    size_t len;
    struct cli cli = {.options = {.quiet = true}};
    auto_free char *patch = NULL;
    make_repository();
    make_changes();
    CHECK_INT(carry_default(), 0);
    CHECK_INT(sh("cd box && git config user.name g && git config user.email g && echo guest >>f1 "
                 "&& git commit -qam g && "
                 "git rm -q f4 && printf 'a\\0b' >binary && echo n >sub/n && git add --all && "
                 "git diff --cached --binary --full-index " WORKSPACE_BASE " >../patch"),
              0);
    snprintf(path, sizeof(path), "%s/patch", dir);
    CHECK_INT(fs_read(path, OUTPUT_BYTES, &patch, &len, NULL), 0);
    snprintf(path, sizeof(path), "%s/src/sub", dir);
    CHECK_INT(sh("cd src && git status --porcelain -uno >../before"), 0);
    CHECK_INT(workspace_apply(&cli, path, patch, len), 0);
    CHECK_INT(sh("cd src && cat f1 sub/n && cmp binary ../box/binary && test ! -e f4 && git diff "
                 "--cached --stat | wc -l && "
                 "git log --oneline | wc -l"),
              0);
    CHECK_STR(out, "line 1\nchanged\nguest\nn\n3\n7\n");
    /* Another one has changed the same line meanwhile. */
    CHECK_INT(sh("cd src && git reset -q --hard && git clean -qfd && sed -i 's/line 1/other/' f1 "
                 "&& git commit -qam other && "
                 "cd ../box && git diff --binary --full-index HEAD~1 -- f1 >../patch && sed -n "
                 "5,9p ../patch"),
              0);
    char *first = patch;
    CHECK_INT(workspace_apply(&cli, path, first, len),
              EXIT_BANGER); /* of a state that is nowhere */
    CHECK_INT(sh("cd src && git status --porcelain -uno"), 0);
    CHECK_STR(out, "");
    free(first);
    snprintf(path, sizeof(path), "%s/patch", dir);
    CHECK_INT(fs_read(path, OUTPUT_BYTES, &patch, &len, NULL), 0);
    snprintf(path, sizeof(path), "%s/src/sub", dir);
    CHECK_INT(workspace_apply(&cli, path, patch, len), EXIT_BANGER);
    CHECK_INT(sh("cd src && git status --porcelain -uno && grep -c \"<<<<\" f1"), 0);
    CHECK_STR(out, "UU f1\n1\n");
    CHECK_INT(sh("cd src && git reset -q --hard && git config filter.x.smudge /bin/true"), 0);
    CHECK_INT(workspace_apply(&cli, path, patch, len), EXIT_BANGER);
    CHECK_INT(sh("cd src && git status --porcelain -uno"), 0);
    CHECK_STR(out, "");
}

static void test_a_repository_of_elsewhere_is_not_carried(void)
{
    make_repository();
    CHECK_INT(sh("rm -rf private && cp -a src private && rm -rf src && mkdir src && "
                 "echo \"gitdir: $PWD/private/.git\" >src/.git"),
              0);
    CHECK_INT(carry_default(), EXIT_BANGER);
    CHECK_CONTAINS(out, "does not know of it");
    CHECK_INT(sh("rm src/.git && ln -s ../private/.git src/.git"), 0);
    CHECK_INT(carry_default(), EXIT_BANGER);
    CHECK_CONTAINS(out, "is a link");
    CHECK_INT(sh("rm src/.git && cp -a private/.git src/.git && rm -rf src/.git/refs && "
                 "ln -s ../../private/.git/refs src/.git/refs"),
              0);
    CHECK_INT(carry_default(), EXIT_BANGER);
    CHECK_CONTAINS(out, "is a link");
}

static void test_secrets_in_urls_stay_here(void)
{
    static const char *const urls[][2] = {
        {"https://example.org:1@example.org/a.git", "https://example.org/a.git"},
        {"https://example.org@example.org:8443/a.git?t=1#x", "https://example.org:8443/a.git"},
        {"https://example.org:1@c@example.org/x@y", "https://example.org/x@y"},
        {"ssh://git:pw@example.org/a", "ssh://git@example.org/a"},
        {"ssh://git@example.org:22/a", "ssh://git@example.org:22/a"},
        {"git@example.org:a/b.git", "git@example.org:a/b.git"},
        {"/srv/a", "/srv/a"},
        {"https://example.org/a", "https://example.org/a"},
        {"ext::sh -c x", NULL},
        {"ext::https://example.org/x", NULL},
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        char url[128];
        snprintf(url, sizeof(url), "%s", urls[i][0]);
        bool kept = workspace_config_clean_url(url);
        CHECK_INT(kept, urls[i][1] != NULL);
        if (kept && urls[i][1])
            CHECK_STR(url, urls[i][1]);
    }
    make_repository();
    CHECK_INT(sh("cd src && git remote add origin https://'me:s3cret'@example.org/a.git && "
                 "git config branch.main.remote origin && git config branch.main.merge "
                 "refs/heads/main && "
                 "git config http.extraheader 'Authorization: s3cret' && "
                 "git config 'branch.od\"d.remote' 'a\\b' && echo s3cret >.git/s3cret"),
              0);
    CHECK_INT(carry(&(struct workspace_options){.mode = "full"}), 0);
    CHECK_INT(sh("grep -r s3cret box"), 1);
    CHECK_INT(sh("cd box && git remote get-url origin && git config branch.main.merge && "
                 "git config user.email && git config 'branch.od\"d.remote'"),
              0);
    CHECK_STR(out, "https://example.org/a.git\nrefs/heads/main\ndev@example.org\na\\b\n");
}

static void test_files_of_lfs_go_as_pointers(void)
{
    make_repository();
    CHECK_INT(
        sh("cd src && echo '*.bin filter=lfs -text' >.gitattributes && echo pointer >big.bin && "
           "git -c filter.lfs.clean= add . && git commit -qm lfs && echo the real content "
           ">big.bin"),
        0);
    CHECK_INT(carry_default(), 0);
    CHECK_INT(sh("cd box && cat big.bin && git status --porcelain && git diff " WORKSPACE_BASE), 0);
    CHECK_STR(out, "pointer\n");
    CHECK_INT(carry(&(struct workspace_options){.mode = "full"}), 0);
    CHECK_INT(sh("cd box && cat big.bin && git diff " WORKSPACE_BASE), 0);
    CHECK_STR(out, "the real content\n");
}

static void test_submodules_stay_here(void)
{
    make_repository();
    CHECK_INT(
        sh("rm -rf other && git init -q other && cd other && git config user.name x && git config "
           "user.email x && echo o >o && git add . && git commit -qm o && cd ../src && "
           "git -c protocol.file.allow=always submodule -q add ../other mod && git commit -qm mod"),
        0);
    static const char *const modes[] = {"overlay", "full"};
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(carry(&(struct workspace_options){.mode = modes[i]}), 0);
        CHECK_INT(
            sh("cd box && ls mod && git status --porcelain && git ls-files -s mod | cut -c1-6"), 0);
        CHECK_STR(out, "160000\n");
    }
    /* A submodule's own work tree is a repository like any other. */
    CHECK_INT(sh("ls $PWD/src/mod"), 0);
    char path[128];
    snprintf(path, sizeof(path), "%s/src/mod", dir);
    CHECK_INT(carry(&(struct workspace_options){.path = path}), 0);
    CHECK_INT(sh("cat box/o && cd box && git status --porcelain"), 0);
    CHECK_STR(out, "o\n");
}

static void test_work_trees_and_detached_heads(void)
{
    char path[128];
    make_repository();
    CHECK_INT(sh("rm -rf tree && cd src && git worktree add -q ../tree side && cd ../tree && echo "
                 "t >>side "
                 "&& echo n >n && git add n"),
              0);
    snprintf(path, sizeof(path), "%s/tree", dir);
    static const char *const modes[] = {"overlay", "full"};
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(carry(&(struct workspace_options){.path = path, .mode = modes[i]}), 0);
        CHECK_INT(
            sh("cd box && git branch --show-current && git status --porcelain && test -d .git"), 0);
        CHECK_STR(out, "side\nA  n\n M side\n");
    }
    CHECK_INT(sh("cd src && git checkout -q HEAD~1"), 0);
    snprintf(path, sizeof(path), "%s/src/sub/deep", dir);
    CHECK_INT(carry(&(struct workspace_options){.path = path}), 0);
    CHECK_INT(sh("cd box && git rev-parse --abbrev-ref HEAD && git log --format=%%s && git status "
                 "--porcelain"),
              0);
    CHECK_STR(out, "HEAD\nc5\n");
}

static void test_a_repository_without_a_commit(void)
{
    CHECK_INT(sh("rm -rf src && git init -q -b trunk src && cd src && echo a >a && git add a && "
                 "echo b >b"),
              0);
    CHECK_INT(carry_default(), 0);
    CHECK_INT(sh("cd box && git status --porcelain && git branch --show-current && "
                 "git diff --stat " WORKSPACE_BASE),
              0);
    CHECK_STR(out, "A  a\ntrunk\n");
    CHECK_INT(carry(&(struct workspace_options){.mode = "metadata"}), EXIT_BANGER);
    CHECK_CONTAINS(out, "no commit yet");
    CHECK_INT(sh("rm -rf src && git init -q src"), 0);
    CHECK_INT(carry_default(), 0);
    CHECK_INT(sh("cd box && git status --porcelain"), 0);
    CHECK_STR(out, "");
}

static void test_histories_that_are_cut_or_borrowed(void)
{
    char path[128];
    make_repository();
    CHECK_INT(sh("rm -rf cut lent && git clone -q --depth 2 file://$PWD/src cut && "
                 "git clone -q --shared src lent && for r in cut lent; do echo c >>$r/f1; done"),
              0);
    static const struct {
        const char *name, *mode, *from, *commits;
    } cases[] = {{"cut", NULL, NULL, "1\n"},     {"cut", "full", NULL, "3\n"},
                 {"cut", NULL, "HEAD~1", "3\n"}, {"lent", NULL, NULL, "1\n"},
                 {"lent", "full", NULL, "7\n"},  {"lent", "metadata", NULL, "7\n"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, cases[i].name);
        CHECK_INT(carry(&(struct workspace_options){
                      .path = path, .mode = cases[i].mode, .from = cases[i].from}),
                  0);
        CHECK_INT(sh("cd box && git fsck 2>&1 && git log --oneline | wc -l"), 0);
        if (!CHECK_STR(out, cases[i].commits))
            fprintf(stderr, "%s %s\n", cases[i].name, cases[i].mode ? cases[i].mode : "");
    }
}

static void test_what_cannot_be_carried_is_told(void)
{
    char path[128];
    make_repository();
    CHECK_INT(sh("rm -rf bare.git plain && git clone -q --bare src bare.git && mkdir plain && "
                 "cd src && git checkout -q side && echo other >f1 && git commit -qam other && git "
                 "checkout -q main && "
                 "echo mine >f1 && git commit -qam mine && git merge side"),
              1);
    CHECK_INT(carry_default(), EXIT_BANGER);
    CHECK_CONTAINS(out, "a merge is under way");
    CHECK_INT(carry(&(struct workspace_options){.branch = "main"}), 0);
    snprintf(path, sizeof(path), "%s/bare.git", dir);
    CHECK_INT(carry(&(struct workspace_options){.path = path}), EXIT_BANGER);
    CHECK_CONTAINS(out, "bare repository");
    snprintf(path, sizeof(path), "%s/plain", dir);
    CHECK_INT(carry(&(struct workspace_options){.path = path}), EXIT_BANGER);
    CHECK_CONTAINS(out, "banger vm cp");
    snprintf(path, sizeof(path), "%s/src/f1", dir);
    CHECK_INT(carry(&(struct workspace_options){.path = path}), EXIT_BANGER);
    CHECK_CONTAINS(out, "no folder");
    snprintf(path, sizeof(path), "%s/nothing", dir);
    CHECK_INT(carry(&(struct workspace_options){.path = path}), EXIT_BANGER);
    CHECK_INT(sh("ls -d tmp/banger-workspace-*"), 2);
}

static void test_where_a_workspace_is(void)
{
    struct workspace_options o = {.path = "x"};
    struct workspace w = {.options = &o};
    char place[PATH_MAX];
    snprintf(w.repo.top, sizeof(w.repo.top), "/srv/project");
    CHECK_INT(workspace_place(&w, NULL, place), 0);
    CHECK_STR(place, "/root/project");
    CHECK_INT(workspace_place(&w, "dev", place), 0);
    CHECK_STR(place, "/home/"
                     "dev/project");
    CHECK_INT(workspace_place(&w, "1000", place), EXIT_BANGER);
    o.workdir = "/srv/x/";
    CHECK_INT(workspace_place(&w, "1000", place), 0);
    CHECK_STR(place, "/srv/x");
    o.workdir = "x";
    CHECK_INT(workspace_place(&w, NULL, place), EXIT_BANGER);
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-ws-XXXXXX");
    if (!mkdtemp(dir))
        return EXIT_FAILURE;
    char path[128];
    snprintf(path, sizeof(path), "%s/tmp", dir);
    mkdir(path, 0700);
    setenv("TMPDIR", path, 1);
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    if (sh("git --version") != 0)
        return check_skip("there is no git");
    RUN(test_the_work_tree_goes_along_as_it_is);
    RUN(test_untracked_files_go_along_when_asked_for);
    RUN(test_full_has_the_history_and_ignored_files);
    RUN(test_metadata_has_no_files);
    RUN(test_a_branch_goes_along_as_it_is_committed);
    RUN(test_history_since_a_commit);
    RUN(test_a_hostile_repository_runs_nothing);
    RUN(test_patches_are_applied);
    RUN(test_a_repository_of_elsewhere_is_not_carried);
    RUN(test_secrets_in_urls_stay_here);
    RUN(test_files_of_lfs_go_as_pointers);
    RUN(test_submodules_stay_here);
    RUN(test_work_trees_and_detached_heads);
    RUN(test_a_repository_without_a_commit);
    RUN(test_histories_that_are_cut_or_borrowed);
    RUN(test_what_cannot_be_carried_is_told);
    RUN(test_where_a_workspace_is);
    free(out);
    if (check_failures == 0 || !getenv("BANGER_TEST_KEEP"))
        fs_remove_tree(dir, NULL);
    return check_end();
}
