/* Measures sessions through libbanger; a line of numbers for each run.
 *
 *   bench_client SOCKET echo VM N           round trips of a byte through cat, in microseconds
 *   bench_client SOCKET type VM N           the same where a terminal echoes it
 *   bench_client SOCKET run VM N            from StartSession of true until its Exit is here,
 * likewise; the session is deleted before the next one bench_client SOCKET exit VM N PROGRAM   from
 * the time that PROGRAM (last_words.c) tells as it ends until Exit is here, in microseconds: by the
 * same clock, which only the sim driver's guests have; with the guest's clock compared; half the
 * round trip, within which that is right
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/attach.h"
#include "banger/methods.h"
#include "base/clock.h"
#include "tests/support/told.h"

enum { WAIT_MS = 30000, WARM_UP = 5, ID_MAX_BYTES = 40, CLOCK_TRIPS = 8, CLOCK_DIGITS = 20 };

struct bench {
    struct banger_client *client;
    const char *vm;
    struct banger_error error;
    char out[64]; /* of the session's stdout, since n_out was 0 */
    size_t n_out;
};

static int complain(const struct bench *b)
{
    fprintf(stderr, "bench_client: %s\n", b->error.message);
    return -1;
}

enum bench_stdin { STDIN_NONE, STDIN_PIPE, STDIN_TTY };

static int start(struct bench *b, const char *program, enum bench_stdin in, char id[ID_MAX_BYTES])
{
    char *argv[] = {(char *)(uintptr_t)program};
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    Banger__V1__StartSessionRequest request = BANGER__V1__START_SESSION_REQUEST__INIT;
    spec.argv = argv;
    spec.n_argv = 1;
    spec.stdin_mode =
        in ? BANGER__V1__STDIN_MODE__STDIN_MODE_PIPE : BANGER__V1__STDIN_MODE__STDIN_MODE_NONE;
    spec.tty = in == STDIN_TTY;
    request.vm = (char *)(uintptr_t)b->vm;
    request.spec = &spec;
    Banger__V1__GuestSession *s = banger_start_session(b->client, &request, NULL, &b->error);
    if (!s)
        return complain(b);
    snprintf(id, ID_MAX_BYTES, "%s", s->id);
    banger_message_free(&s->base);
    b->n_out = 0;
    return 0;
}

/* Frames until one of this kind. */
static int await(struct bench *b, struct banger_attach *a, enum banger_frame_kind kind)
{
    for (struct banger_frame f;;) {
        int rc = banger_attach_next(a, WAIT_MS, &f, &b->error);
        if (rc < 0)
            return complain(b);
        if (rc == 0 || (f.kind == BANGER_FRAME_EXIT && kind != BANGER_FRAME_EXIT) ||
            f.kind == BANGER_FRAME_LOST || f.kind == BANGER_FRAME_BROKEN) {
            fprintf(stderr, "bench_client: awaited frame %d, got %d\n", kind, rc ? f.kind : 0);
            return -1;
        }
        for (size_t i = 0; f.kind == BANGER_FRAME_DATA && i < f.len; i++)
            if (b->n_out < sizeof(b->out) - 1)
                b->out[b->n_out++] = (char)f.data[i];
        if (f.kind == kind)
            return 0;
    }
}

static struct banger_attach *attach(struct bench *b, const char *id, Banger__V1__AttachRole role)
{
    struct told_attach options = {.role = role};
    struct banger_attach *a = told_attach_open(b->client, id, &options, &b->error);
    if (!a)
        complain(b);
    return a;
}

static int echo_once(struct bench *b, struct banger_attach *a, double *us)
{
    int64_t t = clock_mono_ns();
    if (banger_attach_write(a, "x", 1, &b->error) != 1)
        return complain(b);
    if (await(b, a, BANGER_FRAME_DATA) < 0)
        return -1;
    *us = (double)(clock_mono_ns() - t) / 1e3;
    return 0;
}

/* For nobody else: neither a record nor output stays. */
static int forget(struct bench *b, const char *id)
{
    Banger__V1__DeleteSessionRequest request = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    request.session = (char *)(uintptr_t)id;
    Banger__V1__Empty *empty = banger_delete_session(b->client, &request, NULL, &b->error);
    if (!empty)
        return complain(b);
    banger_message_free(&empty->base);
    return 0;
}

