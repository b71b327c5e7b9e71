/* Faults in front of the sim driver, and through them the contract of vmm.c. */
#include <unistd.h>

#include "base/fs.h"
#include "daemon/vmm/fault.h"
#include "daemon/vmm/vmm.h"
#include "rpc/event/loop.h"
#include "rpc/event/worker.h"
#include "tests/support/check.h"

enum { DEADLINE_MS = 10000 };

struct stage {
    struct loop *loop;
    struct workers *workers;
    struct vmm_host host;
    struct vmm_config config;
    struct vmm_machine *m;
    struct timer guard;
    char dir[40];
};

struct outcome {
    struct stage *stage;
    int calls;
    struct err err;
};

static void guarded(void *arg)
{
    (void)arg;
    fprintf(stderr, "waited in vain\n");
    exit(1);
}

static void finished(void *arg, const struct err *err)
{
    struct outcome *o = arg;
    o->calls++;
    if (err)
        o->err = *err;
    loop_stop(o->stage->loop);
}

static void wait_for(struct stage *s, const struct outcome *o)
{
    timer_start(&s->guard, DEADLINE_MS);
    while (o->calls == 0)
        loop_run(s->loop, NULL);
    timer_stop(&s->guard);
}

static void stage_init(struct stage *s, const char *faults)
{
    struct err err = ERR_INIT;
    *s = (struct stage){.m = NULL};
    strcpy(s->dir, "/tmp/banger-fault-XXXXXX");
    if (!mkdtemp(s->dir))
        exit(1);
    s->loop = loop_new(&err);
    s->workers = workers_new(s->loop, "test", 1, 16, &err);
    timer_init(&s->guard, s->loop, guarded, s);
    s->host = (struct vmm_host){.loop = s->loop, .quick = s->workers};
    strcpy(s->config.vm_id, "0123456789abcdef");
    snprintf(s->config.vm_dir, sizeof(s->config.vm_dir), "%s/vm", s->dir);
    snprintf(s->config.api_sock_path, sizeof(s->config.api_sock_path), "%s/vm/api", s->dir);
    snprintf(s->config.channel.path, sizeof(s->config.channel.path), "%s/vm/agent", s->dir);
    snprintf(s->config.console.log_path, sizeof(s->config.console.log_path), "%s/vm/log", s->dir);
    CHECK_INT(fs_make_dirs(s->config.vm_dir, 0700, &err), 0);
    CHECK_INT(fs_write_scratch(s->config.console.log_path, "word", 4, 0600, &err), 0);
    CHECK_INT(fault_install("sim", &err), 0);
    CHECK_INT(fault_parse(faults, &err), 0);
    s->m = vmm_open(vmm_find_driver("sim", &err), &s->host, &s->config, NULL, NULL, &err);
    if (!CHECK(s->m))
        exit(1);
}

static void stage_done(struct stage *s)
{
    vmm_close(s->m);
    workers_close(s->workers);
    timer_done(&s->guard);
    loop_free(s->loop);
    fault_install(NULL, NULL);
    fs_remove_tree(s->dir, NULL);
}

static enum err_code discard(struct stage *s)
{
    struct outcome o = {.stage = s};
    vmm_discard(s->m, finished, &o);
    CHECK_INT(o.calls, 0);
    wait_for(s, &o);
    CHECK_INT(o.calls, 1);
    return o.err.code;
}

static bool discarded(const struct stage *s)
{
    return access(s->config.console.log_path, F_OK) < 0;
}

static void test_fails_so_often(void)
{
    struct stage s;
    stage_init(&s, "discard=fail:8*2");
    CHECK_INT(discard(&s), ERR_LIMIT);
    CHECK_INT(discard(&s), ERR_LIMIT);
    CHECK(!discarded(&s));
    CHECK_INT(discard(&s), ERR_NONE);
    CHECK(discarded(&s));
    stage_done(&s);
}

