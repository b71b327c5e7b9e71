/* Sessions outlive the agent: it is killed at any moment, and another goes on, byte for byte.
 *
 * argv: the agent's program. BANGER_TEST_KILLS: how often it is killed in the long tests. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/agent_below.h"
#include "tests/support/agent_run.h"
#include "tests/support/check.h"

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RUNNING   BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_RUNNING
#define EXITED    BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_EXITED

enum {
    CHUNK_BYTES = 30011,
    WINDOW_BYTES = 256 * 1024,
    STEP_MS = 20,
    KILL_AFTER_US = 30000,
    OVERALL_MS = 100000,
    CREDIT_BYTES = 1 << 30,
    TAKEN_BYTES = 100 * 1000,
    IDLE_KIB = 1024,
};

static char folder[] = "/tmp/banger-restart-XXXXXX", path[64], marks[64];
static struct agent_run run;
static int n_kills = 40;

static bool link_is_gone(void)
{
    char byte;
    ssize_t n = recv(run.probe.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

/* One session whose bytes are known, in both directions. */
struct stream {
    const char *id;
    const char *const *argv;
    bool tty, has_stdin, brief; /* brief: what was taken is dropped */
    uint64_t taken;             /* of that, as was said */
    uint8_t (*byte_at)(uint64_t offset);
    uint64_t sent, acked, received; /* stdin; received: by an agent, in the end by all of them */
    uint64_t at;                    /* stdout */
    uint64_t wanted;                /* bytes of stdout, once that is known; 0: not yet */
    bool ended, exited;
    int exit_code;
    unsigned wrong;
};

static uint8_t known_byte(uint64_t offset)
{
    return (uint8_t)(offset * 131 + offset / 257 + (offset >> 16));
}

/* What `seq 1000000 1500000` writes to a terminal: nine bytes a line. */
static uint8_t line_byte(uint64_t offset)
{
    char line[16];
    snprintf(line, sizeof(line), "%llu\r\n", (unsigned long long)(1000000 + offset / 9));
    return (uint8_t)line[offset % 9];
}

static void open_stream(struct stream *s)
{
    PB(StartSession) start = BANGER__AGENT__V1__START_SESSION__INIT;
    start.session_id = (char *)(uintptr_t)s->id;
    start.tty = s->tty;
    start.hold_ms = 60000;
    start.drop_acked = s->brief;
    start.spool_bytes = 8 << 20;
    if (s->has_stdin)
        start.stdin_mode = BANGER__AGENT__V1__STDIN_MODE__STDIN_MODE_PIPE;
    PB(FromAgent) *m = NULL;
    if (probe_start_message(&run.probe, &start, s->argv) < 0)
        return;
    while ((m = probe_next_of(&run.probe, FROM_KIND(SESSION_STATUS)))) {
        bool ours = strcmp(m->session_status->session_id, s->id) == 0;
        if (ours) {
            CHECK(m->session_status->stdin_acked >= s->acked);
            CHECK(m->session_status->stdin_received >= m->session_status->stdin_acked);
            s->sent = s->acked = m->session_status->stdin_acked;
            s->received = m->session_status->stdin_received;
            s->exited = m->session_status->state == EXITED;
            s->exit_code = m->session_status->exit_code;
        }
        probe_free(m);
        if (ours)
            break;
    }
    PB(From) from = BANGER__AGENT__V1__FROM__INIT;
    from.at_case = BANGER__AGENT__V1__FROM__AT_OFFSET;
    from.offset = s->at;
    PB(Subscribe) subscribe = BANGER__AGENT__V1__SUBSCRIBE__INIT;
    subscribe.subscription = 1;
    subscribe.session_id = (char *)(uintptr_t)s->id;
    subscribe.from_stdout = &from;
    subscribe.credit_bytes = CREDIT_BYTES;
    subscribe.follow = subscribe.hold = true;
    PB(ToAgent) to = BANGER__AGENT__V1__TO_AGENT__INIT;
    to.kind_case = TO_KIND(SUBSCRIBE);
    to.subscribe = &subscribe;
    probe_send(&run.probe, &to);
}

static void feed(struct stream *s)
{
    static uint8_t chunk[CHUNK_BYTES];
    while (s->has_stdin && s->wanted == 0 && s->sent + CHUNK_BYTES <= s->acked + WINDOW_BYTES) {
        for (size_t i = 0; i < CHUNK_BYTES; i++)
            chunk[i] = s->byte_at(s->sent + i);
        if (probe_stdin(&run.probe, s->id, s->sent, chunk, CHUNK_BYTES) < 0)
            return;
        s->sent += CHUNK_BYTES;
    }
}

