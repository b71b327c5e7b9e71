/* The daemon comes back with a newer agent than its guests have: theirs is followed by it, and a
 * session that is in full swing notices nothing. One that cannot be run is given up.
 * new_agent_test sim|qemu */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "tests/support/agent_below.h"
#include "tests/support/attach_reader.h"
#include "tests/support/check.h"
#include "tests/support/emit_bytes.h"
#include "tests/support/harness.h"
#include "tests/support/told.h"
#include "tests/support/vm_steps.h"

enum { GUEST_MS = 120000, TOTAL_BYTES = 2 * 1024 * 1024, LOG_MAX_BYTES = 16 << 20 };

static char could_not_begin[] = "could not begin in it";
static char is_followed[] = "its agent, revision 1, is followed by";
static struct harness h;
static struct banger_client *client;
static char box[STEPS_ID_BYTES], nonsense[64];
static const struct told_attach as_writer = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};

static void use_agent(const char *path)
{
    const char *const names[] = {"BANGER_TEST_AGENT", "BANGER_TEST_SIM_AGENT"};
    for (int i = 0; i < 2; i++)
        if (path)
            setenv(names[i], path, 1);
        else
            unsetenv(names[i]);
}

/* The file that the agent was started from. */
static void read_program(char *out, size_t size)
{
    static const char script[] = "for p in $(cat /proc/$PPID/task/$PPID/children); do "
                                 "tr '\\0' '\\n' </proc/$p/environ | grep -q ^BANGER_SESSION= || "
                                 "readlink /proc/$p/exe; done";
    const char *const argv[] = {"sh", "-c", script, NULL};
    out[0] = '\0';
    if (h.boots) {
        steps_run(client, &h, box, argv, NULL, 0, out, size);
        return;
    }
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/exe", (int)agent_below(steps_vm_pid(client, box)));
    ssize_t n = readlink(path, out, size - 1);
    out[n > 0 ? n : 0] = '\0';
}

static bool is_handed_over(void *arg)
{
    (void)arg;
    char program[256];
    read_program(program, sizeof(program));
    return strstr(program, "memfd:banger-agent") != NULL;
}

static bool log_says(void *words)
{
    auto_free char *text = NULL;
    size_t len;
    return fs_read(h.log, LOG_MAX_BYTES, &text, &len, NULL) == 0 && strstr(text, words);
}

/* Echo of what is written, with `at` bytes of it there. */
static void echo_until(struct attach_reader *r, const uint8_t *bytes, size_t *given, uint64_t at)
{
    struct banger_error error;
    while (!r->over && r->next[1] < at) {
        size_t room = r->opened ? banger_attach_room(r->attach) : 0;
        size_t n = room < at - *given ? room : at - *given;
        if (n > 0 && banger_attach_write(r->attach, bytes + *given, n, &error) != (ssize_t)n)
            break;
        *given += n;
        if (reader_step(r, GUEST_MS) <= 0)
            break;
    }
    CHECK(r->next[1] >= at);
}

static void one_that_is_no_program_is_given_up(void)
{
    const char *const argv[] = {"true", NULL};
    use_agent(nonsense);
    harness_crash(&h);
    CHECK(harness_until(log_says, could_not_begin, GUEST_MS));
    CHECK(!is_handed_over(NULL));
    CHECK_INT(steps_run(client, &h, box, argv, NULL, 0, NULL, 0), 0);
}

static void a_session_goes_on_below_a_newer_one(void)
{
    static const char *const argv[] = {"cat", NULL};
    char id[STEPS_ID_BYTES];
    struct banger_error error;
    struct attach_reader r;
    size_t given = 0;
    uint8_t *bytes = malloc(TOTAL_BYTES);
    if (!bytes)
        harness_die(&h, "no memory");
    emit_fill(3, 0, bytes, TOTAL_BYTES);
    CHECK_INT(steps_start_session(client, &h, box, argv, true, id, &error), 0);
    reader_open(&r, client, id, &as_writer);
    r.check = true;
    r.seed = 3;
    echo_until(&r, bytes, &given, TOTAL_BYTES / 4);
    CHECK(!is_handed_over(NULL));
    use_agent(NULL);
    harness_crash(&h);
    echo_until(&r, bytes, &given, TOTAL_BYTES / 2);
    CHECK(harness_until(is_handed_over, NULL, GUEST_MS));
    echo_until(&r, bytes, &given, TOTAL_BYTES);
    banger_attach_write_eof(r.attach);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.next[1], TOTAL_BYTES);
    CHECK_INT(r.status, 0);
    CHECK_INT(r.gaps, 0);
    CHECK(log_says(is_followed));
    reader_close(&r);
    free(bytes);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    struct err err = ERR_INIT;
    use_agent(OLDER_AGENT_FILE);
    harness_open(&h, argc > 1 ? argv[1] : "sim");
    client = harness_connect(&h);
    snprintf(nonsense, sizeof(nonsense), "%s/nonsense", h.dir);
    static char no_program[100000];
    if (fs_write_scratch(nonsense, no_program, sizeof(no_program), 0700, &err) < 0 ||
        steps_create_vm(client, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s%s", err.message, error.message);
    RUN(one_that_is_no_program_is_given_up);
    RUN(a_session_goes_on_below_a_newer_one);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
