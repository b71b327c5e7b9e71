/* vm wait: until VMs are as they are wanted to be. Events say when to look again; the look says how
 * it is, so that nothing is missed between the two. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "vm.h"

enum { WAIT_LATER_MS = 500 }; /* after a lost connection */

struct vm_wait_options {
    const char *until;
};

enum vm_look { LOOK_LATER, LOOK_DONE, LOOK_FAILED };

static long long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* What the VM's state means for the wait; says why it cannot come to that any more. */
static enum vm_look wait_judge(const Banger__V1__VM *vm, const char *until)
{
    const Banger__V1__VMRuntime *r = vm->runtime;
    Banger__V1__VMState state = r ? r->state : BANGER__V1__VMSTATE__VM_STATE_UNSPECIFIED;
    bool failed = state == BANGER__V1__VMSTATE__VM_STATE_FAILED;
    if (strcmp(until, "deleted") == 0)
        return LOOK_LATER;
    if (strcmp(until, "stopped") == 0)
        return failed || state == BANGER__V1__VMSTATE__VM_STATE_STOPPED ? LOOK_DONE : LOOK_LATER;
    if (!failed)
        return state == BANGER__V1__VMSTATE__VM_STATE_RUNNING ? LOOK_DONE : LOOK_LATER;
    cli_fail_with(EXIT_BANGER, "VM_FAILED", "VM %s has failed: %s", vm->name, r->last_error);
    return LOOK_FAILED;
}

static enum vm_look wait_look(struct cli *cli, const char *id, const char *until)
{
    struct banger_error error;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = (char *)id;
    Banger__V1__VM *vm = banger_get_vm(cli->client, &get, NULL, &error);
    if (vm) {
        enum vm_look look = wait_judge(vm, until);
        FREE_MESSAGE(vm);
        return look;
    }
    if (error.code == BANGER_NOT_FOUND && strcmp(until, "running") != 0)
        return LOOK_DONE; /* one that is deleted does not run */
    cli_fail(&error, "wait for VM %s", id);
    return LOOK_FAILED;
}

/* Looks, and again with each event of the VM, as long as its stream goes. */
static enum vm_look wait_watch(struct cli *cli, const char *id, const char *until,
                               long long deadline_ms)
{
    struct banger_error error;
    char resource[96];
    snprintf(resource, sizeof(resource), "vm/%s", id);
    Banger__V1__WatchEventsRequest request = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    request.resource = resource;
    struct banger_stream *events = banger_stream_open(
        cli->client, "/banger.v1.EventService/WatchEvents", &request.base, NULL, &error);
    if (!events) {
        cli_fail(&error, "wait for VM %s", id);
        return LOOK_FAILED;
    }
    enum vm_look look;
    enum banger_next next = BANGER_NEXT_MESSAGE;
    /* The watch was asked for first, on the same connection: what comes behind the look is told. */
    while ((look = wait_look(cli, id, until)) == LOOK_LATER && next == BANGER_NEXT_MESSAGE) {
        ProtobufCMessage *message;
        long long left = deadline_ms < 0 ? -1 : deadline_ms - now_ms();
        if (deadline_ms >= 0 && left <= 0)
            break;
        next = banger_stream_next(events, left, &message, &error);
        banger_message_free(message);
    }
    banger_stream_close(events);
    return look;
}

static int wait_one(struct cli *cli, const char *ref, const char *until, long long deadline_ms)
{
    struct banger_error error;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = (char *)ref;
    Banger__V1__VM *vm = banger_get_vm(cli->client, &get, NULL, &error);
    if (!vm)
        return cli_fail(&error, "wait for VM %s", ref);
    enum vm_look look;
    while ((look = wait_watch(cli, vm->id, until, deadline_ms)) == LOOK_LATER) {
        if (deadline_ms >= 0 && now_ms() >= deadline_ms)
            break;
        struct timespec pause = {.tv_nsec = WAIT_LATER_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
    int status = look == LOOK_DONE ? cli_print_done(cli, "vm", ref, until)
                 : look == LOOK_FAILED
                     ? EXIT_BANGER
                     : cli_fail_with(EXIT_BANGER, "TIMEOUT", "wait for VM %s: it is not %s in time",
                                     ref, until);
    FREE_MESSAGE(vm);
    return status;
}

static int vm_wait(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct vm_wait_options *o = values;
    const struct opt_number *timeout = &cli->options.timeout;
    long long deadline_ms = timeout->given ? now_ms() + (long long)timeout->value : -1;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    int status = 0;
    for (int i = 0; i < args->n_refs; i++) {
        int result = wait_one(cli, args->refs[i], o->until ? o->until : "running", deadline_ms);
        status = result ? result : status;
    }
    return status;
}

static const struct opt wait_opts[] = {
    {"until", 0, OPT_STRING, offsetof(struct vm_wait_options, until), "STATE",
     "running (default): the guest answers; stopped; deleted", "running|stopped|deleted",
     NAMES_NONE},
    {.name = NULL},
};

const struct command vm_wait_command = {
    "wait",
    NULL,
    "VM...",
    "wait until VMs run, have stopped, or are gone",
    "Ends with 125 when a VM that is to run has failed, or --timeout has passed.",
    wait_opts,
    sizeof(struct vm_wait_options),
    1,
    -1,
    false,
    NAMES_VM,
    vm_wait,
};
