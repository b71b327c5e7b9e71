/* Output of sessions as their guest shuts down: a guest that says so again and again is saved once,
 * and a disk that fails meanwhile costs what it did not take, and nothing else. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/core/session/session_internal.h"
#include "tests/integration/session/viewer.h"
#include "tests/integration/session/world.h"
#include "tests/support/check.h"

enum {
    MUCH_BYTES = 5 * 1024 * 1024,
    FEW_BYTES = 1000,
    DISK_BYTES = 2 * 1024 * 1024, /* of one file, the database's among them */
    TIMES = 50
};

static unsigned n_told; /* so often was the guest told that it may go */
void __real_agent_client_shutdown_saved(struct agent_client *c);
void __wrap_agent_client_shutdown_saved(struct agent_client *c);

void __wrap_agent_client_shutdown_saved(struct agent_client *c)
{
    n_told++;
    __real_agent_client_shutdown_saved(c);
    world_poke();
}

static bool is_told(void *arg)
{
    return n_told >= *(unsigned *)arg;
}

/* What its guest says; until it is told that it may go. */
static void shut_down(void)
{
    unsigned wanted = n_told + 1;
    world_shutting_down();
    CHECK(world_run(is_told, &wanted));
}

static struct session_entry *write_bytes(size_t n)
{
    struct err err = ERR_INIT;
    char script[160];
    snprintf(script, sizeof(script), "head -c %zu %s; exit 4", n, world.source_path);
    struct session_entry *e = world_start(script, NULL, &err);
    CHECK(e && world_wait_ended(e));
    return e;
}

static void path_of(const struct session_entry *e, char path[160])
{
    snprintf(path, 160, "%s/output/%s", world.agent.dir, session_record(e)->id);
}

/* What can be read of it when its guest has gone. */
static void check_kept(struct session_entry *e, size_t total, size_t least, size_t most)
{
    struct viewer v = {0};
    viewer_open(&v, e, &from_start);
    CHECK(viewer_finish_exit(&v));
    CHECK_INT(v.total[0], total);
    CHECK_INT(v.got[0] + v.gaps[0], total);
    CHECK(v.got[0] >= least && v.got[0] <= most);
    CHECK_INT(session_record(e)->exit_code, 4);
    CHECK_STR(v.gap_reason, v.got[0] < total ? "vm_stopped" : "");
    viewer_close(&v);
}

static void end_guest(void)
{
    world_close_link();
    world_vm_gone("vm_stopped");
}

static void test_a_guest_that_says_so_again_is_saved_once(void)
{
    char path[160];
    struct stat st;
    world_open_daemon(-1);
    struct session_entry *e = write_bytes(FEW_BYTES);
    path_of(e, path);
    shut_down();
    CHECK_INT(truncate(path, 0), 0); /* whoever writes it again is seen */
    for (int i = 0; i < TIMES; i++)
        shut_down();
    world_close_link();
    world_open_link(); /* on a new link, too */
    world_settle();
    shut_down();
    CHECK_INT(stat(path, &st), 0);
    CHECK_INT(st.st_size, 0);
    end_guest();
    world_open_link();
    world_settle();
    shut_down(); /* another machine's end */
    CHECK_INT(stat(path, &st), 0);
    CHECK(st.st_size > FEW_BYTES);
    end_guest();
    check_kept(e, FEW_BYTES, FEW_BYTES, FEW_BYTES);
    world_delete_all();
    world_close_daemon();
}

static void test_a_disk_that_fails_amid_it_costs_what_it_did_not_take(void)
{
    struct rlimit was, small;
    world_open_daemon(-1);
    struct session_entry *few = write_bytes(FEW_BYTES), *much = write_bytes(MUCH_BYTES),
                         *last = write_bytes(FEW_BYTES);
    signal(SIGXFSZ, SIG_IGN); /* the write fails instead */
    CHECK_INT(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = was;
    small.rlim_cur = DISK_BYTES;
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &small), 0);
    shut_down();
    CHECK_INT(setrlimit(RLIMIT_FSIZE, &was), 0);
    end_guest();
    check_kept(few, FEW_BYTES, FEW_BYTES, FEW_BYTES);
    check_kept(much, MUCH_BYTES, DISK_BYTES / 2, DISK_BYTES);
    check_kept(last, FEW_BYTES, FEW_BYTES, FEW_BYTES);
    world_open_link();
    world_settle();
    world_delete_all();
    world_close_daemon();
}

int main(void)
{
    world_begin();
    RUN(test_a_guest_that_says_so_again_is_saved_once);
    RUN(test_a_disk_that_fails_amid_it_costs_what_it_did_not_take);
    world_end();
    return check_end();
}
