/* How guests end, and that it is known how, whoever looks. */
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/vmm/qmp.h"
#include "tests/integration/vmm/conformance.h"
#include "tests/support/check.h"

static void test_ways_to_end(void)
{
    static const struct {
        const char *mode, *log;
        enum vmm_exit_kind kind;
    } cases[] = {{"off", "guest is up", VMM_EXIT_POWER_OFF},
                 {"reset", "guest is up", VMM_EXIT_REBOOT},
                 {"boast", "Kernel panic", VMM_EXIT_REBOOT},
                 {"panic", "Kernel panic", VMM_EXIT_PANIC}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct world w;
        world_init(&w, driver, cases[i].mode);
        if (CHECK(world_up(&w))) {
            world_wait_exit(&w);
            CHECK_INT(w.exit.kind, cases[i].kind);
            if (cases[i].kind == VMM_EXIT_PANIC)
                CHECK_CONTAINS(w.exit.detail,
                               "Kernel panic - not syncing: Attempted to kill init!");
            CHECK(!strchr(w.exit.detail, '\033'));
            CHECK_INT(world_do(&w, W_KILL), ERR_NONE); /* the log's job is over, too */
            check_log_has(&w, cases[i].log);
        }
        world_done(&w);
    }
}

static void bystander_event(void *arg, const char *name, const json_t *data)
{
    struct outcome *o = arg;
    (void)data;
    if (strcmp(name, "SHUTDOWN") == 0)
        world_done_fn(o, NULL);
}

static void bystander_up(void *arg)
{
    (void)arg;
}

/* The guest ends while no daemon looks; what it said and that it ended is not lost. A connection of
 * the test's own tells when. */
static void end_unseen(const char *mode, enum vmm_exit_kind kind, const char *said)
{
    static const struct qmp_events events = {.up = bystander_up, .event = bystander_event};
    struct world w;
    struct qmp bystander;
    struct outcome over = {.world = &w};
    world_init(&w, driver, mode);
    if (!CHECK(world_up(&w)))
        goto out;
    vmm_close(w.m);
    CHECK_INT(qmp_init(&bystander, w.loop, w.config.api_sock_path, &events, &over), 0);
    qmp_open(&bystander);
    world_wait(&w, &over);
    qmp_done(&bystander);
    w.m = NULL;
    world_reopen(&w);
    CHECK_INT(world_adopt(&w, &(struct vm_handles){.pid = 0}), ERR_NONE);
    world_wait_exit(&w);
    CHECK_INT(w.exit.kind, kind);
    CHECK_CONTAINS(w.exit.detail, said);
    check_no_remains(&w);
    CHECK_INT(world_do(&w, W_KILL), ERR_NONE);
    check_log_has(&w, said);
out:
    world_done(&w);
}

static void passed(void *arg)
{
    world_done_fn(arg, NULL);
}

static void let_pass(struct world *w, int64_t ms)
{
    struct outcome over = {.world = w};
    struct timer later;
    CHECK_INT(timer_init(&later, w->loop, passed, &over), 0);
    timer_start(&later, ms);
    world_wait(w, &over);
    timer_done(&later);
}

static bool log_has(const struct world *w, const char *text)
{
    auto_free char *log = NULL;
    return fs_read(w->config.console.log_path, 4 << 20, &log, NULL, NULL) == 0 && strstr(log, text);
}

static void test_ends_unseen(void)
{
    end_unseen("off", VMM_EXIT_UNSEEN, "guest is up");
    end_unseen("panic", VMM_EXIT_PANIC, "Kernel panic");
}

/* A process that stays when its guest has halted: whoever finds it sees why it does nothing. */
static void test_a_halted_guest_is_found(void)
{
    struct world w;
    world_init(&w, driver, "off");
    if (CHECK(world_up(&w))) {
        world_reopen(&w);
        CHECK_INT(world_adopt(&w, NULL), ERR_NONE);
        world_wait_exit(&w);
        CHECK_INT(w.exit.kind, VMM_EXIT_POWER_OFF);
        check_no_remains(&w);
    }
    world_done(&w);
}

/* As a daemon leaves it that is killed before it has told its VMM all: a process without a guest.
 */
static void test_a_start_that_was_cut_off_is_ended(void)
{
    struct world w;
    char id[64];
    world_init(&w, driver, "stay");
    snprintf(id, sizeof(id), "banger-%s", w.config.vm_id);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir(w.config.vm_dir) == 0)
            execl(w.host.firecracker_path, w.host.firecracker_path, "--id", id, "--api-sock",
                  w.config.api_sock_path, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 200 && !world_exists(w.config.api_sock_path); i++)
        let_pass(&w, 50);
    CHECK_INT(world_adopt(&w, NULL), ERR_NONE);
    world_wait_exit(&w);
    CHECK_INT(w.exit.kind, VMM_EXIT_UNSEEN);
    CHECK_CONTAINS(w.exit.detail, "its start was cut off");
    CHECK(!world_alive(pid));
    check_no_remains(&w);
    CHECK_INT(world_do(&w, W_START), ERR_NONE);
    world_done(&w);
}

/* Those who are not halted are left alone, whatever is on their console. */
static void test_words_alone_end_no_guest(void)
{
    struct world w;
    world_init(&w, driver, "pretend");
    if (CHECK(world_up(&w))) {
        for (int i = 0; i < 300 && !log_has(&w, "reboot: System halted"); i++)
            let_pass(&w, 100);
        let_pass(&w, 5000); /* longer than a halted one is looked at */
        CHECK_INT(w.exits, 0);
        CHECK_INT(world_do(&w, W_KILL), ERR_NONE);
        check_log_has(&w, "reboot: System halted");
    }
    world_done(&w);
}

void conformance_ends(void)
{
    RUN(test_ways_to_end);
    if (strcmp(driver->name, "qemu") == 0) {
        RUN(test_ends_unseen);
    } else {
        RUN(test_a_halted_guest_is_found);
        RUN(test_a_start_that_was_cut_off_is_ended);
        RUN(test_words_alone_end_no_guest);
    }
}
