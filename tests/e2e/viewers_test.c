/* A thousand viewers of one session: what they cost the daemon, that all see what is written, who
 * they are, and that one that is sent away stays away. viewers_test sim */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/attach.h"
#include "banger/logs.h"
#include "base/clock.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

enum {
    CLIENTS = 20,
    VIEWERS = 1000, /* ATTACHES_PER_VM_MAX */
    WAIT_MS = 60000,
    VIEWER_KIB_MAX = HARNESS_ASAN ? 64 : 24, /* an RPC stream, an attach and a cursor */
    FLOOD_BYTES = 8 * 1024 * 1024,
    STALLED_KIB_MAX = HARNESS_ASAN ? 8192 : 3072,
};

static struct harness h;
static struct banger_client *client, *clients[CLIENTS];
static struct banger_attach *viewers[VIEWERS];
static char box[STEPS_ID_BYTES];
static struct banger_error error;

static void send(char *session, const char *text)
{
    Banger__V1__SendStdinRequest request = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    request.session = session;
    request.data.data = (uint8_t *)(uintptr_t)text;
    request.data.len = strlen(text);
    Banger__V1__SendStdinResponse *sent = banger_send_stdin(client, &request, NULL, &error);
    CHECK(sent != NULL);
    banger_message_free(sent ? &sent->base : NULL);
}

static Banger__V1__ListViewersResponse *list(char *session)
{
    Banger__V1__ListViewersRequest request = BANGER__V1__LIST_VIEWERS_REQUEST__INIT;
    request.session = session;
    Banger__V1__ListViewersResponse *all = banger_list_viewers(client, &request, NULL, &error);
    if (!all)
        harness_die(&h, "viewers: %s", error.message);
    return all;
}

/* The next frame of that kind. */
static bool await(struct banger_attach *attach, enum banger_frame_kind kind,
                  struct banger_frame *frame)
{
    int rc;
    while ((rc = banger_attach_next(attach, WAIT_MS, frame, &error)) > 0)
        if (frame->kind == kind)
            return true;
    return false;
}

static void a_thousand_viewers(void)
{
    static const char *const argv[] = {"cat", NULL};
    char id[STEPS_ID_BYTES];
    struct banger_frame frame;
    CHECK_INT(steps_start_session(client, &h, box, argv, true, id, &error), 0);
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = harness_connect(&h);
    uint64_t before = harness_memory_kib(h.daemon, "VmRSS");
    for (int i = 0; i < VIEWERS; i++) {
        viewers[i] = banger_attach_open(clients[i % CLIENTS], id, &error);
        if (!CHECK(await(viewers[i], BANGER_FRAME_OPENED, &frame)))
            harness_die(&h, "viewer %d: %s", i, error.message);
    }
    uint64_t each = (harness_memory_kib(h.daemon, "VmRSS") - before) / VIEWERS;
    printf("     %llu KiB of the daemon's for each of %d viewers\n", (unsigned long long)each,
           VIEWERS);
    CHECK(each < VIEWER_KIB_MAX);
    struct banger_attach *more = banger_attach_open(client, id, &error);
    CHECK_INT(banger_attach_next(more, WAIT_MS, &frame, &error), -1);
    CHECK_STR(error.reason, "VIEWER_LIMIT");
    banger_attach_close(more);
    send(id, "hello");
    for (int i = 0; i < VIEWERS; i++)
        if (!CHECK(await(viewers[i], BANGER_FRAME_DATA, &frame)) || !CHECK_INT(frame.len, 5))
            break;
    Banger__V1__ListViewersResponse *all = list(id);
    CHECK_INT(all->n_viewers, VIEWERS);
    for (size_t i = 1; i < all->n_viewers; i++)
        CHECK(all->viewers[i]->id > all->viewers[i - 1]->id);
    banger_message_free(&all->base);
    for (int i = 0; i < VIEWERS; i++)
        banger_attach_close(viewers[i]);
    for (int i = 0; i < CLIENTS; i++)
        banger_close(clients[i]);
}

static Banger__V1__Viewer *find(const Banger__V1__ListViewersResponse *all, bool logs)
{
    for (size_t i = 0; i < all->n_viewers; i++)
        if (all->viewers[i]->logs == logs)
            return all->viewers[i];
    return NULL;
}

