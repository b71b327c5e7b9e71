/* Tools in guests: their life, stdin, end; see guest_tool.h. What comes of the agent is
 * guest_tool_link.c's. */
#include "daemon/core/session/guest_tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "daemon/core/core.h"
#include "daemon/core/session/guest_tool_internal.h"
#include "daemon/core/session/session_internal.h"

enum {
    WINDOW_BYTES = 256 * 1024, /* of stdin, where the agent's is not smaller */
    /* One is what the tool may be ahead of us; the other is there to be sent again when a link has
     * broken, and has to have all that may be under way. */
    SPOOL_CREDITS = 2,
};

/* Its end */

static void tell_end(struct guest_tool *t)
{
    t->over = true;
    agent_unsubscribe(t->sub);
    t->sub = NULL;
    t->busy++;
    t->events->ended(t->arg, t->why.code ? &t->why : NULL);
    if (--t->busy == 0 && t->closed)
        guest_tool_close(t);
}

void guest_tool_look(struct guest_tool *t)
{
    if (t->over || !t->exited || !t->output_ended)
        return;
    t->over = true;
    if (t->why.code == ERR_UNKNOWN)
        guest_tool_error(&t->why, t->words);
    timer_start(&t->turn, 0);
}

void guest_tool_fail(struct guest_tool *t, enum err_code code, const char *reason, const char *text)
{
    if (t->over)
        return;
    t->over = true;
    err_set(&t->why, code, "%s", text);
    if (reason)
        err_tag(&t->why, reason, "vm/%s", t->record.vm_id);
    timer_start(&t->turn, 0);
}

static void on_turn(void *arg)
{
    struct guest_tool *t = arg;
    if (!t->over)
        guest_tool_fail(t, ERR_DEADLINE, "GUEST_SILENT", "the guest does not answer");
    timer_stop(&t->turn);
    tell_end(t);
}

/* Stdin */

static uint32_t window(const struct guest_tool *t)
{
    const struct agent_client *agent = vm_agent(t->vm);
    uint32_t n = agent ? agent_client_hello(agent)->stdin_window_bytes : 0;
    return n && n < WINDOW_BYTES ? n : WINDOW_BYTES;
}

size_t guest_tool_write(struct guest_tool *t, const void *data, size_t len)
{
    if (t->in_closed || t->over)
        return len;
    size_t most = window(t), have = buf_len(&t->in);
    size_t n = have >= most ? 0 : most - have < len ? most - have : len;
    if (n > 0 && buf_append(&t->in, data, n) < 0) {
        guest_tool_fail(t, ERR_UNAVAILABLE, NULL, "out of memory");
        return len;
    }
    t->short_write |= n < len;
    guest_tool_tell(t);
    return n;
}

void guest_tool_finish(struct guest_tool *t)
{
    t->finished = true;
    guest_tool_tell(t);
}

void guest_tool_take_ack(struct guest_tool *t, uint64_t offset, bool closed)
{
    uint64_t end = t->acked + buf_len(&t->in);
    offset = offset < end ? offset : end; /* whatever the guest says */
    if (offset > t->acked) {
        buf_consume(&t->in, (size_t)(offset - t->acked));
        t->acked = offset;
        t->sent = t->sent > offset ? t->sent : offset;
    }
    if (closed && !t->in_closed) {
        t->in_closed = true;
        buf_reset(&t->in);
    }
    guest_tool_tell(t);
    if (t->short_write && !t->over && (t->in_closed || buf_len(&t->in) < window(t))) {
        t->short_write = false;
        t->busy++;
        if (t->events->writable)
            t->events->writable(t->arg);
        if (--t->busy == 0 && t->closed)
            guest_tool_close(t);
    }
}

/* Stdout */

void guest_tool_grant(struct guest_tool *t, uint32_t bytes)
{
    uint32_t room = t->most_credit - t->credit;
    uint32_t more = bytes < room ? bytes : room;
    t->credit += more;
    if (t->sub)
        agent_subscription_grant(t->sub, more);
}

/* Life */

