/* Commands that look at VMs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stream.h"
#include "table.h"
#include "vm.h"

/* ---- show ---- */

static void vm_print_policies(const Banger__V1__VM *vm, const Banger__V1__VMSpec *spec,
                              const Banger__V1__VMRuntime *runtime)
{
    char word[WORD_BYTES];
    if (vm->expires) {
        time_t at = (time_t)timestamp_seconds(vm->expires);
        struct tm tm;
        char text[FORMAT_BYTES] = "";
        if (localtime_r(&at, &tm))
            strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
        cli_print_field("Expires:", "%s", text);
    }
    if (spec->idle_stop_after_ms)
        cli_print_field("Idle stop:", "after %llus",
                        (unsigned long long)spec->idle_stop_after_ms / 1000);
    if (spec->restart_policy > BANGER__V1__RESTART_POLICY__RESTART_POLICY_NEVER) {
        enum_word(word, &banger__v1__restart_policy__descriptor, (int)spec->restart_policy);
        for (char *c = word; (c = strchr(c, '_'));)
            *c = '-'; /* as the option has it */
        cli_print_field("Restart:", "%s", word);
    }
    if (runtime->restarts)
        cli_print_field("Restarts:", "%u, the latest: %s", runtime->restarts,
                        runtime->last_restart_reason);
    cli_print_field("Autostart:", "%s", spec->autostart ? "yes" : "");
    const Banger__V1__VMHook *hook = spec->stop_hook;
    for (size_t i = 0; hook && i < hook->n_argv; i++)
        cli_print_field(i ? "" : "Stop hook:", "%s", hook->argv[i]);
    if (hook)
        cli_print_field("Hook limit:", "%.3gs", hook->timeout_ms / 1000.0);
    if (spec->lease_ms)
        cli_print_field("Lease:", "deleted %llus after its creator is gone",
                        (unsigned long long)spec->lease_ms / 1000);
}

static void vm_print_kept(const Banger__V1__KeptOutput *kept)
{
    char ended[FORMAT_BYTES], limit[FORMAT_BYTES], live[FORMAT_BYTES];
    if (kept)
        cli_print_field("Kept output:", "%s of ended sessions (at most %s), %s of live ones",
                        format_size(ended, kept->ended_bytes),
                        format_size(limit, kept->ended_limit_bytes),
                        format_size(live, kept->live_bytes));
}

static void vm_print_ssh(const Banger__V1__VM *vm, const Banger__V1__VMSpec *spec)
{
    cli_print_field("Arguments:", "%s", spec->kernel_arguments);
    if (!spec->ssh)
        return;
    cli_print_field("SSH:", "%s, port %u, key %s", spec->ssh->user, spec->ssh->port,
                    spec->ssh->key[0] ? spec->ssh->key : "of its own");
    cli_print_field("Host key:", "%s", vm->ssh_host_key[0] ? vm->ssh_host_key : "not seen yet");
    if (vm->offered_ssh_host_key[0])
        cli_print_field("Refused:", "%s (to accept it: banger vm trust %s)",
                        vm->offered_ssh_host_key, vm->name);
}

static void vm_print_limits(const Banger__V1__VMLimits *limits)
{
    char a[FORMAT_BYTES];
    if (!limits)
        return;
    if (limits->memory_max_bytes)
        cli_print_field("Memory max:", "%s", format_size(a, limits->memory_max_bytes));
    if (limits->cpu_quota_percent)
        cli_print_field("CPU quota:", "%u%% of one CPU", limits->cpu_quota_percent);
    if (limits->tasks_max)
        cli_print_field("Tasks max:", "%u", limits->tasks_max);
}

static void vm_print_published(const Banger__V1__VMSpec *spec, const Banger__V1__VMRuntime *runtime)
{
    bool known = runtime->n_published > 0;
    size_t n = known ? runtime->n_published : spec->n_publish;
    char text[PUBLISH_TEXT_BYTES];
    for (size_t i = 0; i < n; i++)
        cli_print_field(i ? "" : "Published:", "%s",
                        publish_text((known ? runtime->published : spec->publish)[i], text));
}

