/* vm forward: ports and sockets of a VM on this machine, and the other way round. */
#include <stdio.h>
#include <string.h>

#include "relay.h"
#include "vm.h"
#include "vm_ports.h"

enum { AUTO_PORTS = 128 };

struct forward_options {
    const char *address, *stdio, *user;
    struct opt_list reverse;
    bool automatic;
};

/* What --auto knows. */
struct auto_forward {
    struct cli *cli;
    struct relay *relay;
    const struct forward_options *o;
    struct banger_stream *ports;
    uint16_t on[AUTO_PORTS]; /* of the guest: forwarded by us */
    size_t n;
};

/* "A:B", where each may have a host in front, or be a path; "A" alone is both. */
static bool forward_split(const char *text, struct relay_end *first, struct relay_end *second)
{
    size_t len = strlen(text);
    if (relay_end_parse(second, text, len, false) && !second->host[0] && !second->path[0]) {
        *first = *second;
        return true;
    }
    for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':'))
        if (relay_end_parse(first, text, (size_t)(colon - text), true) &&
            relay_end_parse(second, colon + 1, strlen(colon + 1), false))
            return true;
    return false;
}

/* Says what leads where; port 0 was asked for, so a program wants to know. */
static int forward_tell(struct cli *cli, const struct relay_end *from, const struct relay_end *to,
                        bool reverse)
{
    char a[RELAY_END_BYTES], b[RELAY_END_BYTES];
    relay_end_text(a, from);
    relay_end_text(b, to);
    if (!cli_is_table(cli)) {
        const struct cli_pair pairs[] = {{reverse ? "guest" : "local", a},
                                         {reverse ? "local" : "guest", b},
                                         {"direction", reverse ? "out" : "in"},
                                         {NULL, NULL}};
        return cli_print_pairs(cli, pairs) || fflush(stdout) ? EXIT_BANGER : 0;
    }
    if (cli->options.quiet)
        return 0;
    cli_say(stdout, "%s%s -> %s%s", reverse ? "guest:" : "", a, reverse ? "" : "guest:", b);
    return fflush(stdout) ? EXIT_BANGER : 0;
}

static int forward_begin(struct cli *cli, struct relay *relay, const struct forward_options *o,
                         const char *spec)
{
    struct relay_end here, there;
    uint16_t bound;
    if (!forward_split(spec, &here, &there))
        return cli_usage("\"%.80s\" is not LOCAL:GUEST, such as 8080:80 or 0:/run/app.sock", spec);
    if (!here.path[0] && !here.host[0])
        snprintf(here.host, sizeof(here.host), "%s", o->address ? o->address : "127.0.0.1");
    int status = relay_listen(relay, &here, &there, &bound, false);
    here.port = bound;
    return status ? status : forward_tell(cli, &here, &there, false);
}

static int forward_begin_reverse(struct cli *cli, struct relay *relay, const char *spec)
{
    struct relay_end here, there;
    uint16_t bound;
    if (!forward_split(spec, &there, &here))
        return cli_usage("--reverse: \"%.80s\" is not GUEST:LOCAL, such as 9000:3000", spec);
    int status = relay_listen_there(relay, &there, &here, &bound);
    there.port = bound;
    return status ? status : forward_tell(cli, &there, &here, true);
}

/* ---- --auto ---- */

static int auto_add(struct auto_forward *a, uint16_t port)
{
    struct relay_end here = {.port = port}, there = {.port = port};
    uint16_t bound;
    snprintf(here.host, sizeof(here.host), "%s", a->o->address ? a->o->address : "127.0.0.1");
    if (relay_listen(a->relay, &here, &there, &bound, true) != 0) {
        here.port = 0; /* it is taken, or below what we may have */
        int status = relay_listen(a->relay, &here, &there, &bound, false);
        if (status)
            return status;
    }
    a->on[a->n++] = port;
    here.port = bound;
    return forward_tell(a->cli, &here, &there, false);
}

static int auto_take(struct auto_forward *a, const Banger__V1__ListVMPortsResponse *list)
{
    int status = 0;
    for (size_t i = 0; i < a->n; i++) {
        if (ports_have(list, a->on[i]))
            continue;
        if (!a->cli->options.quiet && cli_is_table(a->cli))
            cli_say(stdout, "guest:%u has ended", a->on[i]);
        fflush(stdout);
        relay_unlisten(a->relay, a->on[i]);
        a->on[i--] = a->on[--a->n];
    }
    for (size_t i = 0; i < list->n_ports && a->n < AUTO_PORTS && status == 0; i++) {
        const Banger__V1__VMPort *p = list->ports[i];
        uint16_t port = (uint16_t)p->port;
        /* A guest that shares our network, as sim's, sees our own listeners. */
        if (ports_is_reachable(p) && !relay_port_here(a->relay, port) &&
            !relay_port_is_ours(a->relay, port))
            status = auto_add(a, port);
    }
    return status;
}

