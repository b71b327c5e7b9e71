/* What the folder of a process says of whose it is: of our own, and of another user's, who may have
 * any words on its command line. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/process.h"
#include "daemon/vmm/evidence.h"
#include "tests/support/check.h"

enum { NOBODY = 65534 };

static char top[] = "/tmp/banger-evidence-XXXXXX", folder[64], elsewhere[64];

/* That works in a folder, which need not be open to it. */
static pid_t start(const char *cwd, uid_t uid, struct process_info *info)
{
    int ends[2];
    char byte;
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(cwd) < 0 || (uid != geteuid() && setresuid(uid, uid, uid) < 0))
            _exit(126);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("sleep", "sleep", "1000", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    CHECK_INT(read(ends[0], &byte, 1), 0); /* it has executed */
    close(ends[0]);
    CHECK_INT(process_read(pid, info, NULL), 0);
    CHECK_INT(info->uid, uid);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static void fresh(void)
{
    CHECK_INT(fs_remove_tree(folder, NULL), 0);
    CHECK_INT(mkdir(folder, 0700), 0);
}

/* Each for us, and for another where we may be one. */
static const struct user {
    bool other;
    enum evidence here, deleted, hidden, gone;
} users[] = {{false, EVIDENCE_OURS, EVIDENCE_LEFT, EVIDENCE_LEFT, EVIDENCE_OURS},
             {true, EVIDENCE_OURS, EVIDENCE_NONE, EVIDENCE_NONE, EVIDENCE_NONE}};

#define EACH_USER(u) for (const struct user *u = users; u < users + (geteuid() == 0 ? 2 : 1); u++)
#define UID(u)       ((u)->other ? NOBODY : geteuid())

static void test_in_our_folder(void)
{
    struct process_info info;
    EACH_USER(u)
    {
        fresh();
        pid_t pid = start(folder, UID(u), &info);
        CHECK_INT(evidence_works_in(&info, folder, false), u->here);
        CHECK_INT(evidence_works_below(&info, top, false), u->here);
        CHECK_INT(rename(folder, elsewhere), 0); /* moved with what works in it */
        CHECK_INT(evidence_works_in(&info, elsewhere, false), u->here);
        CHECK_INT(rename(elsewhere, folder), 0);
        end(pid);
    }
}

static void test_in_another_folder(void)
{
    struct process_info info;
    EACH_USER(u)
    {
        fresh();
        pid_t pid = start("/", UID(u), &info);
        CHECK_INT(evidence_works_in(&info, folder, true), EVIDENCE_NONE);
        CHECK_INT(evidence_works_below(&info, folder, true), EVIDENCE_NONE);
        end(pid);
    }
}

static void test_in_a_folder_that_is_deleted(void)
{
    struct process_info info;
    EACH_USER(u)
    {
        fresh();
        pid_t pid = start(folder, UID(u), &info);
        CHECK_INT(rmdir(folder), 0);
        CHECK_INT(mkdir(folder, 0700), 0);
        CHECK_INT(evidence_works_in(&info, folder, true), u->deleted);
        end(pid);
    }
}

/* Ours lies over it: the same name, and another folder. */
static void test_in_a_folder_that_ours_hides(void)
{
    struct process_info info;
    EACH_USER(u)
    {
        fresh();
        pid_t pid = start(folder, UID(u), &info);
        if (mount("none", folder, "tmpfs", 0, NULL) < 0) {
            printf("     left out: no mounts of its own\n");
        } else {
            CHECK_INT(evidence_works_in(&info, folder, true), u->hidden);
            CHECK_INT(umount(folder), 0);
        }
        end(pid);
    }
}

/* Nothing is left to see but the words that it had. */
static void test_one_that_has_ended(void)
{
    struct process_info info;
    EACH_USER(u)
    {
        siginfo_t ended;
        fresh();
        pid_t pid = start(folder, UID(u), &info);
        kill(pid, SIGKILL);
        CHECK_INT(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0);
        CHECK_INT(evidence_works_in(&info, folder, true), u->gone);
        CHECK_INT(evidence_works_in(&info, folder, false), EVIDENCE_NONE);
        end(pid);
    }
}

int main(void)
{
    if (!mkdtemp(top))
        return EXIT_FAILURE;
    snprintf(folder, sizeof(folder), "%s/vm", top);
    snprintf(elsewhere, sizeof(elsewhere), "%s/moved", top);
    if (unshare(CLONE_NEWNS) == 0)
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    if (geteuid() != 0)
        printf("     other users are left out: that needs root\n");
    RUN(test_in_our_folder);
    RUN(test_in_another_folder);
    RUN(test_in_a_folder_that_is_deleted);
    RUN(test_in_a_folder_that_ours_hides);
    RUN(test_one_that_has_ended);
    fs_remove_tree(top, NULL);
    return check_end();
}
