/* vm create, and the request it shares with vm run. */
#include <stdio.h>
#include <string.h>

#include "vm.h"

static Banger__V1__NetworkMode vm_network(const char *word)
{
    if (!word)
        return BANGER__V1__NETWORK_MODE__NETWORK_MODE_UNSPECIFIED;
    if (strcmp(word, "tap") == 0)
        return BANGER__V1__NETWORK_MODE__NETWORK_MODE_TAP;
    return strcmp(word, "none") == 0 ? BANGER__V1__NETWORK_MODE__NETWORK_MODE_NONE
                                     : BANGER__V1__NETWORK_MODE__NETWORK_MODE_USER;
}

static Banger__V1__Storage vm_storage(const char *word)
{
    if (!word)
        return BANGER__V1__STORAGE__STORAGE_UNSPECIFIED;
    if (strcmp(word, "copy") == 0)
        return BANGER__V1__STORAGE__STORAGE_COPY;
    if (strcmp(word, "dm-snapshot") == 0)
        return BANGER__V1__STORAGE__STORAGE_DM_SNAPSHOT;
    return strcmp(word, "reflink") == 0 ? BANGER__V1__STORAGE__STORAGE_REFLINK
                                        : BANGER__V1__STORAGE__STORAGE_QCOW2;
}

Banger__V1__RestartPolicy vm_restart_policy(const char *word)
{
    if (!word)
        return BANGER__V1__RESTART_POLICY__RESTART_POLICY_UNSPECIFIED;
    if (strcmp(word, "always") == 0)
        return BANGER__V1__RESTART_POLICY__RESTART_POLICY_ALWAYS;
    return strcmp(word, "on-failure") == 0 ? BANGER__V1__RESTART_POLICY__RESTART_POLICY_ON_FAILURE
                                           : BANGER__V1__RESTART_POLICY__RESTART_POLICY_NEVER;
}

int vm_hook_options_check(const char *command, const struct opt_number *limit)
{
    if (limit->given && !command)
        return cli_usage("--stop-hook-limit goes with --stop-hook");
    if (limit->value > UINT32_MAX)
        return cli_usage("--stop-hook-limit can be up to an hour");
    return 0;
}

void vm_hook_fill(struct vm_hook_message *m, const char *command, const struct opt_number *limit)
{
    m->argv[0] = (char *)"sh";
    m->argv[1] = (char *)"-c";
    m->argv[2] = (char *)command;
    banger__v1__vmhook__init(&m->hook);
    m->hook.argv = m->argv;
    m->hook.n_argv = *command ? 3 : 0;
    m->hook.timeout_ms = (uint32_t)limit->value;
}

static void vm_request_set_limits(struct vm_request *request, const struct vm_spec_options *o)
{
    Banger__V1__VMLimits *limits = &request->limits;
    banger__v1__vmlimits__init(limits);
    limits->memory_max_bytes = o->memory_max.value;
    limits->cpu_quota_percent = cli_u32(o->cpu_quota.value);
    limits->tasks_max = cli_u32(o->tasks_max.value);
    request->spec.limits = limits;
}

int vm_request_init(struct vm_request *request, const struct vm_spec_options *o)
{
    memset(request, 0, sizeof(*request));
    if (o->cpus.value > UINT32_MAX)
        return cli_usage("--cpus: there are no such machines");
    if (o->nat && o->net && strcmp(o->net, "tap") != 0)
        return cli_usage("--nat: there is none with --net %s", o->net);
    int rc = vm_hook_options_check(o->stop_hook, &o->stop_hook_limit);
    if (rc != 0)
        return rc;
    if (egress_words_init(&request->egress, &o->egress, o->isolated) != 0)
        return EXIT_BANGER;
    request->labels = label_set_new("--label", &o->labels);
    request->publish = request->labels ? publish_set_new(&o->publish) : NULL;
    if (!request->publish) {
        vm_request_done(request);
        return EXIT_BANGER;
    }
    banger__v1__vmspec__init(&request->spec);
    Banger__V1__VMSpec *spec = &request->spec;
    if (o->image)
        spec->image = (char *)o->image;
    if (o->kernel)
        spec->kernel = (char *)o->kernel;
    if (o->driver)
        spec->driver = (char *)o->driver;
    spec->cpus = (uint32_t)o->cpus.value;
    spec->memory_bytes = o->memory.value;
    spec->disk_bytes = o->disk.value;
    spec->work_disk_bytes = o->work_disk.value;
    spec->storage = vm_storage(o->storage);
    if (o->ssh_user || o->ssh_key || o->ssh_port.given) {
        banger__v1__guest_ssh__init(&request->ssh);
        spec->ssh = &request->ssh;
        if (o->ssh_user)
            request->ssh.user = (char *)o->ssh_user;
        if (o->ssh_key)
            request->ssh.key = (char *)o->ssh_key;
        request->ssh.port = cli_u32(o->ssh_port.value);
    }
    if (o->kernel_arguments)
        spec->kernel_arguments = (char *)o->kernel_arguments;
    spec->network = vm_network(o->nat ? "tap" : o->net);
    spec->publish = request->publish->pointers;
    spec->n_publish = request->publish->n;
    spec->no_init = o->no_init;
    spec->ephemeral = o->ephemeral;
    spec->autostart = o->autostart;
    spec->expire_after_ms = o->expire.value;
    spec->idle_stop_after_ms = o->idle_stop.value;
    spec->restart_policy = vm_restart_policy(o->restart);
    if (o->stop_hook) {
        vm_hook_fill(&request->stop_hook, o->stop_hook, &o->stop_hook_limit);
        spec->stop_hook = &request->stop_hook.hook;
    }
    if (o->memory_max.given || o->cpu_quota.given || o->tasks_max.given)
        vm_request_set_limits(request, o);
    if (request->egress.given)
        spec->egress = &request->egress.message;
    banger__v1__create_vmrequest__init(&request->message);
    request->message.request_id = (char *)cli_request_id(request->id);
    if (o->name)
        request->message.name = (char *)o->name;
    request->message.spec = spec;
    request->message.labels = request->labels->list;
    request->message.n_labels = request->labels->n;
    return 0;
}

