/* ReadLogs over any number of connections: asked for again from the bytes that it had reached. All
 * work happens inside banger_logs_next. */
#include "banger/logs.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "internal.h"

enum { LOGS_REATTACH_MS = 60000, LOGS_STEADY_MS = 1000 };

/* Of one stream the offset that comes next, once the server has said where it begins. */
struct logs_place {
    uint64_t next;
    bool known;
};

struct banger_logs {
    struct client_due due;
    struct banger_client *client;
    Banger__V1__ReadLogsRequest *request; /* as given; owned */
    struct banger_metadata metadata;
    int64_t reattach_ms;
    struct banger_stream *stream; /* NULL: between connections */
    struct retry retry;
    int64_t due_ms;   /* no stream: when to try again */
    int64_t heard_ms; /* the first chunk of this connection; 0: none yet */
    unsigned n_heard; /* connections on which something came */
    bool over;        /* the answer from now on is failure, or END where that is none */
    struct banger_error failure;
    ProtobufCMessage *current; /* behind the latest chunk */
    struct logs_place places[2];
};

static int64_t logs_due_ms(const struct client_due *due)
{
    const struct banger_logs *logs = container_of(due, struct banger_logs, due);
    return logs->stream || logs->over ? INT64_MAX : logs->due_ms;
}

static Banger__V1__ReadLogsRequest *logs_copy(const Banger__V1__ReadLogsRequest *request)
{
    size_t len = banger__v1__read_logs_request__get_packed_size(request);
    uint8_t *packed = malloc(len + 1);
    if (!packed)
        return NULL;
    banger__v1__read_logs_request__pack(request, packed);
    Banger__V1__ReadLogsRequest *copy = banger__v1__read_logs_request__unpack(NULL, len, packed);
    free(packed);
    return copy;
}

struct banger_logs *banger_logs_open(struct banger_client *client,
                                     const Banger__V1__ReadLogsRequest *request,
                                     struct banger_error *error)
{
    struct banger_logs *logs = calloc(1, sizeof(*logs));
    Banger__V1__ReadLogsRequest *copy = logs_copy(request);
    if (!logs || !copy) {
        free(logs);
        banger__v1__read_logs_request__free_unpacked(copy, NULL);
        error_no_memory(error);
        return NULL;
    }
    bool from_bytes = !copy->tail_bytes && !copy->tail_lines && !copy->only_new && !copy->since;
    logs->client = client;
    client_use(client);
    logs->request = copy;
    logs->places[0] = (struct logs_place){copy->from_stdout, from_bytes};
    logs->places[1] = (struct logs_place){copy->from_stderr, from_bytes};
    logs->reattach_ms = LOGS_REATTACH_MS;
    call_metadata_init(&logs->metadata);
    logs->due_ms = client->told_ms;
    logs->due.due_ms = logs_due_ms;
    list_add_tail(&client->dues, &logs->due.link);
    client_arm(client);
    return logs;
}

void banger_logs_set_reattach_ms(struct banger_logs *logs, int64_t ms)
{
    logs->reattach_ms = ms;
}

struct banger_metadata *banger_logs_metadata(struct banger_logs *logs)
{
    return &logs->metadata;
}

unsigned banger_logs_returns(const struct banger_logs *logs)
{
    return logs->n_heard > 0 ? logs->n_heard - 1 : 0;
}

void banger_logs_close(struct banger_logs *logs)
{
    if (!logs)
        return;
    banger_stream_close(logs->stream);
    banger_message_free(logs->current);
    list_remove(&logs->due.link);
    call_metadata_done(&logs->metadata);
    client_unuse(logs->client);
    banger__v1__read_logs_request__free_unpacked(logs->request, NULL);
    free(logs);
}

static int logs_connect(struct banger_logs *logs, struct banger_error *error)
{
    logs->heard_ms = 0;
    Banger__V1__ReadLogsRequest request = *logs->request;
    request.tell_start = true;
    bool goes_on = (logs->places[0].known || request.no_stdout) &&
                   (logs->places[1].known || request.no_stderr);
    if (goes_on) {
        request.tail_bytes = 0;
        request.tail_lines = 0;
        request.only_new = false;
        request.since = NULL;
        request.from_stdout = logs->places[0].next;
        request.from_stderr = logs->places[1].next;
    }
    const struct rpc_method *method = method_find("/banger.v1.GuestSessionService/ReadLogs", error);
    const struct stream_config config = {
        .request = &request.base, .fail_fast = true, .timeout_ms = -1, .metadata = &logs->metadata};
    logs->stream = method ? stream_open(logs->client, method, &config, error) : NULL;
    return logs->stream ? 0 : -1;
}

static bool logs_may_return(const struct banger_logs *logs, const struct banger_error *error)
{
    return error->code == BANGER_UNAVAILABLE ||
           (logs->n_heard > 0 && strcmp(error->reason, "VM_PAUSED") == 0);
}

