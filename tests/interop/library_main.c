/* Metadata of libbanger's, through its public headers and shared library alone, there and back
 * through a stock server that echoes it (go/server). Says what is wrong, if anything is.
 *
 *   interop_library TARGET [CA CERTIFICATE KEY] */
#include <stdio.h>
#include <string.h>

#include <banger/methods.h>

enum { PATIENCE_MS = 10000 };

static int failed;

static void check(const char *what, const struct banger_metadata *m, const char *key, size_t i,
                  const char *want, size_t want_len)
{
    size_t len = 0;
    const char *value = banger_metadata_find(m, key, i, &len);
    if (value && len == want_len && memcmp(value, want, len) == 0)
        return;
    failed = 1;
    fprintf(stderr, "%s: value %zu of %s is %zu bytes \"%s\", want %zu \"%s\"\n", what, i, key, len,
            value ? value : "(none)", want_len, want);
}

static int fill(struct banger_metadata *m, struct banger_error *error)
{
    if (banger_metadata_add(m, "echo-a", "1, 2", error) < 0 ||
        banger_metadata_add_bytes(m, "echo-x-bin", "\0\xff,", 3, error) < 0 ||
        banger_metadata_add(m, "echo-a", "3", error) < 0 ||
        banger_metadata_add_bytes(m, "echo-x-bin", "", 0, error) < 0 ||
        banger_metadata_add(m, "trail-a", "4", error) < 0)
        return -1;
    return banger_metadata_add_bytes(m, "trail-x-bin", "\xab\xab\xab", 3, error);
}

static void check_headers(const char *what, const struct banger_metadata *headers)
{
    check(what, headers, "echo-a", 0, "1, 2", 4);
    check(what, headers, "echo-a", 1, "3", 1);
    check(what, headers, "echo-x-bin", 0, "\0\xff,", 3);
    check(what, headers, "echo-x-bin", 1, "", 0);
}

static void check_trailers(const char *what, const struct banger_metadata *trailers)
{
    check(what, trailers, "trail-a", 0, "4", 1);
    check(what, trailers, "trail-x-bin", 0, "\xab\xab\xab", 3);
}

static void complain(const char *what, const struct banger_error *error)
{
    failed = 1;
    fprintf(stderr, "%s: %s\n", what, error->message);
}

static void try_unary(struct banger_client *client, struct banger_call *call)
{
    struct banger_error error = {.code = BANGER_OK};
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckResponse *answer =
        banger_check_health(client, &request, call, &error);
    if (!answer)
        complain("Check", &error);
    banger_message_free(answer ? &answer->base : NULL);
    check_headers("Check", banger_call_headers(call));
    check_trailers("Check", banger_call_trailers(call));

    request.service = (char *)(uintptr_t) "unheard.of";
    answer = banger_check_health(client, &request, call, &error);
    if (answer || error.code != BANGER_NOT_FOUND)
        complain("Check of an unknown service", &error);
    check_trailers("an error", banger_call_trailers(call));
}

static void try_stream(struct banger_client *client, struct banger_call *call)
{
    struct banger_error error = {.code = BANGER_OK};
    ProtobufCMessage *message = NULL;
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    struct banger_stream *stream =
        banger_stream_open(client, "/grpc.health.v1.Health/Watch", &request.base, call, &error);
    if (!stream || banger_stream_next(stream, PATIENCE_MS, &message, &error) != BANGER_NEXT_MESSAGE)
        complain("Watch", &error);
    else
        check_headers("Watch", banger_stream_headers(stream));
    banger_message_free(message);
    banger_stream_close(stream);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    struct banger_client *client = argc > 1 ? banger_connect(argv[1], &error) : NULL;
    struct banger_call *call = banger_call_new();
    if (!client || !call)
        return 2;
    if ((argc > 4 && banger_set_credential_files(client, argv[2], argv[3], argv[4], &error) < 0) ||
        fill(banger_call_metadata(call), &error) < 0) {
        complain(argv[1], &error);
        return failed;
    }
    banger_call_set_timeout_ms(call, PATIENCE_MS);
    try_unary(client, call);
    try_stream(client, call);
    banger_call_free(call);
    banger_close(client);
    return failed;
}
