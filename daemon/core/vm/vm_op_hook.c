/* The step of operations in which a VM's hook runs, and what a hook may be; see vm_hook.h.
 *
 * The VM stays RUNNING meanwhile: a guest that is about to stop starts no command any more. A step
 * that is gone on with finds the run of the one before by the operation's id. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/core/core.h"
#include "daemon/core/event/event.h"
#include "daemon/core/vm/vm_hook.h"
#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_run.h"

enum { HOOK_USUAL_MS = 30000, HOOK_MAX_MS = 3600 * 1000 };

static int hook_invalid(struct err *err, const char *what)
{
    err_set(err, ERR_INVALID, "stop_hook: %s", what);
    return err_tag(err, "INVALID_SPEC", NULL);
}

int vm_hook_check_made(const struct vm_hook *hook, struct err *err)
{
    const struct blob *argv = &hook->argv;
    size_t n = 0;
    for (size_t i = 0; i < argv->len; i++)
        n += argv->data[i] == '\0';
    if (argv->len > 0 && (argv->data[argv->len - 1] != '\0' || argv->data[0] == '\0'))
        return hook_invalid(err, "argv needs at least the name of a program");
    if (argv->len > VM_HOOK_BYTES || n > VM_HOOK_ARGS_MAX)
        return hook_invalid(err, "argv can be 64 strings, and 4096 bytes");
    if (hook->timeout_ms > HOOK_MAX_MS)
        return hook_invalid(err, "timeout_ms can be up to an hour");
    return 0;
}

int vm_hook_check(struct vm_hook *hook, struct err *err)
{
    if (hook->argv.len == 0)
        hook->timeout_ms = 0;
    else if (hook->timeout_ms == 0)
        hook->timeout_ms = HOOK_USUAL_MS;
    return vm_hook_check_made(hook, err);
}

json_t *vm_hook_write(const struct vm_hook *hook)
{
    const char *at = (const char *)hook->argv.data, *end = at + hook->argv.len;
    json_t *argv = json_array();
    for (; argv && at < end; at += strlen(at) + 1)
        if (json_array_append_new(argv, json_string(at)) < 0) {
            json_decref(argv);
            return NULL;
        }
    return json_pack("{s:o, s:I}", "argv", argv, "timeout_ms", (json_int_t)hook->timeout_ms);
}

int vm_hook_read(const json_t *o, struct vm_hook *hook)
{
    const json_t *each, *list = json_object_get(o, "argv");
    char argv[VM_HOOK_BYTES];
    size_t at, len = 0;
    hook->timeout_ms = (uint32_t)json_integer_value(json_object_get(o, "timeout_ms"));
    json_array_foreach(list, at, each)
    {
        size_t n = json_string_length(each) + 1;
        if (n > sizeof(argv) - len)
            return -1;
        memcpy(argv + len, json_string_value(each), n);
        len += n;
    }
    return blob_set(&hook->argv, argv, len);
}

/* The step */

bool vm_step_hook_skip(struct operation_entry *op)
{
    const struct vm_entry *e = vm_run_find(op);
    struct vm_params params;
    vm_run_params(op, &params);
    return !e || e->vm.spec.stop_hook.argv.len == 0 || params.force || params.grace_ms == 0 ||
           !vm_hook_runner(e->core) ||
           (e->vm.runtime.state != VM_RUNNING && e->vm.runtime.state != VM_PAUSED);
}

/* It has been told to end, whatever its hook makes of that. */
void vm_step_hook_journal(struct operation_entry *op, struct store_txn *txn)
{
    struct vm_entry *e = vm_run_find(op);
    if (!e || e->vm.wanted == VM_WANTED_STOPPED)
        return;
    vm_edit(e)->wanted = VM_WANTED_STOPPED;
    e->reboot = VM_REBOOT_NONE;
    vm_save(e, txn);
    vm_notify(e);
}

static void hook_ended(void *arg, const char *run_id, const struct err *err)
{
    struct vm_run *run = arg;
    struct operation_entry *op = run->op;
    const struct vm *vm = &run->vm->vm;
    char detail[TEXT_BYTES], resource[96];
    run->hook = NULL;
    operation_let_stop(op, NULL);
    vm_resource(run->vm, resource);
    snprintf(detail, sizeof(detail), "stop: %.300s%s%s", err ? err->message : "it has ended well",
             *run_id ? ", session " : "", run_id);
    event_emit(run->vm->core, NULL, err ? "vm.hook_failed" : "vm.hook", resource, vm->id, detail,
               operation_row(op)->id);
    if (err) {
        log_err(LOG_LEVEL_WARN, vm->id, err, "its stop hook has failed");
        snprintf(detail, sizeof(detail), "the stop hook failed: %.300s%s%s", err->message,
                 *run_id ? "; see session " : "", run_id);
        operation_progress(op, 0, detail);
    }
    operation_step_done(op, NULL);
}

static void hook_stop(struct operation_entry *op)
{
    struct vm_run *run = operation_data(op);
    if (run->hook)
        vm_hook_runner(run->vm->core)->kill(run->hook);
}

void vm_step_hook_run(struct operation_entry *op)
{
    struct vm_run *run = vm_run_get_vm(op);
    struct err err = ERR_INIT;
    if (!run)
        return;
    struct vm_hook_start start = {.vm = run->vm,
                                  .hook = &run->vm->vm.spec.stop_hook,
                                  .before = "stop",
                                  .key = operation_row(op)->id};
    run->hook = vm_hook_runner(run->vm->core)->begin(&start, hook_ended, run, &err);
    if (run->hook)
        operation_let_stop(op, hook_stop);
    else
        hook_ended(run, "", &err);
}

void vm_run_leave_hook(struct vm_run *run)
{
    if (run->hook)
        vm_hook_runner(run->vm->core)->leave(run->hook);
    run->hook = NULL;
}
