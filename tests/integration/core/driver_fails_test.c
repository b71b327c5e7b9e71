/* Each method of a driver fails once, at once or after it has done its work, as the core meets it:
 * the operation says why, the VM's state is a true one, nothing is left over, and the next try
 * works. Over the sim driver and a real store. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/vm/vm_ops.h"
#include "daemon/vmm/fault.h"
#include "tests/integration/core/world.h"
#include "tests/support/check.h"

static char dir[PATH_BYTES];
static struct world w;

static const char *const states[] = {
    [VM_STATE_UNSPECIFIED] = "removed", [VM_RUNNING] = "RUNNING", [VM_PAUSED] = "PAUSED",
    [VM_STOPPED] = "STOPPED",           [VM_FAILED] = "FAILED",   [VM_UNKNOWN] = "UNKNOWN"};

/* Begins what the case is about; NULL with err. */
static struct operation_entry *begin(const char *what, struct err *err)
{
    if (strcmp(what, "start") == 0)
        return vm_ask_start(&w.core, &(struct vm_start_request){.vm = "box"}, NULL, err);
    if (strcmp(what, "stop") == 0)
        return vm_ask_stop(&w.core, &(struct vm_stop_request){.vm = "box"}, NULL, err);
    if (strcmp(what, "kill") == 0)
        return vm_ask_kill(&w.core, "box", NULL, err);
    if (strcmp(what, "pause") == 0)
        return vm_ask_pause(&w.core, "box", NULL, err);
    if (strcmp(what, "resume") == 0)
        return vm_ask_resume(&w.core, "box", NULL, err);
    if (strcmp(what, "recover") == 0)
        return vm_ask_recover(&w.core, "box", NULL, err);
    struct vm_delete_request req = {.vm = "box", .force = true};
    return vm_ask_delete(&w.core, &req, NULL, err);
}

/* The operation's row at its end; text is its error. */
static enum op_state act(const char *what, char text[TEXT_BYTES])
{
    struct err err = ERR_INIT;
    struct operation_entry *op = begin(what, &err);
    text[0] = '\0';
    if (!op) {
        snprintf(text, TEXT_BYTES, "%s", err.message);
        return OP_STATE_UNSPECIFIED;
    }
    operation_ref(op);
    CHECK(world_wait(&w, op));
    enum op_state state = operation_row(op)->state;
    CHECK_INT(operation_row(op)->error_code, state == OP_FAILED ? ERR_UNAVAILABLE : ERR_NONE);
    snprintf(text, TEXT_BYTES, "%s", text_get(operation_row(op)->error_message));
    operation_unref(op);
    return state;
}

static bool works(const char *what)
{
    char text[TEXT_BYTES];
    bool ok = CHECK_INT(act(what, text), OP_SUCCEEDED);
    if (!ok)
        fprintf(stderr, "%s: %s\n", what, text);
    return ok;
}

static enum vm_state state_of(const char *name)
{
    const struct vm_entry *e = vm_find(&w.core, name, NULL);
    return e ? vm_record(e)->runtime.state : VM_STATE_UNSPECIFIED;
}

static void check_state(enum vm_state want)
{
    enum vm_state state = state_of("box");
    if (!CHECK_INT(state, want))
        fprintf(stderr, "it is %s, not %s\n", vm_state_name(state), states[want]);
}

static void set_fault(const char *method, enum fault_action action)
{
    struct err err = ERR_INIT;
    struct fault fault = {.action = action, .code = ERR_UNAVAILABLE, .times = 1};
    CHECK_INT(fault_set(method, &fault, &err), 0);
}

struct failing {
    const char *method;
    const char *before; /* makes the VM, which runs, ready for it; NULL: nothing */
    const char *what;   /* is asked for */
    bool tells;         /* and fails; else the core has another way */
    /* Where the VM is when the method failed instead of its work, or behind it. */
    enum vm_state at_once, behind;
    const char *again; /* is asked for next */
    enum vm_state then;
};