static int run_echo(struct bench *b, int n, enum bench_stdin in)
{
    char id[ID_MAX_BYTES];
    struct banger_attach *a;
    int rc = start(b, "cat", in, id);
    if (rc < 0 || !(a = attach(b, id, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER)))
        return -1;
    for (int i = -WARM_UP; i < n && rc == 0; i++) {
        double us;
        rc = echo_once(b, a, &us);
        if (rc == 0 && i >= 0)
            printf("%.1f\n", us);
    }
    if (in == STDIN_TTY && rc == 0 && banger_attach_write(a, "\n", 1, &b->error) != 1)
        rc = complain(b); /* an end of file counts at the beginning of a line */
    banger_attach_write_eof(a);
    if (rc == 0)
        rc = await(b, a, BANGER_FRAME_EXIT);
    banger_attach_close(a);
    return rc == 0 ? forget(b, id) : rc;
}

static int run_true(struct bench *b, int n)
{
    for (int i = -WARM_UP; i < n; i++) {
        char id[ID_MAX_BYTES];
        int64_t t = clock_mono_ns();
        struct banger_attach *a;
        if (start(b, "true", STDIN_NONE, id) < 0 ||
            !(a = attach(b, id, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER)))
            return -1;
        int rc = await(b, a, BANGER_FRAME_EXIT);
        if (rc == 0 && i >= 0)
            printf("%.1f\n", (double)(clock_mono_ns() - t) / 1e3);
        banger_attach_close(a);
        if (rc < 0 || forget(b, id) < 0)
            return -1;
    }
    return 0;
}

/* The program's clock against ours, told by round trips as NTP does: the quickest is the best. */
static int compare_clocks(struct bench *b, struct banger_attach *a, int64_t *offset_ns,
                          double *half_trip_us)
{
    int64_t best = INT64_MAX;
    *offset_ns = 0;
    for (int i = 0; i < CLOCK_TRIPS; i++) {
        int64_t sent = clock_real_ns();
        b->n_out = 0;
        if (banger_attach_write(a, "x", 1, &b->error) != 1)
            return complain(b);
        while (b->n_out < CLOCK_DIGITS)
            if (await(b, a, BANGER_FRAME_DATA) < 0)
                return -1;
        int64_t now = clock_real_ns();
        if (now - sent >= best)
            continue;
        best = now - sent;
        *offset_ns = strtoll(b->out, NULL, 10) - (sent + best / 2);
    }
    *half_trip_us = (double)best / 2e3;
    return 0;
}

static int exit_once(struct bench *b, struct banger_attach *a, bool print)
{
    int64_t offset_ns;
    double half_trip_us;
    if (compare_clocks(b, a, &offset_ns, &half_trip_us) < 0)
        return -1;
    b->n_out = 0;
    banger_attach_write_eof(a);
    if (await(b, a, BANGER_FRAME_EXIT) < 0)
        return -1;
    int64_t now = clock_real_ns();
    b->out[b->n_out] = '\0';
    int64_t ended = strtoll(b->out, NULL, 10);
    if (b->n_out != CLOCK_DIGITS) {
        fprintf(stderr, "bench_client: the program's last words are \"%s\"\n", b->out);
        return -1;
    }
    if (print)
        printf("%.1f %.1f %.1f\n", (double)(now - ended) / 1e3,
               (double)(now - (ended - offset_ns)) / 1e3, half_trip_us);
    return 0;
}

static int run_exit(struct bench *b, int n, const char *program)
{
    for (int i = -WARM_UP; i < n; i++) {
        char id[ID_MAX_BYTES];
        struct banger_attach *a;
        if (start(b, program, STDIN_PIPE, id) < 0 ||
            !(a = attach(b, id, BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER)))
            return -1;
        int rc = exit_once(b, a, i >= 0);
        banger_attach_close(a);
        if (rc < 0)
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct bench b = {.vm = argc > 3 ? argv[3] : ""};
    char target[256];
    int n = argc > 4 ? atoi(argv[4]) : 0, rc = -1;
    if (n < 1 || n > 100000) {
        fprintf(stderr, "usage: bench_client SOCKET echo|type|run|exit VM N [PROGRAM]\n");
        return 2;
    }
    snprintf(target, sizeof(target), "unix:%s", argv[1]);
    b.client = banger_connect(target, &b.error);
    if (!b.client)
        complain(&b);
    else if (strcmp(argv[2], "echo") == 0)
        rc = run_echo(&b, n, STDIN_PIPE);
    else if (strcmp(argv[2], "type") == 0)
        rc = run_echo(&b, n, STDIN_TTY);
    else if (strcmp(argv[2], "run") == 0)
        rc = run_true(&b, n);
    else if (strcmp(argv[2], "exit") == 0 && argc > 5)
        rc = run_exit(&b, n, argv[5]);
    banger_close(b.client);
    return rc < 0 ? 1 : 0;
}
