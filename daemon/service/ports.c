/* VMService.ListVMPorts and WatchVMPorts: the tool ports (agent/tool_ports.c), whose lists end with
 * an empty line. What it says is a guest's word: numbers, and texts that are shown. */
#include "daemon/service/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/session/guest_tool.h"
#include "daemon/service/guest_call.h"
#include "daemon/service/service.h"
#include "rpc/wire/call.h"

enum { PORTS_MOST = 1024, PORT_FIELDS = 6 };

/* A port with its texts. */
struct port {
    Banger__V1__VMPort message;
    char line[GUEST_LINE_BYTES];
};

struct ports {
    struct guest_call guest;
    bool follow, over;
    struct guest_lines lines;
    size_t n, n_room;
    struct port *list; /* of the list that is coming */
};

static void ports_end(struct ports *p, const struct err *status)
{
    if (!p->over)
        rpc_call_finish(p->guest.call, status);
    p->over = true;
}

static int ports_fail(struct ports *p, enum err_code code, const char *why)
{
    struct err err = ERR_INIT;
    err_set(&err, code, "%s", why);
    ports_end(p, &err);
    return -1;
}

/* The list is whole. */
static int ports_send(struct ports *p)
{
    Banger__V1__ListVMPortsResponse response = BANGER__V1__LIST_VMPORTS_RESPONSE__INIT;
    Banger__V1__VMPort **list = calloc(p->n + 1, sizeof(*list));
    if (!list)
        return ports_fail(p, ERR_LIMIT, "out of memory");
    for (size_t i = 0; i < p->n; i++)
        list[i] = &p->list[i].message;
    response.ports = list;
    response.n_ports = p->n;
    int rc = 0;
    if (p->follow && banger_v1_vm_service_watch_vm_ports_send(p->guest.call, &response) < 0)
        rc = ports_fail(p, ERR_LIMIT, "the client does not take what it is sent");
    if (!p->follow) {
        p->over = true;
        banger_v1_vm_service_list_vm_ports_reply(p->guest.call, &response);
    }
    free(list);
    p->n = 0;
    return rc;
}

static struct port *ports_add(struct ports *p)
{
    if (p->n == p->n_room) {
        size_t room = p->n_room ? 2 * p->n_room : 64;
        struct port *list = realloc(p->list, room * sizeof(*list));
        if (!list)
            return NULL;
        p->list = list;
        p->n_room = room;
    }
    return &p->list[p->n++];
}

/* Its texts are in its line, which may have moved since. */
static int port_read(struct port *port)
{
    char *field[PORT_FIELDS], *rest = port->line;
    for (int i = 0; i < PORT_FIELDS; i++)
        if (!(field[i] = strsep(&rest, "\t")))
            return -1;
    banger__v1__vmport__init(&port->message);
    port->message.protocol = field[0];
    port->message.port = (uint32_t)strtoul(field[1], NULL, 10);
    port->message.pid = (uint32_t)strtoul(field[2], NULL, 10);
    port->message.uid = (uint32_t)strtoul(field[3], NULL, 10);
    port->message.address = field[4];
    port->message.process = field[5];
    return 0;
}

static int ports_take(void *arg, char *line)
{
    struct ports *p = arg;
    if (*line) {
        struct port *port = p->n < PORTS_MOST ? ports_add(p) : NULL;
        if (!port)
            return ports_fail(p, ERR_LIMIT, "too many ports");
        snprintf(port->line, sizeof(port->line), "%s", line);
        return 0;
    }
    for (size_t i = 0; i < p->n; i++)
        if (port_read(&p->list[i]) < 0)
            return ports_fail(p, ERR_DATA_LOSS, "the guest's list of ports makes no sense");
    return ports_send(p);
}

static void on_data(void *arg, const uint8_t *data, uint32_t len)
{
    struct ports *p = arg;
    if (p->over || guest_lines_feed(&p->lines, data, len, ports_take, p) < 0)
        return;
    guest_call_used(&p->guest, len);
}

static void on_ended(void *arg, const struct err *err)
{
    struct ports *p = arg;
    if (err)
        ports_end(p, err);
    else
        ports_fail(p, ERR_UNAVAILABLE, "the guest stopped telling of its ports");
}

static const struct guest_tool_events tool_events = {.data = on_data, .ended = on_ended};

static void call_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    struct ports *p = arg;
    guest_call_writable(&p->guest);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct ports *p = arg;
    p->over = true;
    guest_call_done(&p->guest);
    free(p->list);
    free(p);
}

static void ports_begin(struct core *core, struct rpc_call *call, const char *vm, bool follow)
{
    static const struct rpc_call_events events = {.writable = call_writable, .closed = call_closed};
    const char *argv[] = {"ports", "follow"};
    struct guest_tool_spec spec = {.argv = argv, .argc = follow ? 2 : 1};
    struct err err = ERR_INIT;
    struct ports *p = calloc(1, sizeof(*p));
    if (!p) {
        service_out_of_memory(call);
        return;
    }
    p->follow = follow;
    guest_call_init(&p->guest, core, call);
    rpc_call_set_events(call, &events, p);
    struct vm_entry *found = guest_call_find_vm(&p->guest, vm, &err);
    if (!found || guest_call_run(&p->guest, found, &spec, &tool_events, p, &err) < 0)
        ports_end(p, &err);
}

void vm_service_list_ports(void *self, struct rpc_call *call,
                           const Banger__V1__ListVMPortsRequest *request)
{
    ports_begin(self, call, request->vm, false);
}

void vm_service_watch_ports(void *self, struct rpc_call *call,
                            const Banger__V1__WatchVMPortsRequest *request)
{
    ports_begin(self, call, request->vm, true);
}
