/* Scopes either way: what systemd is asked for, word for word, by a stand-in that knows what it
 * takes; what the kernel shows of a cgroup. And that a process is in one before its program begins.
 */
#include "daemon/host/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/launch.h"
#include "daemon/host/object.h"
#include "daemon/host/scope_internal.h"
#include "tests/support/check.h"
#include "tests/support/systemd/bus.h"

static const char vm_id[] = "0123456789abcdef";
static char state[64], other_state[64];
static struct systemd_bus bus;

static void init(struct object *o, const char *in)
{
    struct err err = ERR_INIT;
    if (!CHECK_INT(object_init(o, "scope", in, vm_id, OBJECT_SCOPE, &err), 0))
        fprintf(stderr, "%s\n", err.message);
}

static enum err_code make(const struct object *o, struct err *err)
{
    err_clear(err);
    o->kind->make(o, -1, err);
    return err->code;
}

static enum err_code find(const struct object *o)
{
    struct err err = ERR_INIT;
    o->kind->find(o, &err);
    return err.code;
}

static enum err_code remove_it(const struct object *o, struct err *err)
{
    err_clear(err);
    o->kind->remove(o, err);
    return err->code;
}

static void count(void *arg, const struct object_found *f)
{
    ++*(int *)arg;
    CHECK_STR(f->vm_id, vm_id);
}

static int count_in(const char *in)
{
    struct err err = ERR_INIT;
    int n = 0;
    CHECK_INT(object_scope.list(in, count, &n, &err), 0);
    return n;
}

static void check_line(const char *want)
{
    char line[1024];
    CHECK_STR(systemd_bus_line(&bus, line, sizeof(line)), want);
}

struct placing {
    const char *scope;
    struct err *err;
    pid_t pid;
};

static int place(void *arg, pid_t pid)
{
    struct placing *p = arg;
    char exe[256] = "", path[32], own[256] = "";
    p->pid = pid;
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
    /* It is still what we are: nothing of its program has run. */
    CHECK(readlink(path, exe, sizeof(exe) - 1) > 0);
    CHECK(readlink("/proc/self/exe", own, sizeof(own) - 1) > 0);
    CHECK_STR(exe, own);
    return host_scope_enter(p->scope, pid, p->err) < 0 ? ECANCELED : 0;
}

static pid_t begin(const char *scope, int *in_fd, struct err *err)
{
    static const char *const argv[] = {"cat", NULL};
    int in[2];
    CHECK_INT(pipe2(in, O_CLOEXEC), 0);
    auto_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[] = {in[0], null, null};
    struct placing p = {.scope = scope, .err = err};
    struct launch l = {
        .argv = argv, .env = environ, .fds = fds, .n_fds = 3, .hold = place, .hold_arg = &p};
    pid_t pid = -1;
    int sys = launch(&l, &pid);
    close(in[0]);
    *in_fd = in[1];
    if (sys != 0) {
        CHECK_INT(sys, ECANCELED);
        CHECK_INT(kill(p.pid, 0), -1); /* nor is it left as a zombie */
        return -1;
    }
    CHECK_INT(pid, p.pid);
    return pid;
}

