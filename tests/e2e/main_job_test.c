/* The main job: a VM comes, runs commands, stops, starts, goes. main_job_test sim|qemu */
#include <stdio.h>
#include <string.h>

#include "banger/operation.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"
#include "tests/support/told.h"

enum { GUEST_MS = 60000 };

/* A folder that outlives a restart: of the guest's disk, or where sim's sessions may write. */
#define FILE_OF_VM "d=/root; [ ! -d \"$TEST_FOLDER\" ] || d=$TEST_FOLDER; "

static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES];

static int run(const char *command, const char *in, char *out, size_t size)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    return steps_run(client, &h, box, argv, in, in ? strlen(in) : 0, out, size);
}

static void vm_is_created(void)
{
    struct banger_error error = {0};
    struct steps_create how = {.name = "box", .work_disk_bytes = 32 << 20};
    CHECK_INT(steps_create_vm(client, &h, &how, box, &error), 0);
    CHECK_STR(error.message, "");
    CHECK_INT(steps_vm_state(&h, client, "box"), VM_STATE(RUNNING));
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(RUNNING));
    CHECK(harness_alive(steps_vm_pid(client, "box")));
}

static void output_and_codes(void)
{
    char out[256];
    CHECK_INT(run("echo hello; echo there >&2", NULL, out, sizeof(out)), 0);
    CHECK_STR(out, "hello\n");
    static const int codes[] = {0, 1, 42, 127, 255};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char command[32];
        snprintf(command, sizeof(command), "exit %d", codes[i]);
        CHECK_INT(run(command, NULL, NULL, 0), codes[i]);
    }
    CHECK_INT(run("kill -9 $$", NULL, NULL, 0), 128 + 9);
    CHECK_INT(run("kill -15 $$", NULL, NULL, 0), 128 + 15);
}

static void stdin_and_its_end(void)
{
    char out[256];
    CHECK_INT(run("tr a-z A-Z", "hi\n", out, sizeof(out)), 0);
    CHECK_STR(out, "HI\n");
    CHECK_INT(run("cat; echo end", "", out, sizeof(out)), 0);
    CHECK_STR(out, "end\n");
    CHECK_INT(run("cat", NULL, out, sizeof(out)), 0);
    CHECK_STR(out, "");
}

static void commands_that_cannot_start(void)
{
    static const char *const missing[] = {"/no/such/program", NULL};
    static const char *const folder[] = {"/tmp", NULL};
    struct banger_error error = {0};
    char session[STEPS_ID_BYTES];
    CHECK_INT(steps_start_session(client, &h, box, missing, false, session, &error), -1);
    CHECK_STR(error.stage, "spawn");
    CHECK_CONTAINS(error.message, "/no/such/program");
    CHECK_INT(steps_start_session(client, &h, box, folder, false, session, &error), -1);
    CHECK_INT(steps_session_state(&h, client, session), SESSION_STATE(FAILED));
}

static void several_sessions_at_once(void)
{
    enum { N = 8 };
    struct attach_reader readers[N];
    char ids[N][STEPS_ID_BYTES];
    struct banger_error error;
    for (int i = 0; i < N; i++) {
        char command[64];
        snprintf(command, sizeof(command), "read x; echo $x-%d; exit %d", i, i);
        const char *const argv[] = {"sh", "-c", command, NULL};
        if (!CHECK_INT(steps_start_session(client, &h, box, argv, true, ids[i], &error), 0))
            return;
        struct told_attach writer = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};
        reader_open(&readers[i], client, ids[i], &writer);
        readers[i].keep = true;
    }
    for (int i = N - 1; i >= 0; i--)
        CHECK(reader_write(&readers[i], "go\n", 3, true, GUEST_MS));
    for (int i = 0; i < N; i++) {
        char want[16];
        snprintf(want, sizeof(want), "go-%d\n", i);
        CHECK(reader_finish(&readers[i], GUEST_MS));
        CHECK_INT(readers[i].status, i);
        CHECK(buf_append(&readers[i].out[1], "", 1) == 0);
        CHECK_STR((const char *)buf_data(&readers[i].out[1]), want);
        reader_close(&readers[i]);
    }
}

static void lists_and_waits(void)
{
    static const char *const argv[] = {"sh", "-c", "read x; exit 7", NULL};
    struct banger_error error;
    char id[STEPS_ID_BYTES];
    if (!CHECK_INT(steps_start_session(client, &h, "box", argv, true, id, &error), 0))
        return;
    Banger__V1__ListSessionsRequest list = BANGER__V1__LIST_SESSIONS_REQUEST__INIT;
    Banger__V1__SessionState running[] = {SESSION_STATE(RUNNING)};
    list.vm = box;
    list.n_states = 1;
    list.states = running;
    Banger__V1__ListSessionsResponse *all = banger_list_sessions(client, &list, NULL, &error);
    if (CHECK(all) && CHECK_INT(all->n_sessions, 1))
        CHECK_STR(all->sessions[0]->id, id);
    banger_message_free(all ? &all->base : NULL);

    Banger__V1__SendStdinRequest send = BANGER__V1__SEND_STDIN_REQUEST__INIT;
    send.session = id;
    send.data.data = (uint8_t *)"x\n";
    send.data.len = 2;
    Banger__V1__SendStdinResponse *sent = banger_send_stdin(client, &send, NULL, &error);
    if (CHECK(sent))
        CHECK_INT(sent->stdin_offset, 2);
    banger_message_free(sent ? &sent->base : NULL);

    Banger__V1__WaitSessionRequest wait = BANGER__V1__WAIT_SESSION_REQUEST__INIT;
    auto_call struct banger_call *limit = call_within(GUEST_MS);
    wait.session = id;
    Banger__V1__GuestSession *ended = banger_wait_session(client, &wait, limit, &error);
    if (CHECK(ended)) {
        CHECK_INT(ended->state, SESSION_STATE(EXITED));
        CHECK_INT(banger_exit_status(ended->exit), 7);
    }
    banger_message_free(ended ? &ended->base : NULL);
}

