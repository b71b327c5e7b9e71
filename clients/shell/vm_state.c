/* Commands that change the state of VMs: each is an operation for every reference. */
#include <string.h>

#include "vm.h"

struct vm_stop_options {
    struct opt_number grace;
    bool force;
};

static int vm_set_grace(uint32_t *out, const struct opt_number *grace)
{
    *out = grace->value > UINT32_MAX ? UINT32_MAX : (uint32_t)grace->value;
    return (int)grace->given;
}

static Banger__V1__Operation *start_start(struct cli *cli, const char *ref, const void *values,
                                          struct banger_error *error)
{
    (void)values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__StartVMRequest request = BANGER__V1__START_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.vm = (char *)ref;
    return banger_start_vm(cli->client, &request, NULL, error);
}

static Banger__V1__Operation *start_stop(struct cli *cli, const char *ref, const void *values,
                                         struct banger_error *error)
{
    const struct vm_stop_options *o = values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__StopVMRequest request = BANGER__V1__STOP_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.vm = (char *)ref;
    if (vm_set_grace(&request.grace_ms, &o->grace) || o->force)
        request._grace_ms_case = BANGER__V1__STOP_VMREQUEST___GRACE_MS_GRACE_MS;
    return banger_stop_vm(cli->client, &request, NULL, error);
}

static Banger__V1__Operation *start_restart(struct cli *cli, const char *ref, const void *values,
                                            struct banger_error *error)
{
    const struct vm_stop_options *o = values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__RestartVMRequest request = BANGER__V1__RESTART_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.vm = (char *)ref;
    if (vm_set_grace(&request.grace_ms, &o->grace) || o->force)
        request._grace_ms_case = BANGER__V1__RESTART_VMREQUEST___GRACE_MS_GRACE_MS;
    return banger_restart_vm(cli->client, &request, NULL, error);
}

static Banger__V1__Operation *start_kill(struct cli *cli, const char *ref, const void *values,
                                         struct banger_error *error)
{
    (void)values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__KillVMRequest request = BANGER__V1__KILL_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.vm = (char *)ref;
    return banger_kill_vm(cli->client, &request, NULL, error);
}

static Banger__V1__Operation *start_delete(struct cli *cli, const char *ref, const void *values,
                                           struct banger_error *error)
{
    const struct vm_stop_options *o = values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__DeleteVMRequest request = BANGER__V1__DELETE_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.vm = (char *)ref;
    request.force = o->force;
    return banger_delete_vm(cli->client, &request, NULL, error);
}

static Banger__V1__Operation *start_pause(struct cli *cli, const char *ref, const void *values,
                                          struct banger_error *error)
{
    (void)values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__PauseVMRequest request = BANGER__V1__PAUSE_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.vm = (char *)ref;
    return banger_pause_vm(cli->client, &request, NULL, error);
}

static Banger__V1__Operation *start_resume(struct cli *cli, const char *ref, const void *values,
                                           struct banger_error *error)
{
    (void)values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__ResumeVMRequest request = BANGER__V1__RESUME_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.vm = (char *)ref;
    return banger_resume_vm(cli->client, &request, NULL, error);
}

static Banger__V1__Operation *start_recover(struct cli *cli, const char *ref, const void *values,
                                            struct banger_error *error)
{
    (void)values;
    char id[REQUEST_ID_BYTES];
    Banger__V1__RecoverVMRequest request = BANGER__V1__RECOVER_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.vm = (char *)ref;
    return banger_recover_vm(cli->client, &request, NULL, error);
}

static int vm_start(struct cli *cli, const void *values, const struct opt_args *args)
{
    return cli_run_operations(cli, "start", start_start, values, args);
}

static int vm_stop(struct cli *cli, const void *values, const struct opt_args *args)
{
    return cli_run_operations(cli, "stop", start_stop, values, args);
}

static int vm_restart(struct cli *cli, const void *values, const struct opt_args *args)
{
    return cli_run_operations(cli, "restart", start_restart, values, args);
}

static int vm_kill(struct cli *cli, const void *values, const struct opt_args *args)
{
    return cli_run_operations(cli, "kill", start_kill, values, args);
}

static int vm_delete(struct cli *cli, const void *values, const struct opt_args *args)
{
    return cli_run_operations(cli, "delete", start_delete, values, args);
}

static int vm_pause(struct cli *cli, const void *values, const struct opt_args *args)
{
    return cli_run_operations(cli, "pause", start_pause, values, args);
}

