/* Output by time: where it begins and ends, over ReadLogs and Attach; and the last lines of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <banger/attach.h>

#include "base/clock.h"
#include "tests/integration/service/served.h"
#include "tests/support/check.h"
#include "tests/support/told.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

enum { LINES = 6, CHUNKS = 64, NANOS = 1000000000 };

static struct served served;
static struct banger_client *client;
static struct banger_error error;

static void start(const char *name, const char *script)
{
    Banger__V1__StartSessionRequest request = BANGER__V1__START_SESSION_REQUEST__INIT;
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char *argv[] = {TEXT("sh"), TEXT("-c"), TEXT(script)};
    spec.argv = argv;
    spec.n_argv = 3;
    request.vm = TEXT("box");
    request.name = TEXT(name);
    request.spec = &spec;
    Banger__V1__GuestSession *s = banger_start_session(client, &request, NULL, &error);
    CHECK(s != NULL);
    banger_message_free(s ? &s->base : NULL);
}

/* What ReadLogs gave. */
struct got {
    struct {
        uint64_t offset;
        int64_t ns;
        bool is_start;
    } chunks[CHUNKS];
    int n;
    char text[1024];
    enum banger_next end;
};

static int64_t ns_of(const Google__Protobuf__Timestamp *t)
{
    return t ? t->seconds * NANOS + t->nanos : 0;
}

static void read_logs(const Banger__V1__ReadLogsRequest *request, struct got *got)
{
    auto_call struct banger_call *call = call_within(SERVED_WAIT_MS);
    ProtobufCMessage *m;
    memset(got, 0, sizeof(*got));
    struct banger_stream *stream = banger_stream_open(
        client, "/banger.v1.GuestSessionService/ReadLogs", &request->base, call, &error);
    if (!CHECK(stream != NULL))
        return;
    while ((got->end = banger_stream_next(stream, -1, &m, &error)) == BANGER_NEXT_MESSAGE) {
        const Banger__V1__LogChunk *chunk = (const Banger__V1__LogChunk *)m;
        size_t room = sizeof(got->text) - 1 - strlen(got->text);
        if (CHECK(got->n < CHUNKS) && chunk->stream == 1) {
            got->chunks[got->n].offset = chunk->offset;
            got->chunks[got->n].is_start = chunk->data.len == 0;
            got->chunks[got->n++].ns = ns_of(chunk->time);
            if (chunk->data.len > 0)
                strncat(got->text, (const char *)chunk->data.data,
                        chunk->data.len < room ? chunk->data.len : room);
        }
        banger_message_free(m);
    }
    banger_stream_close(stream);
}

static void request_of(Banger__V1__ReadLogsRequest *request, const char *session)
{
    banger__v1__read_logs_request__init(request);
    request->session = TEXT(session);
}

static void set_time(Google__Protobuf__Timestamp *t, int64_t ns)
{
    google__protobuf__timestamp__init(t);
    t->seconds = ns / NANOS;
    t->nanos = (int32_t)(ns % NANOS);
}

/* Chunks with times of a session whose lines came half a second apart. */
static void read_with_times(struct got *all)
{
    Banger__V1__ReadLogsRequest request;
    request_of(&request, "ticker");
    request.times = true;
    read_logs(&request, all);
    CHECK_INT(all->end, BANGER_NEXT_END);
    CHECK_STR(all->text, "1\n2\n3\n4\n5\n6\n");
    CHECK(all->n > 2);
}

static void test_chunks_say_when_they_were_written(void)
{
    struct got all;
    read_with_times(&all);
    int64_t now = clock_real_ns();
    for (int i = 0; i < all.n; i++) {
        CHECK(all.chunks[i].ns > now - 600ll * NANOS && all.chunks[i].ns <= now);
        CHECK(i == 0 || all.chunks[i].ns > all.chunks[i - 1].ns);
    }
    Banger__V1__ReadLogsRequest request;
    request_of(&request, "ticker");
    read_logs(&request, &all);
    CHECK_INT(all.chunks[0].ns, 0);
}

static void test_since_and_until(void)
{
    struct got all, part;
    read_with_times(&all);
    for (int i = 1; i + 1 < all.n; i++) {
        Google__Protobuf__Timestamp since, until;
        Banger__V1__ReadLogsRequest request;
        request_of(&request, "ticker");
        set_time(&since, all.chunks[i].ns);
        set_time(&until, all.chunks[i].ns);
        request.since = &since;
        read_logs(&request, &part);
        CHECK_INT(part.end, BANGER_NEXT_END);
        CHECK_STR(part.text, all.text + all.chunks[i].offset);
        request.since = NULL;
        request.until = &until;
        read_logs(&request, &part);
        CHECK_INT(strlen(part.text), all.chunks[i + 1].offset);
        request.follow = true; /* that has come */
        read_logs(&request, &part);
        CHECK_INT(strlen(part.text), all.chunks[i + 1].offset);
        request.since = &since;
        read_logs(&request, &part);
        CHECK_INT(part.chunks[0].offset, all.chunks[i].offset);
        CHECK_INT(strlen(part.text), all.chunks[i + 1].offset - all.chunks[i].offset);
    }
}

