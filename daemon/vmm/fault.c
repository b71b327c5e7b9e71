/* Fault injection; see fault.h.
 *
 * A faulty machine wraps one of the inner driver and forwards; the inner one is driven through
 * vmm.h too, so its contract is checked as always. Events pass through with the outer's argument.
 */
#include "daemon/vmm/fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/vmm/driver.h"

enum fault_method {
    FAULT_START,
    FAULT_ADOPT,
    FAULT_STOP,
    FAULT_KILL,
    FAULT_PAUSE,
    FAULT_RESUME,
    FAULT_DISCARD,
    FAULT_METHODS,
};

static const char *const fault_names[FAULT_METHODS] = {"start", "adopt",  "stop",   "kill",
                                                       "pause", "resume", "discard"};

/* Driver-wide, set by tests on the loop's thread. */
static struct fault fault_table[FAULT_METHODS];
static const struct vmm_driver *fault_inner;
static struct vmm_driver fault_driver;

/* One call on its way through. */
struct fault_call {
    struct fault_machine *machine;
    enum fault_method method;
    struct fault fault;
    struct driver_call outer;
    struct timer delay;
    bool forwarded; /* the inner machine has it */
    int64_t grace_ms;
    struct vm_handles hint;
    bool hinted;
};

struct fault_machine {
    struct vmm_machine machine; /* first */
    struct vmm_machine *inner;  /* owned */
    struct fault_call main, kill;
};

static void fault_inner_done(void *arg, const struct err *err)
{
    struct fault_call *c = arg;
    struct err failed = ERR_INIT;
    c->forwarded = false;
    if (!err && c->fault.action == FAULT_FAIL_DONE) {
        err_set(&failed, c->fault.code, "injected after %s", fault_names[c->method]);
        err = &failed;
    }
    driver_call_end(&c->outer, err);
}

static void fault_forward(void *arg)
{
    struct fault_call *c = arg;
    struct vmm_machine *inner = c->machine->inner;
    c->forwarded = true;
    switch (c->method) {
    case FAULT_START:
        vmm_start(inner, fault_inner_done, c);
        break;
    case FAULT_ADOPT:
        vmm_adopt(inner, c->hinted ? &c->hint : NULL, fault_inner_done, c);
        break;
    case FAULT_STOP:
        vmm_stop(inner, c->grace_ms, fault_inner_done, c);
        break;
    case FAULT_KILL:
        vmm_kill(inner, fault_inner_done, c);
        break;
    case FAULT_PAUSE:
        vmm_pause(inner, fault_inner_done, c);
        break;
    case FAULT_RESUME:
        vmm_resume(inner, fault_inner_done, c);
        break;
    case FAULT_DISCARD:
    case FAULT_METHODS:
        vmm_discard(inner, fault_inner_done, c);
        break;
    }
}

static struct fault fault_draw(enum fault_method method)
{
    struct fault *f = &fault_table[method];
    struct fault drawn = *f;
    if (f->times > 0 && --f->times == 0)
        f->action = FAULT_NONE;
    return drawn;
}

static void fault_begin(struct fault_call *c, enum fault_method method, vmm_done_fn *done,
                        void *arg)
{
    struct err err = ERR_INIT;
    driver_call_begin(&c->outer, done, arg);
    c->method = method;
    c->fault = fault_draw(method);
    switch (c->fault.action) {
    case FAULT_FAIL:
        err_set(&err, c->fault.code, "injected instead of %s", fault_names[method]);
        driver_call_end(&c->outer, &err);
        break;
    case FAULT_DELAY:
        timer_start(&c->delay, c->fault.delay_ms);
        break;
    case FAULT_HANG:
        break;
    case FAULT_NONE:
    case FAULT_FAIL_DONE:
        fault_forward(c);
        break;
    }
}

static struct fault_machine *fault_of(struct vmm_machine *m)
{
    return (struct fault_machine *)m;
}

static void fault_start(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    fault_begin(&fault_of(m)->main, FAULT_START, done, arg);
}

static void fault_adopt(struct vmm_machine *m, const struct vm_handles *hint, vmm_done_fn *done,
                        void *arg)
{
    fault_of(m)->main.hinted = hint != NULL;
    fault_of(m)->main.hint = hint ? *hint : (struct vm_handles){0};
    fault_begin(&fault_of(m)->main, FAULT_ADOPT, done, arg);
}

static void fault_stop(struct vmm_machine *m, int64_t grace_ms, vmm_done_fn *done, void *arg)
{
    fault_of(m)->main.grace_ms = grace_ms;
    fault_begin(&fault_of(m)->main, FAULT_STOP, done, arg);
}

static void fault_kill(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    struct fault_machine *f = fault_of(m);
    if (!f->main.forwarded) { /* delayed or hung: the inner machine cannot end it */
        struct err err = ERR_INIT;
        timer_stop(&f->main.delay);
        err_set(&err, ERR_ABORTED, "the machine was killed meanwhile");
        driver_call_end(&f->main.outer, &err);
    }
    fault_begin(&f->kill, FAULT_KILL, done, arg);
}

static void fault_pause(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    fault_begin(&fault_of(m)->main, FAULT_PAUSE, done, arg);
}

