/* ReadLogs by lines: what comes, and that it costs the guest's channel no more than that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/service/served.h"
#include "tests/support/check.h"
#include "tests/support/told.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum { LINES = 200000, LINE_BYTES = 32 };

static struct served served;
static struct banger_client *client;
static struct banger_error error;

/* Prints LINES numbered lines and then two on stderr; waits for its end. */
static void run_printer(const char *name)
{
    Banger__V1__StartSessionRequest start = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char script[100];
    snprintf(script, sizeof(script), "seq -f %%0%d.f %d; echo one >&2; echo two >&2",
             LINE_BYTES - 1, LINES);
    char *argv[] = {TEXT("sh"), TEXT("-c"), script};
    spec.argv = argv;
    spec.n_argv = 3;
    start.vm = TEXT("box");
    start.name = TEXT(name);
    start.spec = &spec;
    Banger__V1__GuestSession *s = banger_start_session(client, &start, NULL, &error);
    CHECK(s != NULL);
    banger_message_free(s ? &s->base : NULL);
    Banger__V1__WaitSessionRequest wait = BANGER__V1__WAIT_SESSION_REQUEST__INIT;
    wait.session = TEXT(name);
    s = banger_wait_session(client, &wait, NULL, &error);
    CHECK(s && s->exit && s->exit->code == 0);
    banger_message_free(s ? &s->base : NULL);
}

struct got {
    uint64_t first[2], bytes[2];
    char text[2][256]; /* the beginning */
};

static void read_logs(const Banger__V1__ReadLogsRequest *request, struct got *got)
{
    auto_call struct banger_call *call = call_within(SERVED_WAIT_MS);
    ProtobufCMessage *m;
    memset(got, 0, sizeof(*got));
    struct banger_stream *stream = banger_stream_open(
        client, "/banger.v1.GuestSessionService/ReadLogs", &request->base, call, &error);
    if (!CHECK(stream != NULL))
        return;
    enum banger_next next;
    while ((next = banger_stream_next(stream, -1, &m, &error)) == BANGER_NEXT_MESSAGE) {
        const Banger__V1__LogChunk *chunk = (const Banger__V1__LogChunk *)m;
        uint32_t i = chunk->stream - 1;
        size_t room = sizeof(got->text[i]) - 1 - strlen(got->text[i]);
        if (got->bytes[i] == 0)
            got->first[i] = chunk->offset;
        if (chunk->data.len < room)
            room = chunk->data.len;
        if (got->bytes[i] + room < sizeof(got->text[i]))
            memcpy(got->text[i] + got->bytes[i], chunk->data.data, room);
        got->bytes[i] += chunk->data.len;
        banger_message_free(m);
    }
    CHECK_INT(next, BANGER_NEXT_END);
    banger_stream_close(stream);
}

/* Bytes that the VM's agent has written so far, to its channel above all. */
static uint64_t agent_wrote(void)
{
    Banger__V1__GetVMHandlesRequest get = BANGER__V1__GET_VMHANDLES_REQUEST__INIT;
    char path[64], line[128];
    unsigned long long n = 0;
    get.vm = TEXT("box");
    Banger__V1__VMHandles *handles = banger_get_vm_handles(client, &get, NULL, &error);
    if (!CHECK(handles != NULL))
        return 0;
    snprintf(path, sizeof(path), "/proc/%d/io", handles->pid);
    banger_message_free(&handles->base);
    FILE *f = fopen(path, "re");
    if (!CHECK(f != NULL))
        return 0;
    while (fgets(line, sizeof(line), f) && sscanf(line, "wchar: %llu", &n) != 1)
        continue;
    fclose(f);
    return n;
}

static void test_last_lines_cost_their_length(void)
{
    struct got got;
    Banger__V1__ReadLogsRequest request = BANGER__V1__READ_LOGS_REQUEST__INIT;
    request.session = TEXT("printer");
    request.tail_lines = 3;
    uint64_t before = agent_wrote();
    read_logs(&request, &got);
    uint64_t cost = agent_wrote() - before;
    CHECK_INT(got.bytes[0], 3 * LINE_BYTES);
    CHECK_INT(got.first[0], (LINES - 3) * LINE_BYTES);
    CHECK_STR(got.text[1], "one\ntwo\n");
    printf("     %llu bytes written by the agent for %llu\n", (unsigned long long)cost,
           (unsigned long long)(got.bytes[0] + got.bytes[1]));
    CHECK(cost < 4096);
    request.no_stdout = true;
    request.tail_lines = 1;
    read_logs(&request, &got);
    CHECK_INT(got.bytes[0], 0);
    CHECK_STR(got.text[1], "two\n");
    request.follow = true;
    read_logs(&request, &got);
    CHECK_STR(got.text[1], "two\n");
}

/* Counted here, as of an agent that cannot: the answer is the same. */
static void test_lines_of_a_part_of_the_output(void)
{
    struct got got;
    Banger__V1__ReadLogsRequest request = BANGER__V1__READ_LOGS_REQUEST__INIT;
    request.session = TEXT("printer");
    request.tail_lines = 3;
    request.from_stdout = 1;
    read_logs(&request, &got);
    CHECK_INT(got.bytes[0], 3 * LINE_BYTES);
    CHECK_INT(got.first[0], (LINES - 3) * LINE_BYTES);
    CHECK_STR(got.text[1], "one\ntwo\n");
    request.from_stdout = (LINES - 2) * LINE_BYTES;
    read_logs(&request, &got);
    CHECK_INT(got.first[0], (LINES - 2) * LINE_BYTES);
}

int main(void)
{
    served_open(&served);
    client = served_connect(&served);
    run_printer("printer");
    RUN(test_last_lines_cost_their_length);
    RUN(test_lines_of_a_part_of_the_output);
    banger_close(client);
    served_close(&served);
    return check_end();
}