static void vm_print_egress(const Banger__V1__VMSpec *spec)
{
    char word[WORD_BYTES];
    const Banger__V1__Egress *e = spec->egress;
    if (!e || spec->network == BANGER__V1__NETWORK_MODE__NETWORK_MODE_NONE)
        return;
    if (e->mode != BANGER__V1__EGRESS_MODE__EGRESS_MODE_LIST)
        cli_print_field("Egress:", "%s",
                        enum_word(word, &banger__v1__egress_mode__descriptor, (int)e->mode));
    for (size_t i = 0; i < e->n_allow; i++)
        cli_print_field(i ? "" : "Egress:", "%s", e->allow[i]);
}

static void vm_print_description(const Banger__V1__VM *vm)
{
    char word[WORD_BYTES], a[FORMAT_BYTES];
    const Banger__V1__VMSpec none_spec = BANGER__V1__VMSPEC__INIT, *spec = vm->spec;
    const Banger__V1__VMRuntime none = BANGER__V1__VMRUNTIME__INIT, *runtime = vm->runtime;
    spec = spec ? spec : &none_spec;
    runtime = runtime ? runtime : &none;
    cli_print_field("Name:", "%s", vm->name);
    cli_print_field("Id:", "%s", vm->id);
    cli_print_field("State:", "%s",
                    enum_word(word, &banger__v1__vmstate__descriptor, (int)runtime->state));
    cli_print_field("Failed at:", "%s", runtime->failed_stage);
    cli_print_field("Last error:", "%s", runtime->last_error);
    cli_print_field("Image:", "%s", spec->image[0] ? spec->image : vm->image_id);
    cli_print_field("Kernel:", "%s", spec->kernel[0] ? spec->kernel : vm->kernel_id);
    cli_print_field("Driver:", "%s", spec->driver);
    cli_print_field("CPUs:", "%u", spec->cpus);
    cli_print_field("Memory:", "%s", format_size(a, spec->memory_bytes));
    vm_print_limits(spec->limits);
    if (spec->disk_bytes)
        cli_print_field("Disk:", "%s", format_size(a, spec->disk_bytes));
    if (spec->storage)
        cli_print_field("Storage:", "%s",
                        enum_word(word, &banger__v1__storage__descriptor, (int)spec->storage));
    if (spec->work_disk_bytes)
        cli_print_field("Work disk:", "%s", format_size(a, spec->work_disk_bytes));
    cli_print_field("Network:", "%s",
                    enum_word(word, &banger__v1__network_mode__descriptor, (int)spec->network));
    vm_print_egress(spec);
    cli_print_field("Address:", "%s", runtime->guest_ip);
    vm_print_published(spec, runtime);
    vm_print_ssh(vm, spec);
    cli_print_field("Ephemeral:", "%s", spec->ephemeral ? "yes, deleted when it stops" : "");
    vm_print_policies(vm, spec, runtime);
    vm_print_kept(vm->kept_output);
    for (size_t i = 0; i < vm->n_labels; i++)
        cli_print_field(i ? "" : "Labels:", "%s=%s", vm->labels[i]->key, vm->labels[i]->value);
    for (size_t i = 0; i < vm->n_conditions; i++)
        cli_print_field(i ? "" : "Conditions:", "%s %s %s", vm->conditions[i]->type,
                        vm->conditions[i]->status ? "yes" : "no", vm->conditions[i]->message);
    cli_print_field("Boot id:", "%s", vm->boot_id);
    cli_print_field("Generation:", "%llu", (unsigned long long)vm->generation);
    if (vm->created)
        cli_print_field("Created:", "%s ago", format_age(a, timestamp_seconds(vm->created)));
    if (vm->started)
        cli_print_field("Started:", "%s ago", format_age(a, timestamp_seconds(vm->started)));
    if (vm->stopped)
        cli_print_field("Stopped:", "%s ago", format_age(a, timestamp_seconds(vm->stopped)));
    cli_print_field("Folder:", "%s", runtime->vm_dir);
    cli_print_field("Console:", "%s", runtime->log_path);
}