static int vm_resume(struct cli *cli, const void *values, const struct opt_args *args)
{
    return cli_run_operations(cli, "resume", start_resume, values, args);
}

static int vm_recover(struct cli *cli, const void *values, const struct opt_args *args)
{
    return cli_run_operations(cli, "recover", start_recover, values, args);
}

struct vm_update_options {
    const char *name, *restart, *autostart, *stop_hook;
    struct opt_number cpus, memory, expire, idle_stop, memory_max, cpu_quota, tasks_max;
    struct opt_number stop_hook_limit;
    struct opt_list labels, remove_labels, publish, egress;
};

static void update_policies(Banger__V1__UpdateVMRequest *m, const struct vm_update_options *o)
{
    if (o->expire.given) {
        m->_expire_after_ms_case = BANGER__V1__UPDATE_VMREQUEST___EXPIRE_AFTER_MS_EXPIRE_AFTER_MS;
        m->expire_after_ms = o->expire.value;
    }
    if (o->idle_stop.given) {
        m->_idle_stop_after_ms_case =
            BANGER__V1__UPDATE_VMREQUEST___IDLE_STOP_AFTER_MS_IDLE_STOP_AFTER_MS;
        m->idle_stop_after_ms = o->idle_stop.value;
    }
    if (o->restart) {
        m->_restart_policy_case = BANGER__V1__UPDATE_VMREQUEST___RESTART_POLICY_RESTART_POLICY;
        m->restart_policy = vm_restart_policy(o->restart);
    }
    if (o->autostart) {
        m->_autostart_case = BANGER__V1__UPDATE_VMREQUEST___AUTOSTART_AUTOSTART;
        m->autostart = strcmp(o->autostart, "on") == 0;
    }
}

static void update_limits(Banger__V1__UpdateVMRequest *m, const struct vm_update_options *o)
{
    if (o->memory_max.given) {
        m->_memory_max_bytes_case =
            BANGER__V1__UPDATE_VMREQUEST___MEMORY_MAX_BYTES_MEMORY_MAX_BYTES;
        m->memory_max_bytes = o->memory_max.value;
    }
    if (o->cpu_quota.given) {
        m->_cpu_quota_percent_case =
            BANGER__V1__UPDATE_VMREQUEST___CPU_QUOTA_PERCENT_CPU_QUOTA_PERCENT;
        m->cpu_quota_percent = cli_u32(o->cpu_quota.value);
    }
    if (o->tasks_max.given) {
        m->_tasks_max_case = BANGER__V1__UPDATE_VMREQUEST___TASKS_MAX_TASKS_MAX;
        m->tasks_max = cli_u32(o->tasks_max.value);
    }
}

static Banger__V1__Operation *start_update(struct cli *cli, const char *ref, const void *values,
                                           struct banger_error *error)
{
    const struct vm_update_options *o = values;
    struct egress_words egress;
    *error = (struct banger_error){.code = BANGER_INVALID_ARGUMENT};
    if (egress_words_init(&egress, &o->egress, false) != 0)
        return NULL;
    struct label_set *labels = label_set_new("--label", &o->labels);
    struct publish_set *publish = labels ? publish_set_new(&o->publish) : NULL;
    if (!publish) {
        label_set_free(labels);
        egress_words_done(&egress);
        return NULL;
    }
    Banger__V1__PublishList list = BANGER__V1__PUBLISH_LIST__INIT;
    char id[REQUEST_ID_BYTES];
    struct vm_hook_message hook;
    Banger__V1__UpdateVMRequest request = BANGER__V1__UPDATE_VMREQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.vm = (char *)ref;
    if (o->stop_hook) {
        vm_hook_fill(&hook, o->stop_hook, &o->stop_hook_limit);
        request.stop_hook = &hook.hook;
    }
    if (o->name) {
        request._name_case = BANGER__V1__UPDATE_VMREQUEST___NAME_NAME;
        request.name = (char *)o->name;
    }
    if (o->cpus.given) {
        request._cpus_case = BANGER__V1__UPDATE_VMREQUEST___CPUS_CPUS;
        request.cpus = cli_u32(o->cpus.value);
    }
    if (o->memory.given) {
        request._memory_bytes_case = BANGER__V1__UPDATE_VMREQUEST___MEMORY_BYTES_MEMORY_BYTES;
        request.memory_bytes = o->memory.value;
    }
    update_policies(&request, o);
    update_limits(&request, o);
    list.publish = publish->pointers;
    list.n_publish = publish->n;
    request.publish = o->publish.n > 0 ? &list : NULL;
    if (egress.given)
        request.egress = &egress.message;
    request.set_labels = labels->list;
    request.n_set_labels = labels->n;
    request.remove_labels = (char **)o->remove_labels.items;
    request.n_remove_labels = o->remove_labels.n;
    Banger__V1__Operation *operation = banger_update_vm(cli->client, &request, NULL, error);
    label_set_free(labels);
    publish_set_free(publish);
    egress_words_done(&egress);
    return operation;
}

