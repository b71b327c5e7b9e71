/* A writer over TLS whose way to the daemon is cut many times, wherever in a record and a frame
 * that is, and whose daemon is killed at times: every byte arrives once and in order, in both
 * directions. relay_test sim
 *
 * The way is a relay, a process of its own that is killed with bytes under way. In a network
 * namespace of its own, so that ports are free. */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
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
    TOTAL_BYTES = 6 * 1024 * 1024,
    LOSSES = 40,
    DAEMON_EVERY = 5,
};

static struct harness h;
static struct banger_client *local; /* by the socket, past the relay */
static char box[STEPS_ID_BYTES];
static pid_t relay;

/* The relay */

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
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

/* Until it is killed; connections and memory go with it. */
static void run_relay(int listener)
{
    const struct sockaddr_in daemon = loopback(DAEMON_PORT);
    for (;;) {
        int client = accept(listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
        struct way *ways = malloc(2 * sizeof(*ways));
        if (client < 0 || server < 0 || !ways)
            _exit(1);
        if (connect(server, (const struct sockaddr *)&daemon, sizeof(daemon)) < 0) {
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

static void start_relay(void)
{
    const struct sockaddr_in own = loopback(RELAY_PORT);
    const int yes = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) < 0 ||
        bind(listener, (const struct sockaddr *)&own, sizeof(own)) < 0 || listen(listener, 16) < 0)
        harness_die(&h, "no relay");
    fflush(NULL);
    relay = fork();
    if (relay == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(listener, 3);
        closefrom(4);
        run_relay(3);
    }
    close(listener);
    if (relay < 0)
        harness_die(&h, "no relay");
}

static void kill_relay(void)
{
    int status = 0;
    kill(relay, SIGKILL);
    CHECK_INT(waitpid(relay, &status, 0), relay);
    CHECK(WIFSIGNALED(status)); /* it had not ended by itself */
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
    size_t room = banger_attach_room(r->attach), left = TOTAL_BYTES - given;
    size_t n = room < left ? room : left;
    if (n > 0)
        CHECK_INT(banger_attach_write(r->attach, bytes + given, n, &error), n);
    return n;
}

/* Only a way that stands is lost, so that each time counts. The daemon is killed as soon as the
 * writer has come back from another loss: what it has just been told is there may be gone. */
static bool loss_is_due(const struct attach_reader *r, size_t given, unsigned losses)
{
    uint64_t moved = given + r->next[1];
    bool daemon = losses % DAEMON_EVERY == DAEMON_EVERY - 1;
    return r->opened == losses + 1 &&
           (daemon || moved > (losses + 1) * (2ULL * TOTAL_BYTES / (LOSSES + 1)));
}

static void lose(bool daemon)
{
    if (daemon) {
        harness_crash(&h);
        return;
    }
    kill_relay();
    start_relay();
}

static void a_writer_comes_back(void)
{
    static const char *const argv[] = {"cat", NULL};
    static const struct told_attach as_writer = {.role =
                                                     BANGER__V1__ATTACH_ROLE__ATTACH_ROLE_WRITER};
    char id[STEPS_ID_BYTES];
    struct banger_error error;
    struct attach_reader r;
    size_t given = 0;
    unsigned losses = 0;
    uint8_t *bytes = malloc(TOTAL_BYTES);
    if (!bytes)
        harness_die(&h, "no memory");
    emit_fill(5, 0, bytes, TOTAL_BYTES);
    CHECK_INT(steps_start_session(local, &h, box, argv, true, id, &error), 0);
    start_relay();
    struct banger_client *far = connect_far();
    reader_open(&r, far, id, &as_writer);
    r.check = true;
    r.seed = 5;
    while (!r.over && (given < TOTAL_BYTES || losses < LOSSES)) {
        given += give(&r, bytes, given);
        if (losses < LOSSES && loss_is_due(&r, given, losses)) {
            lose(losses % DAEMON_EVERY == DAEMON_EVERY - 1);
            losses++;
        }
        if (reader_step(&r, GUEST_MS) <= 0)
            break;
    }
    banger_attach_write_eof(r.attach);
    CHECK(reader_finish(&r, GUEST_MS));
    CHECK_INT(r.next[1], TOTAL_BYTES);
    CHECK_INT(r.status, 0);
    CHECK_INT(r.gaps, 0);
    CHECK_INT(losses, LOSSES);
    CHECK_INT(r.broken, LOSSES);
    reader_close(&r);
    banger_close(far);
    kill_relay();
    free(bytes);
}

int main(int argc, char **argv)
{
    struct banger_error error;
    if (!harness_own_network())
        return check_skip("needs root for a network of its own");
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    configure();
    harness_start(&h, NULL);
    local = harness_connect(&h);
    if (steps_create_vm(local, &h, NULL, box, &error) < 0)
        harness_die(&h, "no VM: %s", error.message);
    RUN(a_writer_comes_back);
    banger_close(local);
    CHECK(harness_close(&h));
    return check_end();
}
