/* ForwardService.Listen: the tool listen (agent/tool_listen.c), line by line. */
#include "daemon/service/forward.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/v1/forward.server.rpc.h"
#include "base/err.h"
#include "daemon/core/core.h"
#include "daemon/core/session/guest_tool.h"
#include "daemon/service/guest_call.h"
#include "daemon/service/service.h"
#include "rpc/wire/call.h"

enum { LISTEN_ARGS = 4 };

struct listen {
    struct guest_call guest;
    struct guest_lines lines;
    char name[FORWARD_NAME_BYTES / 2]; /* the listener's, once it listens; before: "" */
    bool over;
};

int forward_tcp_args(const char *argv[3], char text[8], const char *host, uint32_t port, bool any,
                     struct err *err)
{
    if (port > UINT16_MAX || (port == 0 && !any))
        return err_set(err, ERR_INVALID, "%u is not a port", port);
    if (strlen(host) >= FORWARD_HOST_BYTES)
        return err_set(err, ERR_INVALID, "host is longer than %d bytes", FORWARD_HOST_BYTES - 1);
    snprintf(text, 8, "%u", port);
    argv[0] = "tcp";
    argv[1] = host;
    argv[2] = text;
    return 0;
}

int forward_check_path(const char *path, struct err *err)
{
    if ((path[0] != '/' && path[0] != '@') || !path[1])
        return err_set(err, ERR_INVALID, "unix_path: \"%.60s\" is no absolute path", path);
    if (strlen(path) >= FORWARD_PATH_BYTES)
        return err_set(err, ERR_INVALID, "unix_path is longer than %d bytes",
                       FORWARD_PATH_BYTES - 1);
    if (strpbrk(path, "\n\r\t"))
        return err_set(err, ERR_INVALID, "unix_path has control characters");
    return 0;
}

static void listen_end(struct listen *l, const struct err *status)
{
    if (!l->over)
        rpc_call_finish(l->guest.call, status);
    l->over = true;
}

static void listen_send(struct listen *l, Banger__V1__ListenResponse *response)
{
    struct err err = ERR_INIT;
    if (banger_v1_forward_service_listen_send(l->guest.call, response) == 0)
        return;
    err_set(&err, ERR_LIMIT, "the client does not take what it is sent");
    listen_end(l, &err);
}

/* Cuts text at its first space; what is behind it, or NULL. */
static char *listen_cut(char *text)
{
    char *space = text ? strchr(text, ' ') : NULL;
    if (space)
        *space++ = '\0';
    return space;
}

/* "listening NAME ADDRESS PORT", "accepted ID ADDRESS PORT"; ADDRESS may be a path with spaces. */
static int listen_take(void *arg, char *line)
{
    struct listen *l = arg;
    char *what = listen_cut(line), *address = listen_cut(what);
    char *port = address ? strrchr(address, ' ') : NULL, id[FORWARD_NAME_BYTES];
    struct err err = ERR_INIT;
    if (!port || (strcmp(line, "listening") == 0) != !l->name[0] ||
        strlen(what) >= sizeof(l->name)) {
        err_set(&err, ERR_DATA_LOSS, "the guest's listener makes no sense");
        listen_end(l, &err);
        return -1;
    }
    *port++ = '\0';
    Banger__V1__ListenResponse response = BANGER__V1__LISTEN_RESPONSE__INIT;
    Banger__V1__Listening listening = BANGER__V1__LISTENING__INIT;
    Banger__V1__Accepted accepted = BANGER__V1__ACCEPTED__INIT;
    if (!l->name[0]) {
        snprintf(l->name, sizeof(l->name), "%s", what);
        listening.address = address;
        listening.port = (uint32_t)strtoul(port, NULL, 10);
        response.event_case = BANGER__V1__LISTEN_RESPONSE__EVENT_LISTENING;
        response.listening = &listening;
    } else {
        snprintf(id, sizeof(id), "%s/%s", l->name, what);
        accepted.id = id;
        accepted.address = strcmp(address, "-") == 0 ? (char *)"" : address;
        accepted.port = (uint32_t)strtoul(port, NULL, 10);
        response.event_case = BANGER__V1__LISTEN_RESPONSE__EVENT_ACCEPTED;
        response.accepted = &accepted;
    }
    listen_send(l, &response);
    return l->over ? -1 : 0;
}

static void on_data(void *arg, const uint8_t *data, uint32_t len)
{
    struct listen *l = arg;
    if (l->over || guest_lines_feed(&l->lines, data, len, listen_take, l) < 0)
        return;
    guest_call_used(&l->guest, len);
}

static void on_ended(void *arg, const struct err *err)
{
    listen_end(arg, err);
}

static const struct guest_tool_events tool_events = {.data = on_data, .ended = on_ended};

static void call_writable(void *arg, struct rpc_call *call)
{
    (void)call;
    struct listen *l = arg;
    guest_call_writable(&l->guest);
}

static void call_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    (void)call;
    (void)status;
    struct listen *l = arg;
    l->over = true;
    guest_call_done(&l->guest);
    free(l);
}

static int listen_run(struct listen *l, const Banger__V1__ListenRequest *request, struct err *err)
{
    char port[8];
    const char *argv[LISTEN_ARGS] = {"listen", "unix", request->unix_path};
    struct guest_tool_spec spec = {.argv = argv, .argc = 3, .user = request->user};
    struct vm_entry *vm = guest_call_find_vm(&l->guest, request->vm, err);
    if (!vm)
        return -1;
    switch (request->at_case) {
    case BANGER__V1__LISTEN_REQUEST__AT_TCP_PORT:
        if (forward_tcp_args(argv + 1, port, request->host, request->tcp_port, true, err) < 0)
            return -1;
        spec.argc = LISTEN_ARGS;
        break;
    case BANGER__V1__LISTEN_REQUEST__AT_UNIX_PATH:
        if (forward_check_path(request->unix_path, err) < 0)
            return -1;
        break;
    default:
        return err_set(err, ERR_INVALID, "neither tcp_port nor unix_path");
    }
    return guest_call_run(&l->guest, vm, &spec, &tool_events, l, err);
}

void forward_service_listen(void *self, struct rpc_call *call,
                            const Banger__V1__ListenRequest *request)
{
    static const struct rpc_call_events events = {.writable = call_writable, .closed = call_closed};
    struct err err = ERR_INIT;
    struct listen *l = calloc(1, sizeof(*l));
    if (!l) {
        service_out_of_memory(call);
        return;
    }
    guest_call_init(&l->guest, self, call);
    rpc_call_set_events(call, &events, l);
    if (listen_run(l, request, &err) < 0)
        listen_end(l, &err);
}