/* The stream is gone: to be opened again, or over. */
static void logs_lose(struct banger_logs *logs, const struct banger_error *error)
{
    int64_t now = clock_mono_ms();
    if (logs->heard_ms && now - logs->heard_ms >= LOGS_STEADY_MS)
        retry_reset(&logs->retry);
    banger_stream_close(logs->stream);
    logs->stream = NULL;
    logs->heard_ms = 0;
    const struct banger_client *client = logs->client;
    int64_t patience = logs->reattach_ms;
    if (logs->n_heard == 0 && patience > 0)
        patience = client->ever_connected ? client->retry_ms : client->wait_for_ready_ms;
    int64_t delay = logs_may_return(logs, error) ? retry_delay(&logs->retry, patience) : -1;
    if (delay >= 0) {
        logs->due_ms = now + delay;
        return;
    }
    logs->over = true;
    logs->failure = *error;
}

/* Cuts off what was seen. 1: a piece for the caller, 0: nothing new, -1: nonsense. */
static int logs_take(struct banger_logs *logs, Banger__V1__LogChunk *chunk,
                     struct banger_error *error)
{
    if (!logs->heard_ms) {
        logs->heard_ms = clock_mono_ms();
        logs->n_heard++;
    }
    if (chunk->stream < 1 || chunk->stream > 2)
        return error_set(error, BANGER_INTERNAL, "the server sent output of stream %u",
                         (unsigned)chunk->stream);
    struct logs_place *place = &logs->places[chunk->stream - 1];
    bool is_gap = chunk->gap_reason[0] != '\0';
    bool is_start = chunk->data.len == 0 && !is_gap;
    bool first = !place->known;
    if (first)
        *place = (struct logs_place){chunk->offset, true};
    if (chunk->offset > place->next)
        return error_set(error, BANGER_DATA_LOSS,
                         "output of stream %u is at byte %llu where %llu was due",
                         (unsigned)chunk->stream, (unsigned long long)chunk->offset,
                         (unsigned long long)place->next);
    if (is_start)
        return logs->request->tell_start && logs->n_heard == 1;
    retry_reset(&logs->retry);
    uint64_t end = is_gap ? chunk->gap_to : chunk->offset + chunk->data.len;
    uint64_t seen = place->next - chunk->offset;
    bool is_cut = is_gap && chunk->gap_to == chunk->offset;
    if (end <= place->next && !is_cut)
        return 0;
    if (!is_gap && seen > 0) {
        chunk->data.len -= (size_t)seen;
        memmove(chunk->data.data, chunk->data.data + seen, chunk->data.len);
    }
    chunk->offset = is_cut ? chunk->offset : place->next;
    place->next = is_cut ? place->next : end;
    return 1;
}

/* What can be said without waiting; *again: look once more. */
static enum banger_next logs_step(struct banger_logs *logs, bool *again, struct banger_error *error)
{
    *again = false;
    if (!logs->stream) {
        if (clock_mono_ms() < logs->due_ms)
            return BANGER_NEXT_NOTHING;
        *again = true;
        if (logs_connect(logs, error) < 0)
            logs_lose(logs, error);
        return BANGER_NEXT_NOTHING;
    }
    enum banger_next next = banger_stream_next(logs->stream, 0, &logs->current, error);
    if (next == BANGER_NEXT_END)
        logs->over = true;
    if (next == BANGER_NEXT_ERROR)
        logs_lose(logs, error);
    *again = next == BANGER_NEXT_END || next == BANGER_NEXT_ERROR;
    if (next != BANGER_NEXT_MESSAGE)
        return BANGER_NEXT_NOTHING;
    int result = logs_take(logs, (Banger__V1__LogChunk *)logs->current, error);
    if (result < 0) {
        logs->over = true;
        logs->failure = *error;
    }
    *again = result <= 0;
    return result > 0 ? BANGER_NEXT_MESSAGE : BANGER_NEXT_NOTHING;
}

enum banger_next banger_logs_next(struct banger_logs *logs, int64_t timeout_ms,
                                  const Banger__V1__LogChunk **chunk, struct banger_error *error)
{
    struct banger_error own;
    if (!error)
        error = &own;
    int64_t deadline = timeout_ms < 0 ? INT64_MAX : clock_mono_ms() + timeout_ms;
    for (;;) {
        banger_message_free(logs->current);
        logs->current = NULL;
        *chunk = NULL;
        if (logs->over && !logs->failure.code)
            return BANGER_NEXT_END;
        if (logs->over) {
            *error = logs->failure;
            return BANGER_NEXT_ERROR;
        }
        bool again;
        enum banger_next next = logs_step(logs, &again, error);
        client_arm(logs->client);
        *chunk = (const Banger__V1__LogChunk *)logs->current;
        if (next == BANGER_NEXT_MESSAGE)
            return next;
        if (again)
            continue;
        int64_t left = deadline == INT64_MAX ? -1 : deadline - clock_mono_ms();
        if (timeout_ms == 0 || (deadline != INT64_MAX && left <= 0))
            return BANGER_NEXT_NOTHING;
        if (client_wait(logs->client, left, error) < 0)
            return BANGER_NEXT_ERROR;
    }
}
