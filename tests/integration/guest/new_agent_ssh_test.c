/* A guest that is reached over SSH has an agent of before; a daemon with a newer one comes. Its
 * file takes the place of the older one, its relay leads to the agent that runs, and that one is
 * followed by the newer as over any channel: the session that it has goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/guest/agent_client.h"
#include "daemon/guest/channel.h"
#include "tests/support/check.h"
#include "tests/support/sshd.h"

enum { DEADLINE_MS = 60000, PART_BYTES = 32 * 1024, CREDIT_BYTES = 65536 };

static const char session[] = "0123456789abcdef";

static struct {
    struct loop *loop;
    struct timer deadline;
    struct sshd sshd;
    struct channel_ssh_config ssh;
    struct channel_config config;
    struct agent_client *client;
    struct agent_subscription *sub;
    bool timed_out;
    unsigned synced, configured, writable;
    struct agent_session_status status;
    char out[64];
    size_t n_out;
} t;

static void look(void)
{
    loop_stop(t.loop);
}

static void on_synced(void *arg)
{
    (void)arg;
    t.synced++;
    look();
}

static void on_configured(void *arg, const char *error)
{
    (void)arg;
    CHECK_STR(error, "");
    t.configured++;
    look();
}

static void on_status(void *arg, const struct agent_session_status *status)
{
    (void)arg;
    if (strcmp(status->session_id, session) == 0)
        t.status = *status;
    look();
}

static void on_writable(void *arg)
{
    (void)arg;
    t.writable++;
    look();
}

static void on_refused(void *arg, const char *error)
{
    (void)arg;
    CHECK_STR(error, "");
}

static void on_data(void *arg, int stream, uint64_t offset, const uint8_t *data, uint32_t len)
{
    (void)arg;
    CHECK_INT(stream, 1);
    CHECK_INT(offset, t.n_out);
    if (t.n_out + len < sizeof(t.out))
        memcpy(t.out + t.n_out, data, len);
    t.n_out += len;
    look();
}

static void on_opened(void *arg, uint64_t stdout_offset, uint64_t stderr_offset)
{
    (void)arg, (void)stderr_offset;
    CHECK_INT(stdout_offset, t.n_out);
}

static void on_gap(void *arg, int stream, uint64_t from, uint64_t to, uint64_t oldest,
                   const char *reason)
{
    (void)arg, (void)stream, (void)from, (void)to, (void)oldest;
    CHECK_STR(reason, "no gap");
}

static void on_stream_end(void *arg, int stream, uint64_t total, const char *cut)
{
    (void)arg, (void)stream, (void)cut;
    CHECK_INT(total, t.n_out);
}

static void on_sub_ended(void *arg, const struct err *err)
{
    (void)arg;
    CHECK(err == NULL);
    t.sub = NULL;
    look();
}

static void on_deadline(void *arg)
{
    (void)arg;
    t.timed_out = true;
    look();
}

/* Until what holds; false, and told, at the deadline. */
#define UNTIL(what)                                                                                \
    do {                                                                                           \
        while (!t.timed_out && !(what))                                                            \
            loop_run(t.loop, NULL);                                                                \
        CHECK(what);                                                                               \
    } while (0)

static void come_with(const char *agent)
{
    static const struct agent_events events = {
        .synced = on_synced,
        .configured = on_configured,
        .session_status = on_status,
        .writable = on_writable,
        .new_agent_refused = on_refused,
    };
    struct err err = ERR_INIT;
    agent_client_close(t.client);
    t.ssh.agent = agent;
    t.synced = 0;
    memset(&t.status, 0, sizeof(t.status));
    t.client = agent_client_open(t.loop, &t.config, &events, NULL, &err);
    CHECK_STR(err.message, "");
    UNTIL(t.synced == 1);
}

/* All of the program, part by part, as the daemon does. */
static void hand_over(const char *path)
{
    char *program = NULL;
    size_t len = 0;
    struct err err = ERR_INIT;
    CHECK_INT(fs_read(path, 64 << 20, &program, &len, &err), 0);
    for (size_t at = 0; at < len && !t.timed_out;) {
        size_t part = len - at < PART_BYTES ? len - at : PART_BYTES;
        unsigned before = t.writable;
        if (agent_client_send_new_agent(t.client, (uint32_t)len, (uint32_t)at, program + at,
                                        (uint32_t)part, &err) == 0)
            at += part;
        else
            UNTIL(t.writable > before);
    }
    free(program);
}