static void fault_resume(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    fault_begin(&fault_of(m)->main, FAULT_RESUME, done, arg);
}

static void fault_discard(struct vmm_machine *m, vmm_done_fn *done, void *arg)
{
    fault_begin(&fault_of(m)->main, FAULT_DISCARD, done, arg);
}

static void fault_get_handles(const struct vmm_machine *m, struct vm_handles *handles)
{
    vmm_get_handles(((const struct fault_machine *)m)->inner, handles);
}

static void fault_close(struct vmm_machine *m)
{
    struct fault_machine *f = fault_of(m);
    vmm_close(f->inner);
    driver_call_done(&f->main.outer);
    driver_call_done(&f->kill.outer);
    timer_done(&f->main.delay);
    timer_done(&f->kill.delay);
    free(f);
}

static int fault_init_call(struct fault_call *c, struct fault_machine *f, struct loop *loop)
{
    c->machine = f;
    if (driver_call_init(&c->outer, loop) < 0)
        return -1;
    return timer_init(&c->delay, loop, fault_forward, c);
}

static struct vmm_machine *fault_open(struct vmm_host *host, const struct vmm_config *config,
                                      const struct vmm_events *events, void *arg, struct err *err)
{
    struct fault_machine *f = calloc(1, sizeof(*f));
    if (!f || fault_init_call(&f->main, f, host->loop) < 0 ||
        fault_init_call(&f->kill, f, host->loop) < 0) {
        err_set(err, ERR_LIMIT, "out of memory opening a machine");
        goto fail;
    }
    f->inner = vmm_open(fault_inner, host, config, events, arg, err);
    if (f->inner)
        return &f->machine;
fail:
    if (f)
        fault_close(&f->machine);
    return NULL;
}

static void fault_probe(struct vmm_host *host,
                        void (*done)(void *arg, const struct vmm_probe_result *result), void *arg)
{
    fault_inner->probe(host, done, arg);
}

/* Settings */

int fault_install(const char *inner, struct err *err)
{
    fault_clear();
    vmm_override_driver(NULL);
    if (!inner)
        return 0;
    fault_inner = vmm_find_driver(inner, err);
    if (!fault_inner)
        return -1;
    fault_driver = *fault_inner;
    fault_driver.probe = fault_probe;
    fault_driver.open = fault_open;
    fault_driver.close = fault_close;
    fault_driver.start = fault_start;
    fault_driver.adopt = fault_adopt;
    fault_driver.stop = fault_stop;
    fault_driver.kill = fault_kill;
    fault_driver.pause = fault_pause;
    fault_driver.resume = fault_resume;
    fault_driver.discard = fault_discard;
    fault_driver.get_handles = fault_get_handles;
    vmm_override_driver(&fault_driver);
    return 0;
}

int fault_set(const char *method, const struct fault *fault, struct err *err)
{
    for (int i = 0; i < FAULT_METHODS; i++)
        if (strcmp(fault_names[i], method) == 0) {
            fault_table[i] = *fault;
            return 0;
        }
    return err_set(err, ERR_INVALID, "no method \"%s\"", method);
}

void fault_clear(void)
{
    memset(fault_table, 0, sizeof(fault_table));
}

/* "fail:14*2": action, number, times. */
static int fault_parse_action(const char *text, struct fault *f, struct err *err)
{
    static const struct {
        const char *word;
        enum fault_action action;
    } words[] = {{"fail-done", FAULT_FAIL_DONE},
                 {"fail", FAULT_FAIL},
                 {"delay", FAULT_DELAY},
                 {"hang", FAULT_HANG}};
    char word[16];
    long number = -1, times = 0;
    *f = (struct fault){.code = ERR_UNAVAILABLE};
    int used = (int)strcspn(text, ":*");
    if (used >= (int)sizeof(word))
        return err_set(err, ERR_INVALID, "not a fault: %s", text);
    snprintf(word, sizeof(word), "%.*s", used, text);
    char *end = (char *)text + used;
    if (*end == ':')
        number = strtol(end + 1, &end, 10);
    if (*end == '*')
        times = strtol(end + 1, &end, 10);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcmp(word, words[i].word) == 0)
            f->action = words[i].action;
    if (*end || f->action == FAULT_NONE || times < 0)
        return err_set(err, ERR_INVALID, "not a fault: %s", text);
    f->times = (uint32_t)times;
    if (f->action == FAULT_DELAY)
        f->delay_ms = number;
    else if (number > 0 && number <= ERR_UNAUTHENTICATED)
        f->code = (enum err_code)number;
    return 0;
}

int fault_parse(const char *text, struct err *err)
{
    char part[64], *action;
    while (*text) {
        size_t len = strcspn(text, ",");
        struct fault f;
        if (len >= sizeof(part))
            return err_set(err, ERR_INVALID, "not a fault: %s", text);
        memcpy(part, text, len);
        part[len] = '\0';
        action = strchr(part, '=');
        if (!action)
            return err_set(err, ERR_INVALID, "not a fault: %s", part);
        *action++ = '\0';
        if (fault_parse_action(action, &f, err) < 0 || fault_set(part, &f, err) < 0)
            return -1;
        text += len + (text[len] == ',');
    }
    return 0;
}