/* As a client does, that comes back to what it has not said it has. */
static void say_taken(struct stream *s)
{
    if (!s->brief || s->at < s->taken + TAKEN_BYTES)
        return;
    PB(AckOutput) ack = BANGER__AGENT__V1__ACK_OUTPUT__INIT;
    PB(ToAgent) to = BANGER__AGENT__V1__TO_AGENT__INIT;
    ack.session_id = (char *)(uintptr_t)s->id;
    ack.stdout_offset = s->taken = s->at;
    to.kind_case = TO_KIND(ACK_OUTPUT);
    to.ack_output = &ack;
    probe_send(&run.probe, &to);
}

static void take(struct stream *s, const PB(FromAgent) * m)
{
    if (m->kind_case == FROM_KIND(DATA) &&
        m->data->stream == BANGER__AGENT__V1__STREAM__STREAM_STDOUT) {
        CHECK_INT(m->data->offset, s->at);
        for (size_t i = 0; i < m->data->data.len; i++)
            s->wrong += m->data->data.data[i] != s->byte_at(m->data->offset + i);
        s->at = m->data->offset + m->data->data.len;
        say_taken(s);
    } else if (m->kind_case == FROM_KIND(STDIN_ACK)) {
        CHECK(m->stdin_ack->offset >= s->acked);
        s->acked = m->stdin_ack->offset;
    } else if (m->kind_case == FROM_KIND(STREAM_END) &&
               m->stream_end->stream == BANGER__AGENT__V1__STREAM__STREAM_STDOUT) {
        CHECK_INT(m->stream_end->total, s->at);
        s->ended = true;
    } else if (m->kind_case == FROM_KIND(SESSION_STATUS) && m->session_status->state == EXITED) {
        s->exited = true;
        s->exit_code = m->session_status->exit_code;
    }
    CHECK(m->kind_case != FROM_KIND(GAP));
}

/* Moves bytes for so long, or until the link is gone or all is done. */
static void move(struct stream *s, int64_t us)
{
    int64_t until_ns = clock_mono_ns() + us * 1000;
    run.probe.timeout_ms = STEP_MS;
    while ((us < 0 || clock_mono_ns() < until_ns) && !(s->ended && s->exited) &&
           agent_run_in_time(&run)) {
        feed(s);
        PB(FromAgent) *m = probe_next(&run.probe);
        if (m)
            take(s, m);
        probe_free(m);
        if (!m && link_is_gone())
            return;
        if (!m && !CHECK(strncmp(run.probe.error, "nothing happened", 16) == 0))
            fprintf(stderr, "%s\n", run.probe.error);
        if (!s->has_stdin && us >= 0 && clock_mono_ns() >= until_ns)
            return;
    }
}

static void run_killed(struct stream *s)
{
    char instance[40];
    run.deadline_ms = clock_mono_ms() + OVERALL_MS;
    agent_run_link(&run);
    snprintf(instance, sizeof(instance), "%s", run.probe.instance);
    for (int i = 0; i < n_kills && !s->ended && agent_run_in_time(&run); i++) {
        if (s->brief && i % 2)
            s->at = s->taken;
        open_stream(s);
        move(s, rand() % KILL_AFTER_US);
        agent_run_kill(&run);
        agent_run_link(&run);
        CHECK_STR(run.probe.instance, instance);
    }
    open_stream(s);
    if (s->has_stdin) {
        s->wanted = s->sent = s->received;
        CHECK_INT(probe_stdin_eof(&run.probe, s->id, s->sent), 0);
    }
    move(s, -1);
    CHECK(s->ended && s->exited);
    CHECK_INT(s->exit_code, 0);
    CHECK_INT(s->wrong, 0);
    CHECK_INT(s->at, s->wanted);
    run.probe.timeout_ms = 10000;
    CHECK_INT(probe_delete(&run.probe, s->id), 0);
}

static void test_bytes_in_and_out_are_exact(void)
{
    struct stream s = {.id = "cat", .argv = ARGV("cat"), .has_stdin = true, .byte_at = known_byte};
    run_killed(&s);
    CHECK(s.at > 0);
}

/* Its reader is slower than it: most comes from the spool's file. */
static void test_a_terminal_is_exact(void)
{
    struct stream s = {.id = "tty",
                       .argv = ARGV("seq", "1000000", "1500000"),
                       .tty = true,
                       .byte_at = line_byte,
                       .wanted = 9ull * 500001};
    run_killed(&s);
}