void vm_request_done(struct vm_request *request)
{
    egress_words_done(&request->egress);
    label_set_free(request->labels);
    publish_set_free(request->publish);
}

struct vm_create_options {
    struct vm_spec_options spec;
    bool no_start, dry_run;
};

static int vm_print_created(struct cli *cli, const char *id)
{
    struct banger_error error;
    Banger__V1__GetVMRequest get = BANGER__V1__GET_VMREQUEST__INIT;
    get.vm = (char *)id;
    if (cli->options.quiet) {
        cli_say(stdout, "%s", id);
        return cli_end_output(cli);
    }
    Banger__V1__VM *vm = banger_get_vm(cli->client, &get, NULL, &error);
    if (!vm)
        return cli_fail(&error, "show the new VM %s", id);
    int status;
    if (cli_is_table(cli)) {
        cli_say(stdout, "%s", vm->name);
        status = cli_end_output(cli);
    } else {
        status = cli_print_message(cli, &vm->base);
    }
    FREE_MESSAGE(vm);
    return status;
}

static int vm_print_dry_run(struct cli *cli, const Banger__V1__Operation *op)
{
    if (!cli_is_table(cli))
        return cli_print_message(cli, &op->base);
    if (!cli->options.quiet)
        cli_say(stdout, "%s", op->message);
    return cli_end_output(cli);
}

static int vm_create(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct vm_create_options *o = values;
    struct vm_spec_options spec = o->spec;
    if (args->n_refs == 1)
        spec.name = args->refs[0];
    struct vm_request request;
    if (vm_request_init(&request, &spec) != 0)
        return EXIT_BANGER;
    request.message._start_case = BANGER__V1__CREATE_VMREQUEST___START_START;
    request.message.start = !o->no_start;
    request.message.dry_run = o->dry_run;
    const char *label = spec.name ? spec.name : "vm";
    struct banger_error error;
    int status = EXIT_BANGER;
    if (cli_connect(cli) == 0) {
        Banger__V1__Operation *op = banger_create_vm(cli->client, &request.message, NULL, &error);
        Banger__V1__Operation *ended = op ? cli_follow(cli, label, op, &error) : NULL;
        if (!ended)
            cli_fail(&error, "create %s", label);
        else if (o->dry_run)
            status = vm_print_dry_run(cli, ended);
        else
            status = vm_print_created(cli, resource_id(ended->resource));
        FREE_MESSAGE(ended);
    }
    vm_request_done(&request);
    return status;
}

static const struct opt vm_create_opts[] = {
    VM_SPEC_OPTS,
    {"ephemeral", 0, OPT_FLAG, offsetof(struct vm_spec_options, ephemeral), NULL,
     "delete the VM when it stops", NULL, NAMES_NONE},
    {"no-start", 0, OPT_FLAG, offsetof(struct vm_create_options, no_start), NULL, "do not boot it",
     NULL, NAMES_NONE},
    {"dry-run", 0, OPT_FLAG, offsetof(struct vm_create_options, dry_run), NULL,
     "check everything, change nothing", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command vm_create_command = {
    "create",
    NULL,
    "[NAME]",
    "make a VM and boot it",
    "Prints the VM's name when its agent answers.",
    vm_create_opts,
    sizeof(struct vm_create_options),
    0,
    1,
    false,
    NAMES_NONE,
    vm_create,
};