static int vm_update(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct vm_update_options *o = values;
    if (o->name && args->n_refs > 1)
        return cli_usage("vm update: one name cannot go to several VMs");
    int rc = vm_hook_options_check(o->stop_hook, &o->stop_hook_limit);
    if (rc != 0)
        return rc;
    return cli_run_operations(cli, "update", start_update, values, args);
}

struct vm_trust_options {
    const char *key;
};

/* Says what it replaces, so that who types it sees both. */
static Banger__V1__Operation *trust(struct cli *cli, const Banger__V1__VM *vm, const char *key,
                                    struct banger_error *error)
{
    char id[REQUEST_ID_BYTES];
    Banger__V1__UpdateVMRequest request = BANGER__V1__UPDATE_VMREQUEST__INIT;
    if (!cli->options.quiet)
        cli_say(stderr, "%s: trusting %s, instead of %s", vm->name, key,
                vm->ssh_host_key[0] ? vm->ssh_host_key : "none");
    request.request_id = (char *)cli_request_id(id);
    request.vm = vm->id;
    request._ssh_host_key_case = BANGER__V1__UPDATE_VMREQUEST___SSH_HOST_KEY_SSH_HOST_KEY;
    request.ssh_host_key = (char *)key;
    return banger_update_vm(cli->client, &request, NULL, error);
}

static Banger__V1__Operation *start_trust(struct cli *cli, const char *ref, const void *values,
                                          struct banger_error *error)
{
    const struct vm_trust_options *o = values;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = (char *)ref;
    Banger__V1__VM *vm = banger_get_vm(cli->client, &get, NULL, error);
    if (!vm)
        return NULL;
    const char *key = o->key ? o->key : vm->offered_ssh_host_key;
    Banger__V1__Operation *operation = NULL;
    if (*key) {
        operation = trust(cli, vm, key, error);
    } else {
        *error = (struct banger_error){.code = BANGER_FAILED_PRECONDITION};
        snprintf(error->message, sizeof(error->message),
                 "its guest has shown no other host key than %s",
                 vm->ssh_host_key[0] ? vm->ssh_host_key : "none");
    }
    FREE_MESSAGE(vm);
    return operation;
}

static int vm_trust(struct cli *cli, const void *values, const struct opt_args *args)
{
    return cli_run_operations(cli, "trust", start_trust, values, args);
}