static void test_fails_after_the_fact(void)
{
    struct stage s;
    stage_init(&s, "discard=fail-done");
    CHECK_INT(discard(&s), ERR_UNAVAILABLE);
    CHECK(discarded(&s));
    stage_done(&s);
}

static void test_delays(void)
{
    struct stage s;
    stage_init(&s, "discard=delay:20");
    CHECK_INT(discard(&s), ERR_NONE);
    CHECK(discarded(&s));
    stage_done(&s);
}

static void test_hang_ends_with_kill(void)
{
    struct stage s;
    stage_init(&s, "discard=hang");
    struct outcome hung = {.stage = &s}, busy = {.stage = &s}, killed = {.stage = &s};
    vmm_discard(s.m, finished, &hung);
    vmm_start(s.m, finished, &busy);
    wait_for(&s, &busy);
    CHECK_INT(busy.err.code, ERR_PRECONDITION);
    CHECK_STR(busy.err.reason, "VMM_BUSY");
    CHECK_INT(hung.calls, 0);
    vmm_kill(s.m, finished, &killed);
    wait_for(&s, &hung);
    wait_for(&s, &killed);
    CHECK_INT(hung.err.code, ERR_ABORTED);
    CHECK_INT(killed.err.code, ERR_NONE);
    CHECK(!discarded(&s));
    stage_done(&s);
}

static void test_close_forgets_everything(void)
{
    struct stage s;
    stage_init(&s, "kill=hang,start=delay:1");
    struct outcome o = {.stage = &s};
    vmm_start(s.m, finished, &o);
    vmm_kill(s.m, finished, &o);
    vmm_kill(s.m, finished, &o); /* refused, later */
    stage_done(&s);
    CHECK_INT(o.calls, 0);
}

static void stop_at_once(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    vmm_stop(m, 0, done, arg);
}

static void adopt(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    vmm_adopt(m, NULL, done, arg);
}

/* Once, with the code that was given; the next call is the driver's own. */
static void test_every_method_fails(void)
{
    static const struct {
        const char *name;
        void (*call)(struct vmm_machine *m, vmm_done_fn *done, void *arg);
    } methods[] = {{"start", vmm_start},    {"adopt", adopt},     {"stop", stop_at_once},
                   {"kill", vmm_kill},      {"pause", vmm_pause}, {"resume", vmm_resume},
                   {"discard", vmm_discard}};
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        struct stage s;
        char faults[32], told[64];
        snprintf(faults, sizeof(faults), "%s=fail:8*1", methods[i].name);
        snprintf(told, sizeof(told), "injected instead of %s", methods[i].name);
        stage_init(&s, faults);
        struct outcome first = {.stage = &s}, second = {.stage = &s};
        methods[i].call(s.m, finished, &first);
        CHECK_INT(first.calls, 0);
        wait_for(&s, &first);
        CHECK_INT(first.calls, 1);
        CHECK_INT(first.err.code, 8);
        CHECK_STR(first.err.message, told);
        methods[i].call(s.m, finished, &second);
        wait_for(&s, &second);
        CHECK(second.err.code != 8);
        stage_done(&s);
    }
}

static void test_texts(void)
{
    static const char *const wrong[] = {"start",     "start=",         "start=explode",
                                        "walk=fail", "start=fail:14x", "start=fail*-1",
                                        "=fail"};
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        if (!CHECK_INT(fault_parse(wrong[i], &err), -1))
            fprintf(stderr, "taken: %s\n", wrong[i]);
    CHECK_INT(fault_parse("", &err), 0);
    CHECK_INT(fault_install("no such driver", &err), -1);
    fault_clear();
}

int main(void)
{
    RUN(test_fails_so_often);
    RUN(test_fails_after_the_fact);
    RUN(test_delays);
    RUN(test_hang_ends_with_kill);
    RUN(test_close_forgets_everything);
    RUN(test_every_method_fails);
    RUN(test_texts);
    return check_end();
}
