/* Workspaces by the command line, in VMs of the sim driver, whose guests have this machine's files
 * and git. In a line G is a folder that a guest's workspaces are in. */
#include <unistd.h>

#include "cli_shell.h"

#define B "\"$BANGER\" "

/* src: a repository with a change that is not committed. */
static void make_repository(void)
{
    CHECK_INT(
        sh("rm -rf src \"$G\"/* && git init -q -b main src && cd src && git config user.name Dev "
           "&& "
           "git config user.email dev@example.org && seq 1 9 >f && mkdir sub && echo x >sub/x && "
           "echo ignored >.gitignore && git add . && git commit -qm one && echo ten >>f && "
           "echo i >ignored && echo u >untracked"),
        0);
}

static void test_run_takes_a_repository_along(void)
{
    make_repository();
    CHECK_INT(sh("cd src && " B
                 "vm run --rm --workdir $G/ws ./sub -- sh -c \"pwd; git status -s; tail -n1 ../f; "
                 "ls -A ..; git log --oneline | wc -l\""),
              0);
    char want[256];
    snprintf(want, sizeof(want), "%s/ws/sub\n M ../f\nten\n.git\n.gitignore\nf\nsub\n1\n",
             getenv("G"));
    CHECK_STR(out, want);
    CHECK_INT(
        sh("cd src && " B
           "vm run --rm --workdir $G/all --mode full . -- sh -c \"cat ignored untracked; exit 7\""),
        7);
    CHECK_STR(out, "i\nu\n");
    /* An image as well, and a command that is no path. */
    CHECK_INT(sh(B "vm run --rm --workdir $G/ws2 --workspace src -w / -- pwd"), 0);
    CHECK_STR(out, "/\n");
}

static void test_dry_run_needs_no_daemon(void)
{
    make_repository();
    CHECK_INT(sh("BANGER_SOCKET=$PWD/nothing " B "vm run --dry-run -q ./src"), 0);
    CHECK_STR(out, ".gitignore\nf\nsub/x\n.git/\n");
    CHECK_INT(sh("BANGER_SOCKET=$PWD/nothing " B
                 "vm run --dry-run --include-untracked -o json ./src | "
                 "tr -d \" \\n\" | grep -c \"untracked.*sizeBytes\""),
              0);
    CHECK_INT(sh("BANGER_SOCKET=$PWD/nothing " B "vm workspace push --dry-run box:$G/x src"), 0);
    CHECK_CONTAINS(out, "would be sent to");
}

static void test_changes_come_back_as_a_patch(void)
{
    make_repository();
    CHECK_INT(sh(B "vm run -q -d --name ws ./src --workdir $G/src"), 0);
    CHECK_INT(sh(B "vm workspace export ws:$G/src"), 0);
    CHECK_STR(out, "");
    CHECK_CONTAINS(err, "nothing has changed");
    CHECK_INT(
        sh(B "vm exec -w $G/src ws -- sh -c \"git config user.name g; git config user.email g; "
             "echo eleven >>f; "
             "git commit -qam g; git rm -q sub/x; printf \\\"\\\\0\\\\1\\\" >bin; chmod +x bin; "
             "git status --porcelain; git rev-parse HEAD\""),
        0);
    char *before = strdup(out);
    CHECK_INT(sh(B "vm workspace export ws:$G/src >patch"), 0);
    CHECK_INT(sh("cat patch; grep -c ^+ten patch"), 1); /* that was ours */
    CHECK_CONTAINS(out, "+eleven");
    CHECK_CONTAINS(out, "deleted file mode");
    CHECK_CONTAINS(out, "GIT binary patch");
    CHECK_INT(sh(B "vm exec -w $G/src ws -- sh -c \"git status --porcelain; git rev-parse HEAD\""),
              0);
    CHECK_STR(out, before); /* nothing of the guest's has changed */
    free(before);
    CHECK_INT(sh(B "vm workspace export ws:$G/src --apply --repository src"), 0);
    CHECK_CONTAINS(out, "3 files changed");
    CHECK_INT(sh("cd src && tail -n2 f && test -x bin && test ! -e sub/x"), 0);
    CHECK_STR(out, "ten\neleven\n");
    CHECK_INT(
        sh(B "vm workspace export ws:$G/src --base-commit HEAD~1 | git -C src apply --numstat -"),
        0);
    CHECK_CONTAINS(out, "2\t0\tf");
    CHECK_INT(sh(B "vm workspace export ws:$G/src --base-commit nothing"), 125);
    CHECK_CONTAINS(err, "no commit nothing");
    CHECK_INT(sh(B "vm workspace export ws:$G"), 125);
    CHECK_CONTAINS(err, "no git work tree");
    CHECK_INT(sh(B "vm delete -q ws"), 0);
}

static void test_a_clean_repository_takes_the_patch_by_three_ways(void)
{
    make_repository();
    CHECK_INT(sh("git -C src commit -qam two && " B
                 "vm run -q -d --name ws ./src --workdir $G/src && " B
                 "vm exec -w $G/src ws -- sh -c \"echo guest >>f; echo n >new\" && sed -i s/1/one/ "
                 "src/f && "
                 "git -C src commit -qam three && " B
                 "vm workspace export ws:$G/src | git -C src apply --3way -"),
              0);
    CHECK_INT(sh("cd src && git status --porcelain -uno && head -n1 f && tail -n1 f"), 0);
    CHECK_STR(out, "M  f\nA  new\none\nguest\n");
    CHECK_INT(sh(B "vm delete -q ws"), 0);
}