static int auto_turn(void *arg)
{
    struct auto_forward *a = arg;
    struct banger_error error = {.code = BANGER_UNAVAILABLE, .message = "the guest has ended it"};
    for (;;) {
        ProtobufCMessage *message;
        enum banger_next next = banger_stream_next(a->ports, 0, &message, &error);
        if (next == BANGER_NEXT_NOTHING)
            return 0;
        if (next != BANGER_NEXT_MESSAGE)
            return cli_fail(&error, "ports");
        int status = auto_take(a, (const Banger__V1__ListVMPortsResponse *)message);
        banger_message_free(message);
        if (status)
            return status;
    }
}

/* ---- the command ---- */

/* What is wrong with the VM is told at once, not with the first connection. */
static int forward_check(struct cli *cli, const char *vm)
{
    struct banger_error error;
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    request.vm = (char *)vm;
    Banger__V1__VM *found = banger_get_vm(cli->client, &request, NULL, &error);
    if (!found)
        return cli_fail(&error, "forward to %s", vm);
    Banger__V1__VMState state =
        found->runtime ? found->runtime->state : BANGER__V1__VMSTATE__VM_STATE_UNSPECIFIED;
    char word[WORD_BYTES];
    enum_word(word, &banger__v1__vmstate__descriptor, (int)state);
    FREE_MESSAGE(found);
    if (state == BANGER__V1__VMSTATE__VM_STATE_RUNNING)
        return 0;
    return cli_fail_with(EXIT_BANGER, "VM_NOT_RUNNING", "VM %s is %s; start it first", vm, word);
}

static int forward_run(struct cli *cli, struct relay *relay, const struct forward_options *o,
                       const struct opt_args *args)
{
    struct auto_forward automatic = {.cli = cli, .relay = relay, .o = o};
    int status = 0;
    if (o->stdio) {
        struct relay_end there;
        if (!relay_end_parse(&there, o->stdio, strlen(o->stdio), false))
            return cli_usage("--stdio: \"%.80s\" is neither [HOST:]PORT nor a path", o->stdio);
        status = relay_stdio(relay, &there);
        return status ? status : relay_run(relay, NULL, NULL);
    }
    for (int i = 1; i < args->n_refs && status == 0; i++)
        status = forward_begin(cli, relay, o, args->refs[i]);
    for (size_t i = 0; i < o->reverse.n && status == 0; i++)
        status = forward_begin_reverse(cli, relay, o->reverse.items[i]);
    if (status == 0 && o->automatic && !(automatic.ports = ports_watch(cli, args->refs[0])))
        status = EXIT_BANGER;
    if (status == 0)
        status = relay_run(relay, o->automatic ? auto_turn : NULL, &automatic);
    banger_stream_close(automatic.ports);
    return status;
}

static int vm_forward(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct forward_options *o = values;
    bool listens = args->n_refs > 1 || o->reverse.n > 0 || o->automatic;
    if (o->stdio && listens)
        return cli_usage("--stdio is one connection, and goes with no other");
    if (!o->stdio && !listens)
        return cli_usage("vm forward needs LOCAL:GUEST, --reverse, --stdio or --auto");
    if (cli_connect(cli) < 0 || forward_check(cli, args->refs[0]) != 0)
        return EXIT_BANGER;
    struct relay *relay = relay_new(cli, args->refs[0], o->user);
    int status = relay ? forward_run(cli, relay, o, args) : EXIT_BANGER;
    relay_free(relay);
    return status;
}

static const struct opt forward_opts[] = {
    {"address", 0, OPT_STRING, offsetof(struct forward_options, address), "ADDRESS",
     "listen on this address of this machine (default 127.0.0.1)", NULL, NAMES_NONE},
    {"reverse", 'R', OPT_LIST, offsetof(struct forward_options, reverse), "GUEST:LOCAL",
     "listen in the guest, and connect to this machine; may be repeated", NULL, NAMES_NONE},
    {"stdio", 0, OPT_STRING, offsetof(struct forward_options, stdio), "GUEST",
     "one connection, of our standard input and output", NULL, NAMES_NONE},
    {"auto", 0, OPT_FLAG, offsetof(struct forward_options, automatic), NULL,
     "forward each TCP port that the guest listens on, for as long as it does", NULL, NAMES_NONE},
    {"user", 'u', OPT_STRING, offsetof(struct forward_options, user), "USER",
     "connect and listen in the guest as this user (default root)", NULL, NAMES_NONE},
    {.name = NULL},
};

const struct command vm_forward_command = {
    "forward",
    NULL,
    "VM [LOCAL:GUEST...]",
    "reach ports and Unix sockets of a VM from this machine, until interrupted",
    "LOCAL is [ADDRESS:]PORT, 0 for one that is free, or the path of a socket to be made; GUEST "
    "is\n"
    "[HOST:]PORT, as the guest sees it, or a path. \"8080\" is short for \"8080:8080\". What "
    "leads\n"
    "where is printed. Connections go through the one to the daemon: nothing listens in between.",
    forward_opts,
    sizeof(struct forward_options),
    1,
    -1,
    false,
    NAMES_VM,
    vm_forward};