/* Every other time its reader comes back to what it has not said it has. */
static void test_what_is_dropped_when_taken_is_exact(void)
{
    struct stream s = {.id = "brief",
                       .argv = ARGV("cat"),
                       .has_stdin = true,
                       .brief = true,
                       .byte_at = known_byte};
    run_killed(&s);
    CHECK(s.at > 0);
}

static PB(FromAgent) * status_of(const char *id, int state)
{
    CHECK_INT(probe_start(&run.probe, id, ARGV("false"), false),
              0); /* it exists: its status is told */
    return probe_wait_state(&run.probe, id, state);
}

/* The keeper is stopped, so that for a while there is no agent at all. */
static void test_an_exit_without_an_agent_is_known(void)
{
    run.deadline_ms = clock_mono_ms() + OVERALL_MS;
    agent_run_link(&run);
    CHECK_INT(probe_start(&run.probe, "quiet", ARGV("sh", "-c", "read line; exit 7"), true), 0);
    PB(FromAgent) *quiet = probe_wait_state(&run.probe, "quiet", RUNNING);
    CHECK_INT(probe_start(&run.probe, "killed", ARGV("sleep", "600"), false), 0);
    PB(FromAgent) *killed = probe_wait_state(&run.probe, "killed", RUNNING);
    if (!CHECK(quiet && killed))
        return;
    kill(run.keeper, SIGSTOP);
    pid_t agent = agent_below(run.keeper);
    kill(agent, SIGKILL);
    siginfo_t gone;
    CHECK_INT(waitid(P_PID, (id_t)agent, &gone, WEXITED | WNOWAIT), -1); /* not ours */
    CHECK_INT(kill((pid_t)killed->session_status->pid, SIGTERM), 0);
    char link[64];
    snprintf(link, sizeof(link), "/proc/%u/fd/0", quiet->session_status->pid);
    int fd = open(link, O_WRONLY | O_CLOEXEC);
    CHECK_INT(write(fd, "x\n", 2), 2);
    close(fd);
    kill(run.keeper, SIGCONT);
    agent_run_link(&run);
    PB(FromAgent) *after = status_of("quiet", EXITED);
    if (CHECK(after)) {
        CHECK_INT(after->session_status->exit_code, 7);
        CHECK_INT(after->session_status->pid, quiet->session_status->pid);
        CHECK_INT(after->session_status->started_ns, quiet->session_status->started_ns);
    }
    probe_free(after);
    after = status_of("killed", EXITED);
    if (CHECK(after))
        CHECK_INT(after->session_status->signo, SIGTERM);
    probe_free(after);
    probe_free(quiet);
    probe_free(killed);
    CHECK_INT(probe_delete(&run.probe, "quiet"), 0);
    CHECK_INT(probe_delete(&run.probe, "killed"), 0);
}

