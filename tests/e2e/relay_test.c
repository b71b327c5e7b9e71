/* A writer over TLS whose way to the daemon is cut many times, wherever in a record and a frame
 * that is, and whose daemon, or the agent in the guest, is killed at times, as is what lies between
 * these two: every byte arrives once and in order, in both directions. relay_test sim|qemu [all];
 * `all` is 200 losses in 256 MiB.
 *
 * A way is a relay, a process of its own that is killed with bytes under way; every second one to
 * the daemon ends by a reset. The one to the agent is qemu's alone, whose virtio-serial port stays
 * open in the guest: an agent of sim would take its name back. In a network namespace of its own,
 * so that ports are free. */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "tests/support/agent_below.h"
#include "tests/support/attach_reader.h"
#include "tests/support/certs.h"
#include "tests/support/check.h"
#include "tests/support/emit_bytes.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"
#include "tests/support/told.h"

enum {
    GUEST_MS = 120000,
    DAEMON_PORT = 7443, /* of `listen` below */
    RELAY_PORT = 7444,
};

/* What is lost, by turns. */
enum loss { THE_WAY, THE_AGENT, THE_DAEMON, THE_CHANNEL };
static const enum loss turns_sim[] = {THE_WAY, THE_AGENT, THE_WAY, THE_WAY, THE_DAEMON};
static const enum loss turns_qemu[] = {THE_WAY, THE_CHANNEL, THE_AGENT,  THE_WAY,
                                       THE_WAY, THE_CHANNEL, THE_DAEMON, THE_CHANNEL};
enum { N_TURNS_SIM = 5, N_TURNS_QEMU = 8, LOSSES_SIM = 40, LOSSES_QEMU = 16 };

static size_t total_bytes = 6 * 1024 * 1024;
static unsigned n_losses;

static struct harness h;
static struct banger_client *local; /* by the socket, past the relay */
static char box[STEPS_ID_BYTES];

static enum loss turn(unsigned n)
{
    return h.boots ? turns_qemu[n % N_TURNS_QEMU] : turns_sim[n % N_TURNS_SIM];
}

/* Relays */

struct end {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } at;
    socklen_t len;
};

struct relay {
    struct end own, other;
    pid_t pid;
    unsigned n_made;
    bool resets; /* every second one ends by a reset */
};

static struct relay way_relay, channel_relay;

static struct end loopback(uint16_t port)
{
    return (struct end){.at.in = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
                        .len = sizeof(struct sockaddr_in)};
}

static struct end named(const char *path)
{
    struct end e = {.at.un = {.sun_family = AF_UNIX}, .len = sizeof(struct sockaddr_un)};
    if (strlen(path) >= sizeof(e.at.un.sun_path))
        harness_die(&h, "too long a name of a socket: %s", path);
    memcpy(e.at.un.sun_path, path, strlen(path) + 1);
    return e;
}

struct way {
    int from, to;
};

static bool send_all(int fd, const char *data, ssize_t len)
{
    for (ssize_t at = 0; at < len;) {
        ssize_t n = send(fd, data + at, (size_t)(len - at), MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
    }
    return true;
}

static void *pass(void *arg)
{
    const struct way *way = arg;
    char data[16384];
    ssize_t n;
    do
        n = recv(way->from, data, sizeof(data), 0);
    while (n > 0 && send_all(way->to, data, n));
    shutdown(way->from, SHUT_RDWR);
    shutdown(way->to, SHUT_RDWR);
    return NULL;
}

/* Its end, however that comes, is a reset. */
static void reset_at_end(int fd)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)) < 0)
        _exit(1);
}

/* Until it is killed; connections and memory go with it. */
static void run_relay(int listener, const struct end *to, bool resets)
{
    for (;;) {
        int client = accept(listener, NULL, NULL),
            server = socket(to->at.any.sa_family, SOCK_STREAM, 0);
        struct way *ways = malloc(2 * sizeof(*ways));
        if (client < 0 || server < 0 || !ways)
            _exit(1);
        if (resets) {
            reset_at_end(client);
            reset_at_end(server);
        }
        if (connect(server, &to->at.any, to->len) < 0) {
            close(client);
            close(server);
            free(ways);
            continue;
        }
        ways[0] = (struct way){client, server};
        ways[1] = (struct way){server, client};
        for (int i = 0; i < 2; i++) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, pass, &ways[i]) != 0)
                _exit(1);
            pthread_detach(thread);
        }
    }
}