static void sessions_end_when_told(void)
{
    static const char *const stubborn[] = {
        "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1000; done", NULL};
    struct banger_error error;
    struct attach_reader r;
    char id[STEPS_ID_BYTES];
    if (!CHECK_INT(steps_start_session(client, &h, box, stubborn, false, id, &error), 0))
        return;
    reader_open(&r, client, id, NULL);
    CHECK(reader_await_bytes(&r, 3, GUEST_MS));
    Banger__V1__StopSessionRequest stop = BANGER__V1__STOP_SESSION_REQUEST__INIT;
    stop.session = id;
    stop._grace_ms_case = BANGER__V1__STOP_SESSION_REQUEST___GRACE_MS_GRACE_MS;
    stop.grace_ms = 200;
    Banger__V1__GuestSession *stopped = banger_stop_session(client, &stop, NULL, &error);
    CHECK(stopped);
    banger_message_free(stopped ? &stopped->base : NULL);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.signal, 9);
    reader_close(&r);

    Banger__V1__DeleteSessionRequest del = BANGER__V1__DELETE_SESSION_REQUEST__INIT;
    del.session = id;
    Banger__V1__Empty *gone = banger_delete_session(client, &del, NULL, &error);
    CHECK(gone);
    banger_message_free(gone ? &gone->base : NULL);
    /* Its other processes were killed as well, and end a moment later: so long it is there. */
    CHECK(steps_await_session(&h, client, id, STEPS_GONE, GUEST_MS));
}

/* What a session left running in the background goes with the VM, and the disk stays. */
static void stop_start_restart(void)
{
    static const char *const forever[] = {"sleep", "100000", NULL};
    struct banger_error error = {0};
    struct attach_reader r;
    char id[STEPS_ID_BYTES], out[64];
    CHECK_INT(run(FILE_OF_VM "echo kept >$d/file; sync", NULL, NULL, 0), 0);
    CHECK_INT(steps_start_session(client, &h, box, forever, false, id, &error), 0);
    reader_open(&r, client, id, NULL);
    CHECK_INT(steps_do(client, STEPS_STOP, box, &error), 0);
    CHECK_STR(error.message, "");
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(STOPPED));
    CHECK(harness_processes_settle(&h, 0, 5000));
    while (!r.over && reader_step(&r, 5000) > 0)
        continue;
    CHECK(r.over);
    CHECK(r.lost || r.exits == 1);
    reader_close(&r);

    CHECK_INT(steps_do(client, STEPS_STOP, box, &error), 0); /* again: at once */
    CHECK_INT(steps_do(client, STEPS_START, box, &error), 0);
    CHECK_INT(steps_do(client, STEPS_START, box, &error), 0);
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(RUNNING));
    CHECK_INT(run(FILE_OF_VM "cat $d/file", NULL, out, sizeof(out)), 0);
    CHECK_STR(out, "kept\n");
    int before = steps_vm_pid(client, box);
    CHECK_INT(steps_do(client, STEPS_RESTART, box, &error), 0);
    CHECK_INT(steps_vm_state(&h, client, box), VM_STATE(RUNNING));
    CHECK(steps_vm_pid(client, box) != before);
    CHECK(!harness_alive(before));
    CHECK_INT(run("exit 3", NULL, NULL, 0), 3);
}

static void kill_and_delete(void)
{
    struct banger_error error = {0};
    int pid = steps_vm_pid(client, box);
    CHECK_INT(steps_do(client, STEPS_KILL, box, &error), 0);
    CHECK(!harness_alive(pid));
    CHECK(steps_vm_state(&h, client, box) != VM_STATE(RUNNING));
    CHECK_INT(steps_do(client, STEPS_DELETE, box, &error), 0);
    CHECK_STR(error.message, "");
    CHECK_INT(steps_vm_state(&h, client, box), STEPS_GONE);
    CHECK(harness_processes_settle(&h, 0, 5000));
    char *files = harness_files(&h);
    CHECK_STR(files, "");
    free(files);
    CHECK_INT(harness_rows(&h, "vms"), 0);
    CHECK_INT(harness_rows(&h, "sessions"), 0);
}

/* --rm: it goes when it stops. */
static void ephemeral_goes_when_it_stops(void)
{
    struct banger_error error = {0};
    struct steps_create how = {.name = "brief", .ephemeral = true};
    char id[STEPS_ID_BYTES];
    static const char *const argv[] = {"sh", "-c", "exit 9", NULL};
    if (!CHECK_INT(steps_create_vm(client, &h, &how, id, &error), 0))
        return;
    CHECK_INT(steps_run(client, &h, id, argv, NULL, 0, NULL, 0), 9);
    CHECK_INT(steps_do(client, STEPS_STOP, id, &error), 0);
    CHECK(steps_await_vm(&h, client, id, STEPS_GONE, 30000));
    CHECK(harness_processes_settle(&h, 0, 5000));
    char *files = harness_files(&h);
    CHECK_STR(files, "");
    free(files);
}

int main(int argc, char **argv)
{
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    RUN(vm_is_created);
    RUN(output_and_codes);
    RUN(stdin_and_its_end);
    RUN(commands_that_cannot_start);
    RUN(several_sessions_at_once);
    RUN(lists_and_waits);
    RUN(sessions_end_when_told);
    RUN(stop_start_restart);
    RUN(kill_and_delete);
    RUN(ephemeral_goes_when_it_stops);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