static size_t count_lines(const char *word)
{
    char text[65536];
    int fd = open(marks, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    size_t count = 0;
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    for (const char *at = text; (at = strstr(at, word)); at++)
        count++;
    return count;
}

/* Killed while it starts: what was asked for again until it was there has run, and once. */
static void test_a_start_happens_once(void)
{
    run.deadline_ms = clock_mono_ms() + OVERALL_MS;
    agent_run_link(&run);
    for (int i = 0; i < n_kills && agent_run_in_time(&run); i++) {
        char id[20], script[128], word[24];
        snprintf(id, sizeof(id), "once%d", i);
        snprintf(word, sizeof(word), "<%d>", i);
        snprintf(script, sizeof(script), "echo '%s' >> %s", word, marks);
        PB(FromAgent) *m = NULL;
        for (int tries = 0; !m && agent_run_in_time(&run); tries++) {
            if (probe_start(&run.probe, id, ARGV("sh", "-c", script), false) == 0 && tries == 0) {
                struct timespec t = {.tv_nsec = rand() % 3000000};
                nanosleep(&t, NULL); /* any moment will do: none is waited for */
                agent_run_kill(&run);
            }
            m = tries == 0 ? NULL : probe_wait_state(&run.probe, id, EXITED);
            if (!m)
                agent_run_link(&run);
        }
        if (m)
            CHECK_INT(m->session_status->exit_code, 0);
        probe_free(m);
        CHECK_INT(count_lines(word), 1);
        CHECK_INT(probe_delete(&run.probe, id), 0);
    }
}

static void test_what_ended_is_kept(void)
{
    struct probe_result r;
    run.deadline_ms = clock_mono_ms() + OVERALL_MS;
    agent_run_link(&run);
    CHECK_INT(
        probe_start(&run.probe, "old", ARGV("sh", "-c", "seq 1 60000; echo e >&2; exit 3"), false),
        0);
    probe_free(probe_wait_state(&run.probe, "old", EXITED));
    CHECK_INT(probe_start(&run.probe, "bad", ARGV("no-such-command"), false), 0);
    probe_free(probe_wait_state(&run.probe, "bad",
                                BANGER__AGENT__V1__SESSION_STATE__SESSION_STATE_FAILED));
    agent_run_replace(&run);
    CHECK_INT(run.probe.n_synced, 2);
    uint32_t sub = probe_subscribe(&run.probe, "old", CREDIT_BYTES);
    CHECK_INT(probe_start(&run.probe, "old", ARGV("false"), false),
              0); /* its status is told again */
    CHECK_INT(probe_collect(&run.probe, "old", sub, true, &r), 0);
    CHECK_INT(r.n_out, 348894);
    CHECK_INT(r.n_err, 2);
    CHECK(!r.gap);
    CHECK_INT(r.exit_code, 3);
    probe_result_done(&r);
    CHECK_INT(probe_delete(&run.probe, "old"), 0);
    CHECK_INT(probe_delete(&run.probe, "bad"), 0);
    agent_run_replace(&run);
    CHECK_INT(run.probe.n_synced, 0); /* a deletion outlives it as well */
}

/* KiB of the store that the agent has; -1: not known. */
static long shared_memory(void)
{
    char name[64], line[128];
    long kib = -1;
    snprintf(name, sizeof(name), "/proc/%d/status", (int)agent_below(run.keeper));
    FILE *f = fopen(name, "re");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "RssShmem: %ld", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

/* The store has room for thousands of sessions, of which there are none: looking for them gives it
 * no memory, at the first start or a later one. */
static void test_an_idle_agent_needs_little(void)
{
    run.deadline_ms = clock_mono_ms() + OVERALL_MS;
    for (int i = 0; i < 2; i++) {
        agent_run_link(&run);
        long kib = shared_memory();
        CHECK(kib >= 0 && kib < IDLE_KIB);
        agent_run_replace(&run);
    }
}

/* The keeper's end is everybody's. */
static void test_nothing_outlives_the_keeper(void)
{
    run.deadline_ms = clock_mono_ms() + OVERALL_MS;
    agent_run_link(&run);
    CHECK_INT(probe_start(&run.probe, "last", ARGV("sleep", "600"), false), 0);
    probe_free(probe_wait_state(&run.probe, "last", RUNNING));
    agent_run_replace(&run);
    PB(FromAgent) *m = status_of("last", RUNNING);
    if (!CHECK(m))
        return;
    pid_t pid = (pid_t)m->session_status->pid, agent = agent_below(run.keeper);
    probe_free(m);
    kill(run.keeper, SIGKILL);
    CHECK_INT(waitpid(run.keeper, NULL, 0), run.keeper);
    while ((kill(pid, 0) == 0 || kill(agent, 0) == 0) && agent_run_in_time(&run))
        sched_yield();
}

int main(int argc, char **argv)
{
    const char *kills = getenv("BANGER_TEST_KILLS");
    if (argc < 2 || !mkdtemp(folder))
        return check_skip("no folder below /tmp");
    n_kills = kills ? atoi(kills) : n_kills;
    srand((unsigned)clock_mono_ns());
    snprintf(path, sizeof(path), "%s/agent.sock", folder);
    snprintf(marks, sizeof(marks), "%s/marks", folder);
    run = (struct agent_run){.file = argv[1], .path = path, .spool = folder};
    probe_init(&run.probe);
    agent_run_start(&run);
    RUN(test_an_idle_agent_needs_little);
    RUN(test_bytes_in_and_out_are_exact);
    RUN(test_what_is_dropped_when_taken_is_exact);
    RUN(test_a_terminal_is_exact);
    RUN(test_an_exit_without_an_agent_is_known);
    RUN(test_a_start_happens_once);
    RUN(test_what_ended_is_kept);
    RUN(test_nothing_outlives_the_keeper);
    probe_done(&run.probe);
    unlink(marks);
    unlink(path);
    rmdir(folder);
    return check_end();
}