struct stall {
    char *session;
    uint64_t id, lag;
};

static bool has_stalled(void *arg)
{
    struct stall *s = arg;
    Banger__V1__ListViewersResponse *all = list(s->session);
    const Banger__V1__Viewer *v = find(all, false);
    bool stalled = v && v->stalled && v->stdout_lag_bytes > FLOOD_BYTES / 2;
    s->id = v ? v->id : 0;
    s->lag = v ? v->stdout_lag_bytes : 0;
    banger_message_free(&all->base);
    return stalled;
}

static int kick(char *session, uint64_t id)
{
    Banger__V1__KickViewerRequest request = BANGER__V1__KICK_VIEWER_REQUEST__INIT;
    request.session = session;
    request.id = id;
    Banger__V1__Empty *empty = banger_kick_viewer(client, &request, NULL, &error);
    banger_message_free(empty ? &empty->base : NULL);
    return empty ? 0 : -1;
}

/* A viewer that takes nothing is seen to, costs its credit, and is sent away for good. */
static void a_stalled_viewer_is_named_and_sent_away(void)
{
    char id[STEPS_ID_BYTES], script[64];
    struct banger_frame frame;
    snprintf(script, sizeof(script), "head -c %d /dev/zero; cat", FLOOD_BYTES);
    const char *const argv[] = {"sh", "-c", script, NULL};
    CHECK_INT(steps_start_session(client, &h, box, argv, true, id, &error), 0);
    struct banger_client *other = harness_connect(&h);
    uint64_t before = harness_memory_kib(h.daemon, "VmRSS");
    struct banger_attach *attach = banger_attach_open(other, id, &error);
    CHECK(await(attach, BANGER_FRAME_OPENED, &frame));
    struct stall stall = {.session = id};
    CHECK(harness_until(has_stalled, &stall, WAIT_MS));
    uint64_t grown = harness_memory_kib(h.daemon, "VmRSS") - before;
    printf("     %llu KiB for one that is %llu bytes behind\n", (unsigned long long)grown,
           (unsigned long long)stall.lag);
    CHECK(grown < STALLED_KIB_MAX);
    CHECK_INT(kick(id, stall.id + 1000), -1);
    CHECK_STR(error.reason, "VIEWER_NOT_FOUND");
    CHECK_INT(kick(id, stall.id), 0);
    CHECK(!await(attach, BANGER_FRAME_EXIT, &frame));
    CHECK_STR(error.reason, "VIEWER_KICKED");
    CHECK_INT(error.code, BANGER_ABORTED);
    banger_attach_close(attach);
    banger_close(other);
}

static void a_reader_of_logs_is_sent_away(void)
{
    static const char *const argv[] = {"cat", NULL};
    char id[STEPS_ID_BYTES];
    const Banger__V1__LogChunk *chunk;
    Banger__V1__ReadLogsRequest request = BANGER__V1__READ_LOGS_REQUEST__INIT;
    CHECK_INT(steps_start_session(client, &h, box, argv, true, id, &error), 0);
    request.session = id;
    request.follow = true;
    struct banger_logs *logs = banger_logs_open(client, &request, &error);
    send(id, "seen");
    CHECK_INT(banger_logs_next(logs, WAIT_MS, &chunk, &error), BANGER_NEXT_MESSAGE);
    Banger__V1__ListViewersResponse *all = list(id);
    const Banger__V1__Viewer *v = find(all, true);
    if (CHECK(v != NULL)) {
        CHECK_INT(v->stdout_offset, 4);
        CHECK(v->principal[0] && v->address[0] && v->since);
        CHECK_INT(kick(id, v->id), 0);
    }
    banger_message_free(&all->base);
    CHECK_INT(banger_logs_next(logs, WAIT_MS, &chunk, &error), BANGER_NEXT_ERROR);
    CHECK_STR(error.reason, "VIEWER_KICKED");
    CHECK_INT(banger_logs_next(logs, WAIT_MS, &chunk, &error), BANGER_NEXT_ERROR);
    banger_logs_close(logs);
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(a_stalled_viewer_is_named_and_sent_away);
    RUN(a_reader_of_logs_is_sent_away);
    RUN(a_thousand_viewers);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