static void subscribe(void)
{
    static const struct agent_subscription_events events = {.opened = on_opened,
                                                            .data = on_data,
                                                            .gap = on_gap,
                                                            .stream_end = on_stream_end,
                                                            .ended = on_sub_ended};
    struct agent_start from = {.at = AGENT_FROM_OFFSET, .value = t.n_out};
    struct agent_start skip = {.at = AGENT_SKIP};
    t.sub = agent_subscribe(t.client, session, from, skip, CREDIT_BYTES, AGENT_FOLLOW, &events,
                            NULL, NULL);
    CHECK(t.sub != NULL);
}

static void say(const char *line, const char *all)
{
    CHECK_INT(
        agent_client_send_stdin(t.client, session, t.n_out, line, (uint32_t)strlen(line), NULL), 0);
    UNTIL(t.n_out == strlen(all));
    CHECK_STR(t.out, all);
}

static void start_cat(void)
{
    struct agent_configure config = {.vm_id = "0123456789abcdef"};
    struct session_spec spec = {.stdin_mode = SESSION_STDIN_PIPE};
    struct err err = ERR_INIT;
    CHECK_INT(agent_client_configure(t.client, &config, &err), 0);
    UNTIL(t.configured == 1);
    CHECK_INT(blob_set(&spec.argv, "cat", 4), 0);
    CHECK_INT(agent_client_start_session(t.client, session, &spec, false, 0, &err), 0);
    CHECK_STR(err.message, "");
    UNTIL(t.status.state == AGENT_SESSION_RUNNING);
    free(spec.argv.data);
    subscribe();
}

static unsigned files(void)
{
    char *names = NULL, command[120];
    unsigned n = 0;
    snprintf(command, sizeof(command), "ls %s | grep -c ^banger-agent- >%s/n", t.sshd.folder,
             t.sshd.dir);
    CHECK(system(command) == 0);
    snprintf(command, sizeof(command), "%s/n", t.sshd.dir);
    size_t len;
    if (fs_read(command, 64, &names, &len, NULL) == 0)
        n = (unsigned)atoi(names);
    free(names);
    return n;
}

static void a_session_goes_on_below_a_newer_one(void)
{
    come_with(OLDER_AGENT_FILE);
    CHECK_INT(agent_client_hello(t.client)->revision, 1);
    start_cat();
    say("before\n", "before\n");
    uint32_t pid = t.status.pid;
    char instance[40];
    snprintf(instance, sizeof(instance), "%s", agent_client_hello(t.client)->instance);

    agent_unsubscribe(t.sub);
    come_with(AGENT_FILE);
    CHECK_INT(files(), 1);
    CHECK_INT(agent_client_hello(t.client)->revision, 1); /* the one that runs */
    CHECK_STR(agent_client_hello(t.client)->instance, instance);
    CHECK_INT(t.status.pid, pid);
    subscribe();
    say("between\n", "before\nbetween\n");

    hand_over(AGENT_FILE);
    UNTIL(t.synced == 2);
    CHECK_INT(agent_client_hello(t.client)->revision, agent_client_revision);
    CHECK_INT(agent_client_hello(t.client)->given_up, 0);
    CHECK_STR(agent_client_hello(t.client)->instance, instance);
    CHECK_INT(t.status.pid, pid);
    CHECK_INT(t.status.state, AGENT_SESSION_RUNNING);
    say("after\n", "before\nbetween\nafter\n");
    CHECK_INT(agent_client_send_stdin_eof(t.client, session, t.n_out, NULL), 0);
    UNTIL(t.status.state == AGENT_SESSION_EXITED);
    CHECK_INT(t.status.exit_code, 0);
    CHECK_INT(t.status.signo, 0);
    agent_unsubscribe(t.sub);
}

int main(void)
{
    t.loop = loop_new(NULL);
    if (!t.loop || timer_init(&t.deadline, t.loop, on_deadline, NULL) < 0)
        abort();
    if (sshd_begin(&t.sshd) < 0)
        return 77;
    sshd_serve(&t.sshd);
    t.ssh = (struct channel_ssh_config){.program = BANGER_SSH_FILE,
                                        .user = t.sshd.user,
                                        .key = t.sshd.key,
                                        .folder = t.sshd.folder,
                                        .no_system = true};
    t.config = (struct channel_config){
        .kind = &channel_ssh, .port = t.sshd.port, .ssh = &t.ssh, .open_ms = DEADLINE_MS / 2};
    timer_start(&t.deadline, DEADLINE_MS);
    RUN(a_session_goes_on_below_a_newer_one);
    agent_client_close(t.client);
    sshd_end_agent(&t.sshd);
    sshd_end(&t.sshd);
    timer_done(&t.deadline);
    loop_free(t.loop);
    return check_end();
}
