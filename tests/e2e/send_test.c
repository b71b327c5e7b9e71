/* Pieces of stdin of a MiB each, from programs of their own, with daemons that are killed
 * meanwhile: each is whole. send_test sim|qemu */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger/stdin.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/told.h"
#include "tests/support/vm_steps.h"

enum { SENDERS = 3, PIECE = 1024 * 1024, WRITE = 10000, WAIT_MS = 120000 };

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];
static struct banger_error error;

/* Its status as a program: 0 when all of it is there. */
static int send_piece(const char *session, char letter)
{
    static char data[WRITE];
    struct banger_client *own = harness_connect(&h);
    struct banger_stdin *in = banger_stdin_open(own, session, NULL, &error);
    memset(data, letter, sizeof(data));
    int rc = in ? 0 : -1;
    for (size_t at = 0; rc == 0 && at < PIECE; at += WRITE)
        rc = banger_stdin_write(in, data, PIECE - at < WRITE ? PIECE - at : WRITE, &error);
    if (rc == 0)
        rc = banger_stdin_end(in, false, NULL, &error);
    if (rc < 0)
        fprintf(stderr, "%c: %s\n", letter, error.message);
    banger_stdin_close(in);
    banger_close(own);
    return rc < 0;
}

static void pieces_are_whole(void)
{
    static const char *const argv[] = {"cat", NULL};
    static const struct told_attach as_viewer = {.role =
                                                     BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_VIEWER};
    char id[STEPS_ID_BYTES];
    struct attach_reader r;
    pid_t pids[SENDERS];
    int crashes = 0, status;
    CHECK_INT(steps_start_session(client, &h, box, argv, true, id, &error), 0);
    fflush(stdout);
    for (int i = 0; i < SENDERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(send_piece(id, (char)('a' + i)));
    }
    reader_open(&r, client, id, &as_viewer);
    r.keep = true;
    while (r.next[1] < SENDERS * PIECE && reader_step(&r, WAIT_MS) > 0) {
        if (crashes < 2 && r.next[1] > (uint64_t)(crashes + 1) * PIECE) {
            harness_crash(&h);
            crashes++;
        }
    }
    CHECK_INT(r.next[1], SENDERS * PIECE);
    const char *text = (const char *)buf_data(&r.out[1]);
    unsigned changes = 0;
    for (size_t i = 1; i < buf_len(&r.out[1]); i++)
        changes += text[i] != text[i - 1];
    CHECK_INT(changes, SENDERS - 1);
    for (int i = 0; i < SENDERS; i++) {
        CHECK_INT(waitpid(pids[i], &status, 0), pids[i]);
        CHECK_INT(status, 0);
    }
    reader_close(&r);
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    if (steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(pieces_are_whole);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
