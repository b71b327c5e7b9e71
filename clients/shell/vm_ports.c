/* vm ports: what listens in a guest. */
#include "vm_ports.h"

#include <string.h>

#include "table.h"
#include "vm.h"

struct ports_options {
    struct opt_number wait;
    bool all;
};

struct banger_stream *ports_watch(struct cli *cli, const char *vm)
{
    struct banger_error error;
    Banger__V1__WatchVMPortsRequest request = BANGER__V1__WATCH_VMPORTS_REQUEST__INIT;
    struct banger_call *call = banger_call_new();
    request.vm = (char *)vm;
    if (call && cli->options.timeout.given)
        banger_call_set_timeout_ms(call, (int64_t)cli->options.timeout.value);
    struct banger_stream *stream = banger_stream_open(
        cli->client, "/banger.v1.VMService/WatchVMPorts", &request.base, call, &error);
    banger_call_free(call);
    if (!stream)
        cli_fail(&error, "ports of %s", vm);
    return stream;
}

bool ports_is_reachable(const Banger__V1__VMPort *port)
{
    const char *a = port->address;
    return strcmp(port->protocol, "tcp") == 0 &&
           (strcmp(a, "0.0.0.0") == 0 || strcmp(a, "::") == 0 || strcmp(a, "::1") == 0 ||
            strncmp(a, "127.", 4) == 0);
}

bool ports_have(const Banger__V1__ListVMPortsResponse *list, uint32_t tcp_port)
{
    for (size_t i = 0; i < list->n_ports; i++)
        if (strcmp(list->ports[i]->protocol, "tcp") == 0 && list->ports[i]->port == tcp_port)
            return true;
    return false;
}

static int ports_wait(struct cli *cli, const char *vm, uint64_t port)
{
    struct banger_error error = {.code = BANGER_UNAVAILABLE, .message = "the guest has ended it"};
    ProtobufCMessage *message;
    bool found = false;
    if (port < 1 || port > UINT16_MAX)
        return cli_usage("--wait: %llu is no port", (unsigned long long)port);
    struct banger_stream *stream = ports_watch(cli, vm);
    if (!stream)
        return EXIT_BANGER;
    while (!found && banger_stream_next(stream, -1, &message, &error) == BANGER_NEXT_MESSAGE) {
        found = ports_have((const Banger__V1__ListVMPortsResponse *)message, (uint32_t)port);
        banger_message_free(message);
    }
    banger_stream_close(stream);
    return found ? 0 : cli_fail(&error, "wait for port %llu of %s", (unsigned long long)port, vm);
}

static int ports_print(struct cli *cli, const Banger__V1__ListVMPortsResponse *list, bool all)
{
    struct table t;
    table_init(&t, "PROTOCOL|PORT|ADDRESS|PROCESS|PID|UID");
    for (size_t i = 0; i < list->n_ports; i++) {
        const Banger__V1__VMPort *p = list->ports[i];
        if (!all && strcmp(p->protocol, "unix") == 0)
            continue;
        table_cell(&t, "%s", p->protocol);
        table_cell(&t, "%.*u", p->port ? 1 : 0, p->port); /* nothing for 0 */
        table_cell(&t, "%s", p->address);
        table_cell(&t, "%s", p->process);
        table_cell(&t, "%.*u", p->pid ? 1 : 0, p->pid);
        table_cell(&t, "%u", p->uid);
    }
    return cli_print_table(cli, &t);
}

static int vm_ports(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct ports_options *o = values;
    struct banger_error error;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    if (o->wait.given)
        return ports_wait(cli, args->refs[0], o->wait.value);
    Banger__V1__ListVMPortsRequest request = BANGER__V1__LIST_VMPORTS_REQUEST__INIT;
    request.vm = args->refs[0];
    Banger__V1__ListVMPortsResponse *list =
        banger_list_vm_ports(cli->client, &request, NULL, &error);
    if (!list)
        return cli_fail(&error, "ports of %s", args->refs[0]);
    int status =
        cli_is_table(cli) ? ports_print(cli, list, o->all) : cli_print_message(cli, &list->base);
    FREE_MESSAGE(list);
    return status;
}

static const struct opt ports_opts[] = {
    {"wait", 0, OPT_COUNT, offsetof(struct ports_options, wait), "PORT",
     "print nothing, and end with 0 as soon as something listens on this TCP port", NULL,
     NAMES_NONE},
    {"unix", 0, OPT_FLAG, offsetof(struct ports_options, all), NULL,
     "Unix sockets, too; JSON and YAML have them always", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command vm_ports_command = {"ports",
                                         NULL,
                                         "VM",
                                         "list what listens in a VM, and whose it is",
                                         NULL,
                                         ports_opts,
                                         sizeof(struct ports_options),
                                         1,
                                         1,
                                         false,
                                         NAMES_VM,
                                         vm_ports};