static int check(const struct vm_entry *vm, const struct guest_tool_spec *spec, struct err *err)
{
    const struct vm *record = vm_record(vm);
    if (session_check_vm_awake(vm, err) < 0)
        return -1;
    if (record->runtime.state != VM_RUNNING || !vm_agent(vm)) {
        err_set(err, ERR_PRECONDITION, "VM %s is %s; start it first", record->name,
                vm_state_name(record->runtime.state));
        return err_tag(err, "VM_NOT_RUNNING", "vm/%s", record->id);
    }
    if (!agent_client_hello(vm_agent(vm))->tools && agent_client_is_up(vm_agent(vm))) {
        err_set(err, ERR_PRECONDITION, "the agent in VM %s is too old for this; stop and start it",
                record->name);
        return err_tag(err, "AGENT_TOO_OLD", "vm/%s", record->id);
    }
    if (spec->argc < 1 || spec->argc > GUEST_TOOL_ARGS)
        return err_set(err, ERR_INVALID, "%zu arguments: at most %d", spec->argc, GUEST_TOOL_ARGS);
    return 0;
}

static int make_record(struct session *out, const struct vm_entry *vm,
                       const struct guest_tool_spec *spec, struct err *err)
{
    struct buf argv;
    buf_init(&argv, SESSION_ARGV_BYTES);
    int rc = 0;
    for (size_t i = 0; i < spec->argc && rc == 0; i++)
        rc = buf_append(&argv, spec->argv[i], strlen(spec->argv[i]) + 1);
    if (rc < 0)
        err_set(err, ERR_INVALID, "the arguments are too long");
    else if ((rc = blob_set(&out->spec.argv, buf_data(&argv), buf_len(&argv))) < 0)
        err_set(err, ERR_UNAVAILABLE, "out of memory");
    buf_done(&argv);
    id_make(out->id);
    snprintf(out->vm_id, sizeof(out->vm_id), "%s", vm_record(vm)->id);
    snprintf(out->spec.user, sizeof(out->spec.user), "%s", spec->user ? spec->user : "");
    snprintf(out->spec.group, sizeof(out->spec.group), "%s", spec->group ? spec->group : "");
    out->spec.stdin_mode = SESSION_STDIN_PIPE;
    out->spec.output_policy = OUTPUT_HOLD;
    return rc;
}

struct guest_tool *guest_tool_run(struct core *core, struct vm_entry *vm,
                                  const struct guest_tool_spec *spec, uint32_t credit,
                                  const struct guest_tool_events *events, void *arg,
                                  struct err *err)
{
    if (check(vm, spec, err) < 0)
        return NULL;
    struct guest_tool *t = calloc(1, sizeof(*t));
    if (!t || timer_init(&t->turn, core->loop, on_turn, t) < 0) {
        free(t);
        err_set(err, ERR_UNAVAILABLE, "out of memory");
        return NULL;
    }
    t->core = core;
    t->most_credit = spec->most_credit ? spec->most_credit : GUEST_TOOL_CREDIT;
    t->credit = credit < t->most_credit ? credit : t->most_credit;
    t->events = events;
    t->arg = arg;
    t->record.spec.spool_bytes = SPOOL_CREDITS * (uint64_t)t->most_credit;
    buf_init(&t->in, WINDOW_BYTES);
    bool made = make_record(&t->record, vm, spec, err) == 0;
    if (made && map_put(&core->sessions->tools.by_id, t->record.id, t) < 0) {
        err_set(err, ERR_UNAVAILABLE, "out of memory");
        made = false;
    }
    if (!made) {
        timer_done(&t->turn);
        session_done(&t->record);
        free(t);
        return NULL;
    }
    t->vm = vm_ref(vm);
    vm_use_begin(vm);
    timer_start(&t->turn, GUEST_TOOL_START_MS);
    guest_tool_tell(t);
    return t;
}

void guest_tool_close(struct guest_tool *t)
{
    if (!t)
        return;
    t->closed = t->over = true;
    if (t->busy > 0)
        return;
    map_take(&t->core->sessions->tools.by_id, t->record.id);
    agent_unsubscribe(t->sub);
    /* Where this is lost with the link, the agent names it and nobody knows it: guest_tool_link.c.
     */
    struct agent_client *agent = vm_agent(t->vm);
    if (agent && (t->told || t->named))
        agent_client_delete_session(agent, t->record.id, NULL);
    vm_use_end(t->vm);
    vm_unref(t->vm);
    timer_done(&t->turn);
    buf_done(&t->in);
    session_done(&t->record);
    free(t);
}