static const struct opt trust_opts[] = {
    {"key", 0, OPT_STRING, offsetof(struct vm_trust_options, key), "KEY",
     "this one, as \"ssh-ed25519 SHA256:...\"", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt stop_opts[] = {
    {"grace", 0, OPT_DURATION, offsetof(struct vm_stop_options, grace), "TIME",
     "how long the guest may take (default 10s)", NULL, NAMES_NONE},
    {"force", 0, OPT_FLAG, offsetof(struct vm_stop_options, force), NULL,
     "do not ask the guest: power off at once", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt delete_opts[] = {
    {"force", 0, OPT_FLAG, offsetof(struct vm_stop_options, force), NULL,
     "kill the VM rather than stop it", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt update_opts[] = {
    {"name", 0, OPT_STRING, offsetof(struct vm_update_options, name), "NAME", "new name", NULL,
     NAMES_NONE},
    {"cpus", 'c', OPT_COUNT, offsetof(struct vm_update_options, cpus), "N", "virtual CPUs", NULL,
     NAMES_NONE},
    {"memory", 'm', OPT_SIZE, offsetof(struct vm_update_options, memory), "SIZE", "memory", NULL,
     NAMES_NONE},
    {"memory-max", 0, OPT_SIZE, offsetof(struct vm_update_options, memory_max), "SIZE",
     "memory of all its processes on the host; 0: any", NULL, NAMES_NONE},
    {"cpu-quota", 0, OPT_COUNT, offsetof(struct vm_update_options, cpu_quota), "PERCENT",
     "of one CPU of the host, for all its processes; 0: any", NULL, NAMES_NONE},
    {"tasks-max", 0, OPT_COUNT, offsetof(struct vm_update_options, tasks_max), "N",
     "threads of its processes on the host; 0: any", NULL, NAMES_NONE},
    {"publish", 'p', OPT_LIST, offsetof(struct vm_update_options, publish), "PORT:GUEST_PORT",
     "publish these ports of the guest, and no others, at once; none: no port", NULL, NAMES_NONE},
    {"egress", 0, OPT_LIST, offsetof(struct vm_update_options, egress),
     "all|none|CIDR|NAME[:PORT],...",
     "where the guest may connect to, all of it anew; may be repeated", NULL, NAMES_NONE},
    {"label", 'l', OPT_LIST, offsetof(struct vm_update_options, labels), "KEY=VALUE",
     "set a label; may be repeated", NULL, NAMES_NONE},
    {"remove-label", 0, OPT_LIST, offsetof(struct vm_update_options, remove_labels), "KEY",
     "remove a label; may be repeated", NULL, NAMES_NONE},
    {"expire", 0, OPT_DURATION, offsetof(struct vm_update_options, expire), "TIME",
     "stop and delete the VM so long from now; 0: never", NULL, NAMES_NONE},
    {"idle-stop", 0, OPT_DURATION, offsetof(struct vm_update_options, idle_stop), "TIME",
     "stop it after so long without a session, viewer or console; 0: never", NULL, NAMES_NONE},
    {"restart", 0, OPT_STRING, offsetof(struct vm_update_options, restart), "POLICY",
     "start it again: never, on-failure or always", "never|on-failure|always", NAMES_NONE},
    {"stop-hook", 0, OPT_STRING, offsetof(struct vm_update_options, stop_hook), "COMMAND",
     "run this in the guest, by a shell, before the VM is stopped; '': nothing", NULL, NAMES_NONE},
    {"stop-hook-limit", 0, OPT_DURATION, offsetof(struct vm_update_options, stop_hook_limit),
     "TIME", "kill it, and stop the VM all the same, after so long (default 30s)", NULL,
     NAMES_NONE},
    {"autostart", 0, OPT_STRING, offsetof(struct vm_update_options, autostart), "on|off",
     "start it with the daemon unless it was stopped", "on|off", NAMES_NONE},
    {.name = NULL},
};

const struct command vm_state_commands[] = {
    {"start", NULL, "VM...", "boot VMs", NULL, NULL, 0, 1, -1, false, NAMES_VM, vm_start},
    {"stop", NULL, "VM...", "shut VMs down", NULL, stop_opts, sizeof(struct vm_stop_options), 1, -1,
     false, NAMES_VM, vm_stop},
    {"restart", NULL, "VM...", "shut VMs down and boot them again", NULL, stop_opts,
     sizeof(struct vm_stop_options), 1, -1, false, NAMES_VM, vm_restart},
    {"kill", NULL, "VM...", "end VMs at once, like pulling the plug", NULL, NULL, 0, 1, -1, false,
     NAMES_VM, vm_kill},
    {"delete", "rm", "VM...", "stop VMs and remove their disks and sessions", NULL, delete_opts,
     sizeof(struct vm_stop_options), 1, -1, false, NAMES_VM, vm_delete},
    {"pause", NULL, "VM...", "stop the clock of VMs", NULL, NULL, 0, 1, -1, false, NAMES_VM,
     vm_pause},
    {"resume", NULL, "VM...", "let paused VMs go on", NULL, NULL, 0, 1, -1, false, NAMES_VM,
     vm_resume},
    {"recover", NULL, "VM...", "look once more for what became of VMs in state unknown", NULL, NULL,
     0, 1, -1, false, NAMES_VM, vm_recover},
    {"update", "set", "VM...", "change name, size or labels",
     "What cannot change while the VM runs waits for its restart; \"vm show\" says so.",
     update_opts, sizeof(struct vm_update_options), 1, -1, false, NAMES_VM, vm_update},
    {"trust", NULL, "VM...", "accept another SSH host key of guests",
     "The one that the guest shows now, and was refused for. Do it where you know why it has "
     "changed.",
     trust_opts, sizeof(struct vm_trust_options), 1, -1, false, NAMES_VM, vm_trust},
};