static const struct failing cases[] = {
    {"start", "stop", "start", true, VM_FAILED, VM_FAILED, "start", VM_RUNNING},
    {"stop", NULL, "stop", false, VM_STOPPED, VM_STOPPED, "start", VM_RUNNING}, /* is killed */
    {"kill", NULL, "kill", true, VM_UNKNOWN, VM_STOPPED, "kill", VM_STOPPED},
    {"pause", NULL, "pause", true, VM_RUNNING, VM_RUNNING, "pause", VM_PAUSED},
    {"resume", "pause", "resume", true, VM_PAUSED, VM_PAUSED, "resume", VM_RUNNING},
    {"discard", "stop", "delete", true, VM_FAILED, VM_FAILED, "delete", VM_STATE_UNSPECIFIED},
};

static void check_case(const struct failing *c, bool behind)
{
    char text[TEXT_BYTES], label[64];
    snprintf(label, sizeof(label), "%s fails %s", c->method,
             behind ? "behind its work" : "at once");
    int before = check_failures;
    if (!CHECK(world_create(&w, "box", true) != NULL))
        return;
    if (c->before)
        works(c->before);
    set_fault(c->method, behind ? FAULT_FAIL_DONE : FAULT_FAIL);
    CHECK_INT(act(c->what, text), c->tells ? OP_FAILED : OP_SUCCEEDED);
    CHECK_CONTAINS(text, !c->tells ? "" : behind ? "injected after" : "injected instead of");
    check_state(behind ? c->behind : c->at_once);
    works(c->again);
    check_state(c->then);
    if (c->then != VM_STATE_UNSPECIFIED)
        works("delete");
    check_state(VM_STATE_UNSPECIFIED);
    CHECK_INT(world_count_monitors(&w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    fault_clear();
    if (check_failures != before)
        fprintf(stderr, "where %s\n", label);
}

static void test_each_method_fails_once(void)
{
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        check_case(&cases[i], false);
        check_case(&cases[i], true);
    }
    world_close(&w);
}

/* adopt is asked for as the daemon starts; what it cannot tell is UNKNOWN until it can. */
static void check_adopt(enum fault_action action)
{
    char text[TEXT_BYTES];
    if (!CHECK(world_open(&w, dir, "sim")) || !CHECK(world_create(&w, "box", true) != NULL))
        return;
    pid_t pid = vm_handles(vm_find(&w.core, "box", NULL))->pid;
    world_close(&w);
    set_fault("adopt", action);
    if (!CHECK(world_open(&w, dir, "sim")))
        return;
    check_state(VM_UNKNOWN);
    CHECK_INT(world_count_monitors(&w), 1);
    set_fault("adopt", action);
    CHECK_INT(act("recover", text), OP_FAILED);
    CHECK_CONTAINS(text, action == FAULT_FAIL ? "injected instead of" : "injected after");
    check_state(VM_UNKNOWN);
    works("recover");
    check_state(VM_RUNNING);
    CHECK_INT(vm_handles(vm_find(&w.core, "box", NULL))->pid, pid);
    CHECK_INT(world_count_monitors(&w), 1);
    works("delete");
    CHECK_INT(world_count_monitors(&w), 0);
    CHECK_INT(world_count_entries(dir, "vms"), 0);
    world_close(&w);
    fault_clear();
}

static void test_adopt_fails_at_once(void)
{
    check_adopt(FAULT_FAIL);
}

static void test_adopt_fails_behind_its_work(void)
{
    check_adopt(FAULT_FAIL_DONE);
}

int main(void)
{
    struct err err = ERR_INIT;
    world_make_dir(dir);
    if (fault_install("sim", &err) < 0)
        return EXIT_FAILURE;
    RUN(test_each_method_fails_once);
    RUN(test_adopt_fails_at_once);
    RUN(test_adopt_fails_behind_its_work);
    fault_install(NULL, NULL);
    world_remove_dir(dir);
    return check_end();
}