static void test_last_lines_before_and_since_a_time(void)
{
    struct got all, part;
    Google__Protobuf__Timestamp since, until;
    Banger__V1__ReadLogsRequest request;
    read_with_times(&all);
    int last = all.n - 1;
    request_of(&request, "ticker");
    request.tail_lines = 1;
    set_time(&until, all.chunks[last - 1].ns);
    request.until = &until;
    read_logs(&request, &part);
    CHECK_INT(part.n, 1);
    CHECK_INT(strlen(part.text), 2);
    CHECK_INT(part.chunks[0].offset + 2, all.chunks[last].offset);
    request.until = NULL;
    request.tail_lines = 100;
    set_time(&since, all.chunks[last].ns);
    request.since = &since;
    read_logs(&request, &part);
    CHECK_STR(part.text, all.text + all.chunks[last].offset);
}

static void test_where_it_begins_is_told(void)
{
    struct got part;
    Banger__V1__ReadLogsRequest request;
    request_of(&request, "ticker");
    request.tell_start = true;
    request.tail_lines = 2;
    read_logs(&request, &part);
    CHECK(part.chunks[0].is_start);
    CHECK_INT(part.chunks[0].offset, 8);
    CHECK_STR(part.text, "5\n6\n");
    request.tail_lines = 0;
    request.only_new = true;
    request.no_stderr = true;
    read_logs(&request, &part);
    CHECK_INT(part.n, 1);
    CHECK(part.chunks[0].is_start);
    CHECK_INT(part.chunks[0].offset, 12);
}

/* Of a session that goes on the answer ends when the time has come. */
static void test_follow_until_a_time_that_is_to_come(void)
{
    struct got part;
    Google__Protobuf__Timestamp until;
    Banger__V1__ReadLogsRequest request;
    start("endless", "while :; do echo tick; sleep 0.1; done");
    request_of(&request, "endless");
    request.follow = request.times = true;
    int64_t end = clock_real_ns() + NANOS;
    set_time(&until, end);
    request.until = &until;
    read_logs(&request, &part);
    CHECK_INT(part.end, BANGER_NEXT_END);
    CHECK(clock_real_ns() >= end);
    CHECK(part.n > 0);
    for (int i = 0; i < part.n; i++)
        CHECK(part.chunks[i].ns <= end);
}

static void test_what_cannot_be_is_refused(void)
{
    static const struct {
        int64_t seconds;
        int32_t nanos;
        uint64_t from;
    } cases[] = {{0, 0, 0}, {-1, 0, 0}, {1, NANOS, 0}, {1, -1, 0}, {INT64_MAX, 0, 0}, {1, 0, 1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct got part;
        Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
        Banger__V1__ReadLogsRequest request;
        request_of(&request, "ticker");
        t.seconds = cases[i].seconds;
        t.nanos = cases[i].nanos;
        request.from_stdout = cases[i].from;
        request.since = &t;
        read_logs(&request, &part);
        CHECK_INT(part.end, BANGER_NEXT_ERROR);
        CHECK_INT(error.code, BANGER_INVALID_ARGUMENT);
    }
}

/* Reads an attach to its end: what came of stdout, and from where. */
static void attach(enum banger_start at, uint64_t value, uint64_t *from, char text[64])
{
    Banger__V1__GetSessionRequest get = BANGER__V1__GET_SESSION_REQUEST__INIT;
    struct banger_frame frame;
    get.session = TEXT("ticker");
    Banger__V1__GuestSession *s = banger_get_session(client, &get, NULL, &error);
    if (!CHECK(s != NULL))
        return;
    struct banger_attach *a = banger_attach_open(client, s->id, &error);
    banger_message_free(&s->base);
    banger_attach_set_start(a, 1, at, value);
    banger_attach_set_start(a, 2, BANGER_START_SKIP, 0);
    text[0] = '\0';
    *from = UINT64_MAX;
    do {
        if (!CHECK_INT(banger_attach_next(a, SERVED_WAIT_MS, &frame, &error), 1))
            break;
        if (frame.kind == BANGER_FRAME_DATA) {
            *from = *from == UINT64_MAX ? frame.offset : *from;
            strncat(text, (const char *)frame.data, frame.len);
        }
    } while (frame.kind != BANGER_FRAME_EXIT);
    banger_attach_close(a);
}

static void test_attach_begins_at_lines_and_times(void)
{
    struct got all;
    char text[64];
    uint64_t from;
    read_with_times(&all);
    attach(BANGER_START_TAIL_LINES, 2, &from, text);
    CHECK_STR(text, "5\n6\n");
    CHECK_INT(from, 8);
    attach(BANGER_START_TAIL_LINES, 1000, &from, text);
    CHECK_STR(text, all.text);
    int last = all.n - 1;
    attach(BANGER_START_TIME, (uint64_t)all.chunks[last].ns, &from, text);
    CHECK_STR(text, all.text + all.chunks[last].offset);
    attach(BANGER_START_TIME, 1, &from, text);
    CHECK_STR(text, all.text);
}

int main(void)
{
    served_open(&served);
    client = served_connect(&served);
    start("ticker", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.25; done");
    Banger__V1__WaitSessionRequest wait = BANGER__V1__WAIT_SESSION_REQUEST__INIT;
    wait.session = TEXT("ticker");
    Banger__V1__GuestSession *s = banger_wait_session(client, &wait, NULL, &error);
    CHECK(s != NULL);
    banger_message_free(s ? &s->base : NULL);
    RUN(test_chunks_say_when_they_were_written);
    RUN(test_since_and_until);
    RUN(test_last_lines_before_and_since_a_time);
    RUN(test_where_it_begins_is_told);
    RUN(test_follow_until_a_time_that_is_to_come);
    RUN(test_what_cannot_be_is_refused);
    RUN(test_attach_begins_at_lines_and_times);
    banger_close(client);
    served_close(&served);
    return check_end();
}