static void start_relay(struct relay *r)
{
    const int yes = 1;
    int listener = socket(r->own.at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool resets = r->resets && r->n_made++ % 2 == 1;
    if (r->own.at.any.sa_family == AF_UNIX)
        unlink(r->own.at.un.sun_path);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        bind(listener, &r->own.at.any, r->own.len) < 0 || listen(listener, 16) < 0)
        harness_die(&h, "no relay");
    fflush(NULL);
    r->pid = fork();
    if (r->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(listener, 3);
        closefrom(4);
        run_relay(3, &r->other, resets);
    }
    close(listener);
    if (r->pid < 0)
        harness_die(&h, "no relay");
}

static void kill_relay(const struct relay *r)
{
    int status = 0;
    kill(r->pid, SIGKILL);
    CHECK_INT(waitpid(r->pid, &status, 0), r->pid);
    CHECK(WIFSIGNALED(status)); /* it had not ended by itself */
}

/* Between qemu and the daemon, which finds it where the port was. */
static void lead_channel_through_relay(void)
{
    char path[96], moved[96];
    snprintf(path, sizeof(path), "%s/vms/%s/agent.sock", h.state, box);
    snprintf(moved, sizeof(moved), "%s/port.sock", h.dir);
    channel_relay = (struct relay){.own = named(path), .other = named(moved)};
    harness_end(&h, SIGKILL);
    if (rename(path, moved) < 0)
        harness_die(&h, "cannot move %s", path);
    start_relay(&channel_relay);
    harness_start(&h, NULL);
}

/* The daemon and the way to it */

static void write_text(const char *name, const char *text, char path[80])
{
    snprintf(path, 80, "%s/%s", h.dir, name);
    if (fs_write_atomic(path, text, strlen(text), 0600, NULL) < 0)
        harness_die(&h, "cannot write %s", path);
}

static char ca_file[80], client_pem[80], client_key[80], conf[80];

static void configure(void)
{
    char server_pem[80], server_key[80], text[1024];
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "site CA", .ca = true});
    struct cert server = cert_make(&ca, &(struct cert_spec){.names = "IP:127.0.0.1"});
    struct cert user = cert_make(&ca, &(struct cert_spec){.names = "DNS:far.example.org"});
    write_text("ca.pem", ca.certificate, ca_file);
    write_text("server.pem", server.certificate, server_pem);
    write_text("server.key", server.key, server_key);
    write_text("client.pem", user.certificate, client_pem);
    write_text("client.key", user.key, client_key);
    snprintf(text, sizeof(text),
             "listen: 127.0.0.1:%d\nca_file: %s\ncertificate_file: %s\nkey_file: %s\n"
             "peers:\n  far.example.org: {role: admin, principal: far}\n",
             DAEMON_PORT, ca_file, server_pem, server_key);
    write_text("bangerd.conf", text, conf);
    h.args[0] = "--config";
    h.args[1] = conf;
    cert_done(&ca);
    cert_done(&server);
    cert_done(&user);
}

static struct banger_client *connect_far(void)
{
    const struct told_client options = {.wait_for_ready_ms = HARNESS_START_MS,
                                        .ca_file = ca_file,
                                        .certificate_file = client_pem,
                                        .key_file = client_key};
    struct banger_error error;
    char target[40];
    snprintf(target, sizeof(target), "tls:127.0.0.1:%d", RELAY_PORT);
    struct banger_client *client = told_connect(target, &options, &error);
    if (!client)
        harness_die(&h, "no client: %s", error.message);
    return client;
}

/* Writes what there is room for; how much. */
static size_t give(struct attach_reader *r, const uint8_t *bytes, size_t given)
{
    struct banger_error error;
    size_t room = banger_attach_room(r->attach), left = total_bytes - given;
    size_t n = room < left ? room : left;
    if (n > 0)
        CHECK_INT(banger_attach_write(r->attach, bytes + given, n, &error), n);
    return n;
}

/* Only a way that stands is lost, so that each time counts. The daemon is killed as soon as the
 * writer has come back from another loss: what it has just been told is there may be gone. */