/* Calls fn for each reference; the worst status counts. */
static int vm_for_each(struct cli *cli, const struct opt_args *args,
                       int (*fn)(struct cli *cli, const char *ref))
{
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    int status = 0;
    for (int i = 0; i < args->n_refs; i++) {
        if (i > 0 && cli_is_table(cli) && !cli->options.quiet)
            putchar('\n');
        int result = fn(cli, args->refs[i]);
        status = result ? result : status;
    }
    return status;
}

static int vm_show_one(struct cli *cli, const char *ref)
{
    struct banger_error error;
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)ref;
    Banger__V1__VM *vm = banger_get_vm(cli->client, &request, NULL, &error);
    if (!vm)
        return cli_fail(&error, "show %s", ref);
    int status = 0;
    if (cli->options.quiet)
        cli_say(stdout, "%s", vm->id);
    else if (cli_is_table(cli))
        vm_print_description(vm);
    else
        status = cli_print_message(cli, &vm->base);
    FREE_MESSAGE(vm);
    return status ? status : cli_end_output(cli);
}

static int vm_show(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    return vm_for_each(cli, args, vm_show_one);
}

/* ---- handles, health ---- */

static int vm_handles_one(struct cli *cli, const char *ref)
{
    struct banger_error error;
    Banger__V1__GetVMHandlesRequest request = BANGER__V1__GET_VMHANDLES_REQUEST__INIT;
    request.vm = (char *)ref;
    Banger__V1__VMHandles *h = banger_get_vm_handles(cli->client, &request, NULL, &error);
    if (!h)
        return cli_fail(&error, "handles of %s", ref);
    int status = 0;
    if (!cli_is_table(cli)) {
        status = cli_print_message(cli, &h->base);
    } else {
        cli_print_field("Process:", "%d", h->pid);
        cli_print_field("Started at:", "%llu ticks", (unsigned long long)h->pid_start_time);
        cli_print_field("Host boot id:", "%s", h->host_boot_id);
        cli_print_field("Tap:", "%s", h->tap_device);
        cli_print_field("Base loop:", "%s", h->base_loop);
        cli_print_field("COW loop:", "%s", h->cow_loop);
        cli_print_field("DM name:", "%s", h->dm_name);
        cli_print_field("DM device:", "%s", h->dm_dev);
        status = cli_end_output(cli);
    }
    FREE_MESSAGE(h);
    return status;
}

static int vm_handles(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    return vm_for_each(cli, args, vm_handles_one);
}

static int vm_health_one(struct cli *cli, const char *ref)
{
    struct banger_error error;
    Banger__V1__CheckVMHealthRequest request = BANGER__V1__CHECK_VMHEALTH_REQUEST__INIT;
    request.vm = (char *)ref;
    Banger__V1__CheckVMHealthResponse *h =
        banger_check_vm_health(cli->client, &request, NULL, &error);
    if (!h)
        return cli_fail(&error, "health of %s", ref);
    int status = h->agent_ready ? 0 : 1;
    if (!cli_is_table(cli))
        cli_print_message(cli, &h->base);
    else if (h->agent_ready)
        cli_say(stdout, "%s: ready (%.1f ms)", ref, (double)h->round_trip_us / 1000);
    else
        cli_say(stdout, "%s: not ready: %s", ref, h->explanation);
    FREE_MESSAGE(h);
    return status ? status : cli_end_output(cli);
}

static int vm_health(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    return vm_for_each(cli, args, vm_health_one);
}

/* ---- console ---- */

struct vm_logs_options {
    bool follow;
    struct opt_number tail, tail_bytes, last;
};

