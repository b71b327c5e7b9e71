/* The load generator's calls: one behind the other in every slot, each answer checked; see load.h.
 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "bench/load.h"
#include "rpc/wire/client.h"
#include "tests/support/echo_service.h"

typedef Banger__Test__V1__EchoRequest request_t;
typedef Banger__Test__V1__EchoResponse response_t;

enum { GREETINGS = 4 };

static char greeting[] = "hello world!";

static void slot_fail(const struct load_slot *slot, const char *what)
{
    struct err *failure = &slot->conn->load->failure;
    if (failure->code == ERR_NONE)
        err_set(failure, ERR_DATA_LOSS, "%s (message %" PRIu64 " of connection %zu)", what,
                slot->n_echoed, (size_t)(slot->conn - slot->conn->load->conns));
}

/* Whether a call that is over was answered in full. */
static bool slot_ended_well(const struct load_slot *slot, const struct err *status)
{
    struct err *failure = &slot->conn->load->failure;
    if (failure->code != ERR_NONE)
        return false;
    if (status->code != ERR_NONE) {
        *failure = *status;
        err_wrap(failure, "a call ended with %s", err_code_name(status->code));
        return false;
    }
    if (slot->n_echoed != slot->n_sent)
        slot_fail(slot, "the call ended before all was answered");
    return slot->n_echoed == slot->n_sent;
}

static void slot_count(struct load *load, int64_t began_ns, int64_t now_ns)
{
    load->n_progress++;
    if (load->phase != LOAD_MEASURING)
        return;
    load->n_done++;
    histogram_add(&load->latency_ns, (uint64_t)(now_ns - began_ns));
}

static request_t slot_request(const struct load *load)
{
    request_t request = BANGER__TEST__V1__ECHO_REQUEST__INIT;
    if (load->o.mode != LOAD_STREAM)
        request.text = greeting;
    request.payload = (ProtobufCBinaryData){load->o.payload_bytes, load->payload};
    return request;
}

/* An answer: the payload as sent, in its place. */
static bool slot_check(struct load_slot *slot, const response_t *r, const char *text)
{
    const struct load *load = slot->conn->load;
    if (slot->n_echoed < slot->n_sent && r->seq == slot->n_echoed + 1 &&
        strcmp(r->text, text) == 0 && r->payload.len == load->o.payload_bytes &&
        (r->payload.len == 0 || memcmp(r->payload.data, load->payload, r->payload.len) == 0))
        return true;
    slot_fail(slot, "the answer is not what was sent");
    return false;
}

static void unary_start(struct load_slot *slot, int64_t now_ns);

static void unary_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct load_slot *slot = arg;
    (void)call;
    if (slot_check(slot, (const response_t *)message,
                   slot->conn->load->o.mode == LOAD_STREAM ? "" : greeting))
        slot->n_echoed++;
}

static void unary_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    struct load_slot *slot = arg;
    struct load *load = slot->conn->load;
    (void)call;
    load->n_active--;
    if (!slot_ended_well(slot, status))
        return;
    int64_t now = clock_mono_ns();
    slot_count(load, slot->sent_ns[0], now);
    if (load->phase == LOAD_DRAINING)
        return;
    if (load->phase == LOAD_OPENING && ++slot->conn->n_greetings == GREETINGS)
        load->n_up++;
    else
        unary_start(slot, now);
}

static const struct rpc_call_events unary_events = {.message = unary_message,
                                                    .closed = unary_closed};
static const struct rpc_call_options no_deadline = {.timeout_ms = -1};

static struct rpc_call *slot_start(struct load_slot *slot, int which, const request_t *request,
                                   const struct rpc_call_events *events)
{
    struct load *load = slot->conn->load;
    struct err err = ERR_INIT;
    slot->n_sent = slot->n_echoed = 0;
    struct rpc_call *call = rpc_client_start(slot->conn->client, echo_method(which), &no_deadline,
                                             request ? &request->base : NULL, events, slot, &err);
    if (call)
        load->n_active++;
    else if (load->failure.code == ERR_NONE)
        load->failure = err;
    return call;
}

static void unary_start(struct load_slot *slot, int64_t now_ns)
{
    request_t request = slot_request(slot->conn->load);
    struct rpc_call *call = slot_start(slot, ECHO_UNARY, &request, &unary_events);
    slot->n_sent = 1;
    slot->sent_ns[0] = now_ns;
    rpc_call_unref(call);
}

/* As many messages as may be in flight. */
static void stream_fill(struct load_slot *slot)
{
    const struct load *load = slot->conn->load;
    const request_t request = slot_request(load);
    int64_t now = clock_mono_ns();
    while (slot->n_sent - slot->n_echoed < load->o.n_in_flight && rpc_call_writable(slot->call)) {
        if (rpc_call_send(slot->call, &request.base) < 0)
            return; /* closed() tells why */
        slot->sent_ns[slot->n_sent++ % load->o.n_in_flight] = now;
    }
}

static void stream_go_on(void *arg, struct rpc_call *call)
{
    struct load_slot *slot = arg;
    if (slot->conn->load->phase != LOAD_DRAINING)
        stream_fill(slot);
    else if (slot->n_echoed == slot->n_sent)
        rpc_call_half_close(call);
}

static void stream_message(void *arg, struct rpc_call *call, const ProtobufCMessage *message)
{
    struct load_slot *slot = arg;
    struct load *load = slot->conn->load;
    if (!slot_check(slot, (const response_t *)message, ""))
        return;
    slot_count(load, slot->sent_ns[slot->n_echoed++ % load->o.n_in_flight], clock_mono_ns());
    stream_go_on(slot, call);
}

static void stream_closed(void *arg, struct rpc_call *call, const struct err *status)
{
    struct load_slot *slot = arg;
    slot->conn->load->n_active--;
    if (slot_ended_well(slot, status) && slot->conn->load->phase != LOAD_DRAINING)
        slot_fail(slot, "the server ended the stream");
    slot->call = NULL;
    rpc_call_unref(call);
}

static const struct rpc_call_events stream_events = {
    .message = stream_message, .writable = stream_go_on, .closed = stream_closed};

void load_calls_greet(struct load_conn *c)
{
    unary_start(&c->slots[0], clock_mono_ns());
}

void load_calls_begin(struct load_conn *c)
{
    for (size_t i = 0; i < c->load->o.n_streams; i++) {
        struct load_slot *slot = &c->slots[i];
        if (c->load->o.mode == LOAD_UNARY) {
            unary_start(slot, clock_mono_ns());
        } else {
            slot->call = slot_start(slot, ECHO_BIDI, NULL, &stream_events);
            if (slot->call)
                stream_fill(slot);
        }
    }
}