/* The tree is pulled, and compared here. */
static void test_a_guest_without_git_is_compared_here(void)
{
    make_repository();
    CHECK_INT(sh(B "vm run -q -d --name ws ./src --workdir $G/src && cd $G/src && echo eleven >>f "
                   "&& echo n >new && rm sub/x"),
              0);
    CHECK_INT(sh(B "vm workspace export ws:$G/src >with"), 0);
    CHECK_INT(sh("mkdir -p few && for p in sh grep pwd; do ln -sf $(command -v $p) few/; done; " B
                 "vm workspace export -e PATH=$PWD/few ws:$G/src >without; cat without"),
              0);
    CHECK_CONTAINS(err, "ws has no git");
    CHECK_CONTAINS(out, "+eleven");
    CHECK_INT(sh("cmp with without"), 0);
    CHECK_INT(sh(B "vm delete -q ws"), 0);
}

static void test_a_workspace_is_pushed_into_a_vm_that_runs(void)
{
    make_repository();
    CHECK_INT(sh(B "vm create -q box && " B "vm workspace push box:$G/app src"), 0);
    CHECK_INT(sh("tail -n1 $G/app/f && echo eleven >>src/f && " B
                 "vm workspace push -q box:$G/app src && tail -n1 $G/app/f"),
              0);
    CHECK_CONTAINS(out, "ten\n");
    CHECK_CONTAINS(out, "eleven\n");
    CHECK_INT(sh(B "vm workspace pull box"), 125);
    CHECK_INT(sh(B "vm workspace push box:app src"), 125);
    CHECK_INT(sh(B "vm workspace push nothing:$G/x src"), 125);
    CHECK_CONTAINS(err, "nothing");
    CHECK_INT(sh("ls -d tmp/banger-workspace-*"), 2);
    CHECK_INT(sh(B "vm delete -q box"), 0);
}

/* Waits until a line of shell succeeds, for at most a minute. */
static bool until(const char *condition)
{
    char line[512];
    snprintf(line, sizeof(line),
             "i=0; until %s; do i=$((i+1)); test $i -lt 1200 || exit 9; sleep 0.05; done",
             condition);
    return sh(line) == 0;
}

static void test_a_folder_is_followed(void)
{
    CHECK_INT(sh("rm -rf here $G/there; mkdir -p here/a $G/there && echo 1 >here/a/f && "
                 "touch $G/there/old"),
              0);
    CHECK_INT(sh(B "vm create -q box"), 0);
    CHECK_INT(sh("exec " B "vm sync --delete here box:$G/there >log 2>&1 & echo $! >pid"), 0);
    CHECK(until("grep -q \"in step\" log"));
    CHECK_INT(sh("test ! -e $G/there/old && cat $G/there/a/f"), 0);
    CHECK_STR(out, "1\n");
    CHECK_INT(sh("mkdir -p here/n/deep && echo 2 >here/n/deep/f"), 0);
    CHECK(until("grep -qs 2 $G/there/n/deep/f"));
    CHECK_INT(sh("mv here/n here/m && chmod 600 here/a/f"), 0);
    CHECK(until("test -e $G/there/m/deep/f -a ! -e $G/there/n"));
    CHECK(until("test $(stat -c %a $G/there/a/f) = 600"));
    CHECK_INT(sh("rm -r here/m && ln -s a here/link"), 0);
    CHECK(until("test -L $G/there/link -a ! -e $G/there/m"));
    CHECK_INT(sh("kill -TERM $(cat pid)"), 0);
    CHECK(until("! kill -0 $(cat pid) 2>/dev/null"));
    CHECK_INT(sh("grep -q \"^+ n\" log && grep -q \"^- m\" log"), 0);
    CHECK_INT(sh(B "vm delete -q box"), 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (system("git --version >/dev/null 2>&1") != 0)
        return check_skip("there is no git");
    setenv("GIT_CONFIG_GLOBAL", "/dev/null", 1);
    setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
    cli_shell_open(BANGER_TEST_CLI);
    char path[512];
    snprintf(path, sizeof(path), "%s/tmp", h.dir);
    fs_make_dirs(path, 0700, NULL);
    setenv("TMPDIR", path, 1);
    snprintf(path, sizeof(path), "%s/guest", h.dir);
    fs_make_dirs(path, 0755, NULL);
    setenv("G", path, 1);
    RUN(test_run_takes_a_repository_along);
    RUN(test_dry_run_needs_no_daemon);
    RUN(test_changes_come_back_as_a_patch);
    RUN(test_a_clean_repository_takes_the_patch_by_three_ways);
    RUN(test_a_guest_without_git_is_compared_here);
    RUN(test_a_workspace_is_pushed_into_a_vm_that_runs);
    RUN(test_a_folder_is_followed);
    return cli_shell_end();
}
