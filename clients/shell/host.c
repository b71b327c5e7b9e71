/* The host and doctor nouns. */
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/programs.h"
#include "nouns.h"
#include "table.h"

static void host_print(const Banger__V1__Host *host)
{
    char a[FORMAT_BYTES], b[FORMAT_BYTES];
    cli_print_field("Host:", "%s (%s)", host->hostname, host->id);
    cli_print_field("Version:", "%s", host->version);
    cli_print_field("State:", "%s", host->state_dir);
    if (host->used && host->total) {
        cli_print_field("VMs:", "%u", host->used->vms);
        cli_print_field("CPUs:", "%u of %u used", host->used->cpus, host->total->cpus);
        cli_print_field("Memory:", "%s of %s used", format_size(a, host->used->memory_bytes),
                        format_size(b, host->total->memory_bytes));
        cli_print_field("Disk:", "%s of %s used", format_size(a, host->used->disk_bytes),
                        format_size(b, host->total->disk_bytes));
    }
    for (size_t i = 0; i < host->n_drivers; i++) {
        const Banger__V1__DriverInfo *d = host->drivers[i];
        cli_print_field(i ? "" : "Drivers:", "%s %s %s%s %s", d->name, d->version, d->accelerator,
                        d->usable ? "" : " not usable:", d->explanation);
    }
    for (size_t i = 0; i < host->n_storages; i++)
        cli_print_field(i ? "" : "Storage:", "%s%s",
                        enum_word(a, &banger__v1__storage__descriptor, (int)host->storages[i]),
                        i ? "" : ", unless a VM asks for another");
    for (size_t i = 0; i < host->n_labels; i++)
        cli_print_field(i ? "" : "Labels:", "%s=%s", host->labels[i]->key, host->labels[i]->value);
    cli_print_field("Draining:", "%s", host->draining ? "yes: takes no new VMs" : "");
    if (host->unlisted > 0)
        cli_print_field("Unlisted:", "%u VMs, images or kernels: see \"banger host recover\"",
                        host->unlisted);
    if (host->set_aside > 0)
        cli_print_field("Lost+found:", "%u", host->set_aside);
    if (host->listen[0])
        cli_print_field("Listens on:", "%s", host->listen);
    else if (host->listen_problem[0])
        cli_print_field("Listens on:", "nothing: %s", host->listen_problem);
    cli_print_field("Daemon:", "%s resident, %u connections",
                    format_size(a, host->memory_rss_bytes), host->connections);
    if (host->started)
        cli_print_field("Started:", "%s ago", format_age(a, timestamp_seconds(host->started)));
}

static int host_show(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__GetHostRequest request = BANGER__V1__GET_HOST_REQUEST__INIT;
    Banger__V1__Host *host = banger_get_host(cli->client, &request, NULL, &error);
    if (!host)
        return cli_fail(&error, "show the host");
    int status = 0;
    if (cli_is_table(cli))
        host_print(host);
    else
        status = cli_print_message(cli, &host->base);
    FREE_MESSAGE(host);
    return status ? status : cli_end_output(cli);
}

static const char *check_word(Banger__V1__CheckResult result)
{
    switch (result) {
    case BANGER__V1__CHECK_RESULT__CHECK_RESULT_OK:
        return "ok";
    case BANGER__V1__CHECK_RESULT__CHECK_RESULT_WARNING:
        return "warning";
    default:
        return "FAILED";
    }
}

struct doctor_options {
    bool fix;
};

/* It says itself what it does, and what it could not do is in the checks. */
static int fix_host(struct cli *cli)
{
    char path[PROGRAM_PATH_BYTES], target[CLI_TARGET_BYTES];
    struct err err = ERR_INIT;
    struct banger_error error;
    if (cli_where(cli, target, &error) < 0)
        return cli_fail(&error, "mend this host");
    if (target[0] && target[0] != '/')
        return cli_usage("--fix is for the host that it runs on, and %.100s is another", target);
    if (geteuid() != 0)
        return cli_usage("--fix needs root: sudo banger doctor --fix");
    if (program_find(PROGRAM_PRIV_OF_CLI, NULL, path, &err) < 0)
        return cli_usage("%s", err.message);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (!cli_is_table(cli))
            dup2(STDERR_FILENO, STDOUT_FILENO);
        execl(path, path, "--fix", (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) == 127)
        return cli_usage("cannot run %s", path);
    return 0;
}

static int doctor(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct doctor_options *o = values;
    (void)args;
    int fixed = o->fix ? fix_host(cli) : 0;
    if (fixed)
        return fixed;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_error error;
    Banger__V1__DiagnoseRequest request = BANGER__V1__DIAGNOSE_REQUEST__INIT;
    Banger__V1__DiagnoseResponse *response = banger_diagnose(cli->client, &request, NULL, &error);
    if (!response)
        return cli_fail(&error, "diagnose");
    int status = 0;
    for (size_t i = 0; i < response->n_checks; i++) {
        const Banger__V1__Check *c = response->checks[i];
        if (c->result == BANGER__V1__CHECK_RESULT__CHECK_RESULT_FAILED)
            status = 1;
        if (!cli_is_table(cli))
            continue;
        cli_say(stdout, "%-8s %-20s %s", check_word(c->result), c->name, c->message);
        if (c->fix[0] && c->result != BANGER__V1__CHECK_RESULT__CHECK_RESULT_OK)
            cli_say(stdout, "%29s %s", "->", c->fix);
    }
    if (!cli_is_table(cli))
        cli_print_message(cli, &response->base);
    FREE_MESSAGE(response);
    return status ? status : cli_end_output(cli);
}

static const struct opt doctor_opts[] = {
    {"fix", 0, OPT_FLAG, offsetof(struct doctor_options, fix), NULL,
     "mend what is in the way of guests with taps, and say how that is undone", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct command rows[] = {
    {"show", "inspect", "", "describe the host: capacity, use, drivers", NULL, NULL, 0, 0, 0, false,
     NAMES_NONE, host_show},
    {"", NULL, "", "check that this machine can run VMs, and say what to do",
     "Exit status 1 when a check failed. --fix is for root on the host itself.", doctor_opts,
     sizeof(struct doctor_options), 0, 0, false, NAMES_NONE, doctor},
};
static const struct command *const host_commands[] = {&rows[0],
                                                      &host_connections_command,
                                                      &host_kick_command,
                                                      &host_audit_command,
                                                      &host_gc_command,
                                                      &host_recover_command,
                                                      NULL};
const struct noun host_noun = {"host", "the machine that runs VMs", host_commands};
static const struct command *const doctor_commands[] = {&rows[1], NULL};
const struct noun doctor_noun = {"doctor", "check that this machine can run VMs", doctor_commands};