static void end(pid_t pid, int in_fd)
{
    close(in_fd);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

/* systemd */

static void test_systemd_has_a_slice_with_limits_and_a_scope_per_launch(void)
{
    struct object o;
    struct err err = ERR_INIT;
    char want[1024], stem[VM_PATH_BYTES];
    int in_fd;
    init(&o, state);
    snprintf(stem, sizeof(stem), "%.*s", (int)(strlen(o.name) - strlen(".slice")), o.name);
    CHECK_INT(find(&o), ERR_NOT_FOUND);
    CHECK_INT(make(&o, &err), ERR_NONE);
    snprintf(want, sizeof(want),
             "start %s Description=a banger VM MemoryMax=infinity CPUQuotaPerSecUSec=infinity "
             "TasksMax=infinity",
             o.name);
    check_line(want);
    CHECK_INT(find(&o), ERR_NONE);
    o.limits =
        (struct vm_limits){.memory_max_bytes = 1 << 30, .cpu_quota_percent = 150, .tasks_max = 64};
    CHECK_INT(make(&o, &err), ERR_NONE);
    snprintf(want, sizeof(want),
             "set %s MemoryMax=1073741824 CPUQuotaPerSecUSec=1500000 TasksMax=64", o.name);
    check_line(want);
    pid_t pid = begin(o.name, &in_fd, &err);
    snprintf(want, sizeof(want),
             "start %s-%d.scope Description=VMM of a banger VM Slice=%s PIDs=one TasksMax=infinity "
             "CollectMode=inactive-or-failed",
             stem, (int)pid, o.name);
    check_line(want);
    /* With somebody in it, it stays. */
    CHECK_INT(remove_it(&o, &err), ERR_PRECONDITION);
    CHECK_CONTAINS(err.message, "still lives");
    CHECK_INT(find(&o), ERR_NONE);
    end(pid, in_fd);
    snprintf(want, sizeof(want), "gone %s-%d.scope", stem, (int)pid);
    check_line(want);
    CHECK_INT(remove_it(&o, &err), ERR_NONE);
    snprintf(want, sizeof(want), "stop %s replace", o.name);
    check_line(want);
    CHECK_INT(find(&o), ERR_NOT_FOUND);
    CHECK_INT(remove_it(&o, &err), ERR_NONE);
}

static void test_what_systemd_refuses_begins_nothing(void)
{
    struct object o;
    struct err err = ERR_INIT;
    int in_fd;
    char line[1024];
    init(&o, state);
    CHECK_INT(begin(o.name, &in_fd, &err), -1); /* no such slice */
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    CHECK_CONTAINS(err.message, "no such slice");
    close(in_fd);
    systemd_bus_line(&bus, line, sizeof(line));
    CHECK_CONTAINS(systemd_bus_line(&bus, line, sizeof(line)), "refused");
}

static void test_slices_are_listed_by_their_state_folder(void)
{
    struct object o, other;
    struct err err = ERR_INIT;
    char line[1024];
    init(&o, state);
    init(&other, other_state);
    CHECK(strcmp(o.name, other.name) != 0);
    CHECK_INT(make(&o, &err), ERR_NONE);
    systemd_bus_line(&bus, line, sizeof(line));
    CHECK_INT(count_in(state), 1);
    CHECK_INT(count_in(other_state), 0);
    CHECK_INT(remove_it(&o, &err), ERR_NONE);
    systemd_bus_line(&bus, line, sizeof(line));
    CHECK_INT(count_in(state), 0);
}

static void test_a_unit_that_somebody_wrote_is_left_alone(void)
{
    struct object o;
    struct err err = ERR_INIT;
    struct systemd_bus first = bus;
    host_scope_choose("systemd");
    init(&o, state);
    systemd_bus_close(&first);
    CHECK(systemd_bus_open(&bus, (const char *const[]){"file", o.name, NULL}));
    CHECK_INT(find(&o), ERR_PRECONDITION);
    CHECK_INT(make(&o, &err), ERR_PRECONDITION);
    CHECK_INT(remove_it(&o, &err), ERR_PRECONDITION);
    CHECK_CONTAINS(err.message, "not ours");
    CHECK_INT(count_in(state), 0);
    systemd_bus_close(&bus);
}

static void test_a_systemd_that_hangs_or_is_gone_is_told(void)
{
    struct object o;
    struct err err = ERR_INIT;
    CHECK(systemd_bus_open(&bus, (const char *const[]){"hang", NULL}));
    init(&o, state);
    CHECK_INT(make(&o, &err), ERR_DEADLINE);
    CHECK_CONTAINS(err.message, "within 5 s");
    systemd_bus_close(&bus);
    CHECK_INT(make(&o, &err), ERR_UNAVAILABLE);
    host_scope_choose("systemd");
    CHECK(!host_scope()->usable);
    CHECK_STR(host_scope()->by, "none");
    CHECK(strlen(host_scope()->why_not) > 0);
}

/* cgroup */

static bool is_in(pid_t pid, const char *scope)
{
    char path[32], line[512];
    bool found = false;
    const char *last = strstr(scope, "/banger/");
    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    auto_file FILE *file = fopen(path, "re");
    while (file && last && fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = '\0';
        found |= strncmp(line, "0::", 3) == 0 && strlen(line) >= strlen(last) &&
                 strcmp(line + strlen(line) - strlen(last), last) == 0;
    }
    return found;
}

static void test_a_cgroup_has_its_process_from_the_beginning(void)
{
    struct object o;
    struct err err = ERR_INIT;
    int in_fd;
    init(&o, state);
    CHECK_INT(find(&o), ERR_NOT_FOUND);
    CHECK_INT(make(&o, &err), ERR_NONE);
    CHECK_INT(make(&o, &err), ERR_NONE);
    CHECK_INT(find(&o), ERR_NONE);
    CHECK_INT(count_in(state), 1);
    CHECK_INT(count_in(other_state), 0);
    pid_t pid = begin(o.name, &in_fd, &err);
    CHECK(is_in(pid, o.name));
    CHECK_INT(remove_it(&o, &err), ERR_PRECONDITION);
    CHECK_CONTAINS(err.message, "still lives");
    end(pid, in_fd);
    CHECK_INT(remove_it(&o, &err), ERR_NONE);
    CHECK_INT(find(&o), ERR_NOT_FOUND);
    CHECK_INT(remove_it(&o, &err), ERR_NONE);
    CHECK_INT(begin(o.name, &in_fd, &err), -1);
    CHECK_INT(err.code, ERR_NOT_FOUND);
    close(in_fd);
}

/* One that was killed and not waited for is no reason to keep it. */
static void test_a_cgroup_goes_with_the_last_that_dies(void)
{
    struct object o;
    struct err err = ERR_INIT;
    int in_fd;
    init(&o, state);
    CHECK_INT(make(&o, &err), ERR_NONE);
    pid_t pid = begin(o.name, &in_fd, &err);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(remove_it(&o, &err), ERR_NONE);
    end(pid, in_fd);
}

/* Each limit holds, or is refused by name: never taken and not kept. */
static void *wait_for_the_end(void *arg)
{
    pause();
    return arg;
}

/* A process with memory, and with threads, one of which is the last. */
static pid_t begin_large(const char *scope)
{
    enum { LARGE = 64 << 20, PAGE = 4096, N_THREADS = 8 };
    int ends[2];
    char byte;
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        char *memory =
            mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t i = 0; memory != MAP_FAILED && i < LARGE; i += PAGE)
            memory[i] = 1;
        for (int i = 0; i < N_THREADS; i++)
            pthread_create(&thread, NULL, wait_for_the_end, NULL);
        if (write(ends[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    CHECK_INT(read(ends[0], &byte, 1), 1);
    CHECK_INT(host_scope_backend()->enter(scope, pid, NULL), 0);
    close(ends[0]);
    close(ends[1]);
    return pid;
}

/* Who ends may be listed no more and be there all the same, until its memory is gone: in about
 * every third round. */
static void test_a_cgroup_waits_for_who_is_not_listed_any_more(void)
{
    struct object o;
    struct err err = ERR_INIT;
    init(&o, state);
    for (int round = 0; round < 12; round++) {
        pid_t listed = 1;
        CHECK_INT(make(&o, &err), ERR_NONE);
        pid_t pid = begin_large(o.name);
        kill(pid, SIGKILL);
        while (listed != 0 && host_scope_backend()->first_process(o.name, &listed, &err) == 0)
            continue;
        if (!CHECK_INT(remove_it(&o, &err), ERR_NONE))
            fprintf(stderr, "%s\n", err.message);
        CHECK_INT(waitpid(pid, NULL, 0), pid);
        remove_it(&o, &err);
    }
}

static void test_limits_hold_or_are_refused(void)
{
    static const struct vm_limits limits[] = {
        {.memory_max_bytes = 1 << 30}, {.cpu_quota_percent = 150}, {.tasks_max = 64}};
    static const char *const files[] = {"memory.max", "cpu.max", "pids.max"}, *const values[] = {
                                                                                  "1073741824\n",
                                                                                  "150000 100000\n",
                                                                                  "64\n"};
    for (int i = 0; i < N_SCOPE_LIMITS; i++) {
        struct object o;
        struct err err = ERR_INIT;
        char path[VM_PATH_BYTES + 32], text[64] = "";
        init(&o, state);
        o.limits = limits[i];
        if (!(host_scope()->can >> i & 1)) {
            CHECK_INT(make(&o, &err), ERR_PRECONDITION);
            CHECK_STR(err.reason, "LIMITS_UNAVAILABLE");
            CHECK_CONTAINS(err.message, host_scope_limit_name((enum scope_limit)i));
            CHECK_CONTAINS(err.message, "cgroup");
            CHECK_INT(find(&o), ERR_NOT_FOUND);
            continue;
        }
        CHECK_INT(make(&o, &err), ERR_NONE);
        snprintf(path, sizeof(path), "%s/%s", o.name, files[i]);
        auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
        CHECK(read(fd, text, sizeof(text) - 1) > 0);
        CHECK_STR(text, values[i]);
        CHECK_INT(remove_it(&o, &err), ERR_NONE);
    }
}

static void test_strange_groups_are_never_listed(void)
{
    struct object o;
    struct err err = ERR_INIT;
    char path[VM_PATH_BYTES + 8];
    init(&o, state);
    snprintf(path, sizeof(path), "%s0", o.name); /* no id */
    CHECK_INT(mkdir(path, 0755), 0);
    CHECK_INT(count_in(state), 0);
    CHECK_INT(rmdir(path), 0);
    CHECK_INT(make(&o, &err), ERR_NONE);
    CHECK_INT(chown(o.name, 12345, 12345), 0);
    CHECK_INT(count_in(state), 0);
    CHECK_INT(make(&o, &err), ERR_PRECONDITION);
    CHECK_INT(remove_it(&o, &err), ERR_PRECONDITION);
    CHECK_INT(rmdir(o.name), 0);
}

/* None */

static void test_without_scopes_limits_are_refused(void)
{
    struct object o;
    struct err err = ERR_INIT;
    struct vm_limits none = {0}, some = {.cpu_quota_percent = 1};
    host_scope_choose("none");
    CHECK(!host_scope()->usable);
    CHECK_INT(object_init(&o, "scope", state, vm_id, OBJECT_SCOPE, &err), -1);
    CHECK_INT(err.code, ERR_PRECONDITION);
    CHECK_INT(host_scope_check_limits(&none, &err), 0);
    CHECK_INT(host_scope_check_limits(&some, &err), -1);
    CHECK_STR(err.reason, "LIMITS_UNAVAILABLE");
    CHECK_CONTAINS(err.message, "cpu");
    CHECK_INT(host_scope_check_wish("auto", &err), 0);
    CHECK_INT(host_scope_check_wish("systemd", &err), 0);
    CHECK_INT(host_scope_check_wish("docker", &err), -1);
    CHECK_INT(count_in(state), 0);
}

static void run_systemd(void)
{
    const char *lacks = systemd_bus_lacks();
    if (lacks) {
        printf("     systemd left out: %s\n", lacks);
        return;
    }
    CHECK(systemd_bus_open(&bus, NULL));
    host_scope_choose("systemd");
    if (!CHECK_STR(host_scope()->by, "systemd"))
        fprintf(stderr, "%s\n", host_scope()->why_not);
    CHECK_INT(host_scope()->can, (1 << N_SCOPE_LIMITS) - 1);
    RUN(test_systemd_has_a_slice_with_limits_and_a_scope_per_launch);
    RUN(test_what_systemd_refuses_begins_nothing);
    RUN(test_slices_are_listed_by_their_state_folder);
    RUN(test_a_unit_that_somebody_wrote_is_left_alone);
    RUN(test_a_systemd_that_hangs_or_is_gone_is_told);
}

static void run_cgroup(void)
{
    host_scope_choose("cgroup");
    if (!host_scope()->usable) {
        printf("     cgroup left out: %s\n", host_scope()->why_not);
        return;
    }
    printf("     cgroup can 0x%x; %s\n", host_scope()->can, host_scope()->why_not);
    RUN(test_a_cgroup_has_its_process_from_the_beginning);
    RUN(test_a_cgroup_goes_with_the_last_that_dies);
    RUN(test_a_cgroup_waits_for_who_is_not_listed_any_more);
    RUN(test_limits_hold_or_are_refused);
    RUN(test_strange_groups_are_never_listed);
}

int main(void)
{
    strcpy(state, "/tmp/banger-scope-XXXXXX");
    strcpy(other_state, "/tmp/banger-scope-XXXXXX");
    if (!mkdtemp(state) || !mkdtemp(other_state))
        return EXIT_FAILURE;
    run_systemd();
    run_cgroup();
    RUN(test_without_scopes_limits_are_refused);
    fs_remove_tree(state, NULL);
    fs_remove_tree(other_state, NULL);
    return check_end();
}