static bool loss_is_due(const struct attach_reader *r, size_t given, unsigned losses, unsigned seen)
{
    uint64_t moved = given + r->next[1];
    bool daemon = turn(losses) == THE_DAEMON;
    return losses < n_losses && r->opened == seen + 1 &&
           (daemon || moved > (losses + 1) * (2ULL * total_bytes / (n_losses + 1)));
}

static void kill_agent(void)
{
    static const char *const argv[] = {
        "sh", "-c", "kill -9 $(grep -vx 1 /sys/fs/cgroup/banger-agent/cgroup.procs)", NULL};
    if (h.boots) {
        CHECK_INT(steps_run(local, &h, box, argv, NULL, 0, NULL, 0), 0);
        return;
    }
    pid_t pid = agent_below(steps_vm_pid(local, box));
    CHECK(pid > 0);
    kill(pid, SIGKILL);
}

/* What is lost between daemon and agent is no news to a client. */
static bool lose(enum loss what)
{
    switch (what) {
    case THE_DAEMON:
        harness_crash(&h);
        return true;
    case THE_WAY:
        kill_relay(&way_relay);
        start_relay(&way_relay);
        return true;
    case THE_CHANNEL:
        kill_relay(&channel_relay);
        start_relay(&channel_relay);
        return false;
    case THE_AGENT:
        kill_agent();
        return false;
    }
    return false;
}

static void move_bytes(bool drop_taken)
{
    static const char *const argv[] = {"cat", NULL};
    const struct told_attach as_writer = {.role = BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER,
                                          .hold = drop_taken};
    Banger__V1__SessionSpec spec = BANGER__V1__SESSION_SPEC__INIT;
    char id[STEPS_ID_BYTES];
    struct banger_error error;
    struct attach_reader r;
    size_t given = 0;
    unsigned losses = 0, seen = 0; /* by the client */
    int64_t began_ms = clock_mono_ms();
    uint8_t *bytes = malloc(total_bytes);
    if (!bytes)
        harness_die(&h, "no memory");
    emit_fill(5, 0, bytes, total_bytes);
    spec.hold_output = spec.drop_taken = drop_taken;
    CHECK_INT(steps_start_spec(local, &h, box, &spec, argv, true, id, &error), 0);
    start_relay(&way_relay);
    struct banger_client *far = connect_far();
    reader_open(&r, far, id, &as_writer);
    r.check = true;
    r.seed = 5;
    while (!r.over && (given < total_bytes || losses < n_losses)) {
        given += give(&r, bytes, given);
        if (loss_is_due(&r, given, losses, seen))
            seen += lose(turn(losses++));
        if (reader_step(&r, GUEST_MS) <= 0)
            break;
    }
    banger_attach_write_eof(r.attach);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.next[1], total_bytes);
    CHECK_INT(r.status, 0);
    CHECK_INT(r.gaps, 0);
    CHECK_INT(losses, n_losses);
    CHECK_INT(r.broken, seen);
    printf("     %u losses, %u seen by the client, in %zu MiB each way in %.1f s\n", losses, seen,
           total_bytes >> 20, (double)(clock_mono_ms() - began_ms) / 1000);
    reader_close(&r);
    banger_close(far);
    kill_relay(&way_relay);
    free(bytes);
}

static void a_writer_comes_back(void)
{
    move_bytes(false);
}

/* Nothing is kept for it but what it has not acknowledged. */
static void a_writer_comes_back_to_what_it_has_not_taken(void)
{
    move_bytes(true);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    if (!harness_own_network())
        return check_skip("needs root for a network of its own");
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    n_losses = h.boots ? LOSSES_QEMU : LOSSES_SIM;
    if (argc > 2 && strcmp(argv[2], "all") == 0) {
        total_bytes = (size_t)256 << 20;
        n_losses = 200;
    }
    configure();
    harness_start(&h, NULL);
    if (h.boots)
        harness_import_assets(&h);
    local = harness_connect(&h);
    if (steps_create_vm(local, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    way_relay =
        (struct relay){.own = loopback(RELAY_PORT), .other = loopback(DAEMON_PORT), .resets = true};
    if (h.boots)
        lead_channel_through_relay();
    RUN(a_writer_comes_back);
    RUN(a_writer_comes_back_to_what_it_has_not_taken);
    if (channel_relay.pid > 0)
        kill_relay(&channel_relay);
    banger_close(local);
    CHECK(harness_close(&h));
    return check_end();
}