static int vm_logs(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct vm_logs_options *o = values;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__ReadConsoleRequest request = BANGER__V1__READ_CONSOLE_REQUEST__INIT;
    request.vm = args->refs[0];
    request.follow = o->follow;
    const struct opt_number *lines = o->tail.given ? &o->tail : &o->last;
    request.tail_bytes = o->tail_bytes.value;
    request.tail_lines = lines->value > UINT32_MAX ? UINT32_MAX : (uint32_t)lines->value;
    request.only_new =
        (lines->given && lines->value == 0) || (o->tail_bytes.given && !o->tail_bytes.value);
    return stream_print_console(cli, args->refs[0], &request);
}

/* ---- prune ---- */

struct vm_prune_options {
    struct opt_list labels;
    bool dry_run;
};

static int vm_prune(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct vm_prune_options *o = values;
    (void)args;
    struct label_set *labels = label_set_new("--label", &o->labels);
    if (!labels)
        return EXIT_BANGER;
    char id[REQUEST_ID_BYTES];
    Banger__V1__LabelSelector selector = BANGER__V1__LABEL_SELECTOR__INIT;
    selector.match = labels->list;
    selector.n_match = labels->n;
    Banger__V1__PruneVMsRequest request = BANGER__V1__PRUNE_VMS_REQUEST__INIT;
    request.request_id = (char *)cli_request_id(id);
    request.selector = labels->n ? &selector : NULL;
    request.dry_run = o->dry_run;
    int status = EXIT_BANGER;
    struct banger_error error;
    if (cli_connect(cli) == 0) {
        Banger__V1__Operation *op = banger_prune_vms(cli->client, &request, NULL, &error);
        Banger__V1__Operation *ended = op ? cli_follow(cli, "prune", op, &error) : NULL;
        if (!ended)
            cli_fail(&error, "prune VMs");
        else if (!cli_is_table(cli))
            status = cli_print_message(cli, &ended->base);
        else
            status = *ended->message && cli_say(stdout, "%s", ended->message) < 0
                         ? EXIT_BANGER
                         : cli_end_output(cli);
        FREE_MESSAGE(ended);
    }
    label_set_free(labels);
    return status;
}

static const struct opt logs_opts[] = {
    {"follow", 'f', OPT_FLAG, offsetof(struct vm_logs_options, follow), NULL,
     "go on as more is written", NULL, NAMES_NONE},
    {"last", 'n', OPT_COUNT, offsetof(struct vm_logs_options, last), "N", "only the last N lines",
     NULL, NAMES_NONE},
    {"tail", 0, OPT_COUNT, offsetof(struct vm_logs_options, tail), "N", "the same as --last", NULL,
     NAMES_NONE},
    {"tail-bytes", 0, OPT_SIZE, offsetof(struct vm_logs_options, tail_bytes), "BYTES",
     "only so many bytes from the end", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt prune_opts[] = {
    {"label", 'l', OPT_LIST, offsetof(struct vm_prune_options, labels), "KEY=VALUE",
     "only VMs with this label; may be repeated", NULL, NAMES_NONE},
    {"dry-run", 0, OPT_FLAG, offsetof(struct vm_prune_options, dry_run), NULL,
     "only say what would be deleted", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command vm_show_commands[] = {
    {"show", "inspect", "VM...", "describe VMs", NULL, NULL, 0, 1, -1, false, NAMES_VM, vm_show},
    {"logs", NULL, "VM", "print the console's output since boot", NULL, logs_opts,
     sizeof(struct vm_logs_options), 1, 1, false, NAMES_VM, vm_logs},
    {"handles", NULL, "VM...", "show processes and devices behind VMs", NULL, NULL, 0, 1, -1, false,
     NAMES_VM, vm_handles},
    {"health", NULL, "VM...", "ask whether the guest answers",
     "Exit status 1 when one of them does not.", NULL, 0, 1, -1, false, NAMES_VM, vm_health},
    {"prune", NULL, "", "delete stopped and failed VMs", NULL, prune_opts,
     sizeof(struct vm_prune_options), 0, 0, false, NAMES_NONE, vm_prune},
};
