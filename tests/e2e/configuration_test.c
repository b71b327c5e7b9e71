/* A daemon and its configuration: what it does not start with, who comes in and as what by users,
 * groups and names in certificates, what SIGHUP changes, whom it cuts, and that TCP is TLS.
 *
 * In a network namespace of its own, so that ports are free and every listener is the daemon's. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger/methods.h"
#include "base/cleanup.h"
#include "base/fs.h"
#include "tests/support/certs.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/told.h"

enum { ALICE = 70001, BOB = 70002, EVE = 70003, BUILDERS = 70010, REFUSED = 100, WAIT_MS = 30000 };
enum { VIEWER = BANGER__V1__ROLE__ROLE_VIEWER, OPERATOR = BANGER__V1__ROLE__ROLE_OPERATOR };

static struct harness h;
static char conf[64], site_ca[64], server_pem[64], server_key[64];

/* The file and the log */

static void write_text(const char *path, const char *text)
{
    if (fs_write_atomic(path, text, strlen(text), 0600, NULL) < 0)
        harness_die(&h, "cannot write %s", path);
}

static void configure(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void configure(const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    write_text(conf, text);
}

static char *read_log(void)
{
    char *text = NULL;
    if (fs_read(h.log, 4 << 20, &text, NULL, NULL) < 0)
        harness_die(&h, "cannot read the log");
    return text;
}

struct wanted {
    const char *text;
    size_t from; /* in the log */
};

static bool log_has(void *arg)
{
    const struct wanted *w = arg;
    auto_free char *log = read_log();
    return strlen(log) > w->from && strstr(log + w->from, w->text) != NULL;
}

/* Sends SIGHUP and waits for a line of the log, which is returned from there on. */
static char *reload(const char *until)
{
    auto_free char *before = read_log();
    struct wanted w = {until, strlen(before)};
    kill(h.daemon, SIGHUP);
    if (!harness_until(log_has, &w, WAIT_MS))
        harness_die(&h, "no \"%s\" after SIGHUP", until);
    auto_free char *log = read_log();
    return strdup(log + w.from);
}

static void reload_well(void)
{
    free(reload("the configuration is read anew"));
}

/* Runs the daemon's program to its end; its output. */
static char *run_daemon(const char *const *arguments, int *code)
{
    const char *argv[8] = {harness_daemon_path()};
    int fds[2], n = 1, status = 0;
    char *out = calloc(1, 65536);
    size_t len = 0;
    for (; *arguments; arguments++)
        argv[n++] = *arguments;
    if (pipe2(fds, O_CLOEXEC) < 0 || !out)
        harness_die(&h, "no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    for (ssize_t got; (got = read(fds[0], out + len, 65535 - len)) > 0;)
        len += (size_t)got;
    close(fds[0]);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return out;
}

/* Clients */

/* The role that the daemon gives this client, or REFUSED; with its principal. */
static int role_of(struct banger_client *client, char principal[128])
{
    struct banger_error error = {0};
    Banger__V1__WhoAmIRequest request = BANGER__V1__WHO_AM_IREQUEST__INIT;
    Banger__V1__Identity *me = banger_who_am_i(client, &request, NULL, &error);
    int role = me ? (int)me->role : REFUSED;
    if (principal)
        snprintf(principal, 128, "%s", me ? me->principal : error.message);
    banger_message_free(me ? &me->base : NULL);
    return role;
}

/* A stream that lives: the daemon has answered a call behind it. */
static struct banger_stream *open_stream(struct banger_client *client)
{
    struct banger_error error = {0};
    Banger__V1__WatchEventsRequest request = BANGER__V1__WATCH_EVENTS_REQUEST__INIT;
    struct banger_stream *stream = banger_stream_open(client, "/banger.v1.EventService/WatchEvents",
                                                      &request.base, NULL, &error);
    if (!stream || role_of(client, NULL) == REFUSED)
        harness_die(&h, "no stream: %s", error.message);
    return stream;
}

static enum banger_next wait_stream(struct banger_stream *stream, int64_t timeout_ms)
{
    struct banger_error error = {0};
    ProtobufCMessage *message = NULL;
    enum banger_next next;
    while ((next = banger_stream_next(stream, timeout_ms, &message, &error)) == BANGER_NEXT_MESSAGE)
        banger_message_free(message);
    return next;
}

/* A child that is another user. stream: it also holds one open, says so through the pipe, and ends
 * with REFUSED when it is cut. */
struct visitor {
    pid_t pid;
    int fd; /* readable once it is in */
};

static void visit(uid_t uid, gid_t gid, gid_t group, bool stream, int fd)
{
    if (setgroups(group ? 1 : 0, &group) < 0 || setgid(gid) < 0 || setuid(uid) < 0)
        _exit(99);
    struct banger_client *client = harness_connect_once(&h);
    int role = role_of(client, NULL);
    if (stream && role != REFUSED) {
        struct banger_stream *s = open_stream(client);
        if (write(fd, "!", 1) == 1 && wait_stream(s, -1) == BANGER_NEXT_ERROR)
            role = REFUSED;
        banger_stream_close(s);
    }
    banger_close(client);
    _exit(role);
}

static struct visitor visit_as(uid_t uid, gid_t gid, gid_t group, bool stream)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        harness_die(&h, "no pipe");
    fflush(NULL);
    struct visitor v = {.pid = fork(), .fd = fds[0]};
    if (v.pid == 0)
        visit(uid, gid, group, stream, fds[1]);
    close(fds[1]);
    char byte;
    if (stream && read(v.fd, &byte, 1) != 1)
        harness_die(&h, "user %u did not get in", (unsigned)uid);
    return v;
}

static int visit_ends(struct visitor *v)
{
    int status = 0;
    CHECK_INT(waitpid(v->pid, &status, 0), v->pid);
    close(v->fd);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int role_as(uid_t uid, gid_t gid, gid_t group)
{
    struct visitor v = visit_as(uid, gid, group, false);
    return visit_ends(&v);
}

/* The file */

static void test_check_config(void)
{
    int code = 0;
    configure("max_vms: 10\nusers: {%d: {role: viewer}}\n", ALICE);
    free(run_daemon((const char *const[]){"--check-config", conf, NULL}, &code));
    CHECK_INT(code, 0);
    configure("# first\nmax_vms: 0\nmax_vm: 1\n\nusers: {%d: {role: king}}\n", ALICE);
    for (int i = 0; i < 2; i++) {
        /* The same text from a check and from a start. */
        char *out = run_daemon(i == 0 ? (const char *const[]){"--check-config", conf, NULL}
                                      : (const char *const[]){"--config", conf, NULL},
                               &code);
        char want[512];
        snprintf(want, sizeof(want),
                 "%s:2: max_vms: \"0\" is not a number from 1 to 100000\n"
                 "%s:3: max_vm: there is no such key\n"
                 "%s:5: users: %d: role: \"king\" is not viewer, operator, admin or fleet\n",
                 conf, conf, conf, ALICE);
        CHECK_STR(out, want);
        CHECK_INT(code, i == 0 ? 1 : 2);
        free(out);
    }
}

/* Users and groups */

static void test_roles_of_users(void)
{
    struct stat st;
    configure("socket_mode: 0666\nsocket_group: %d\n"
              "users: {%d: {role: viewer}}\ngroups: {%d: {role: operator}}\n",
              BUILDERS, ALICE, BUILDERS);
    harness_start(&h, NULL);
    CHECK_INT(stat(h.socket, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0666);
    CHECK_INT(st.st_gid, BUILDERS);
    CHECK_INT(role_as(0, 0, 0), BANGER__V1__ROLE__ROLE_FLEET);
    CHECK_INT(role_as(ALICE, ALICE, 0), VIEWER);
    CHECK_INT(role_as(ALICE, ALICE, BUILDERS), VIEWER); /* the user goes before the group */
    CHECK_INT(role_as(BOB, BOB, BUILDERS), OPERATOR);
    CHECK_INT(role_as(BOB, BUILDERS, 0), OPERATOR);
    CHECK_INT(role_as(EVE, EVE, 0), REFUSED);
    CHECK_INT(role_as(EVE, EVE, EVE), REFUSED);
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    /* As the file says nothing of others, the socket is closed to them. */
    configure("socket_mode: 0660\nsocket_group: %d\nusers: {%d: {role: viewer}}\n", BUILDERS,
              ALICE);
    harness_start(&h, NULL);
    CHECK_INT(role_as(ALICE, ALICE, BUILDERS), VIEWER);
    CHECK_INT(role_as(ALICE, ALICE, 0), REFUSED);
    CHECK_INT(role_as(BOB, BOB, BUILDERS), REFUSED);
    CHECK_INT(harness_end(&h, SIGTERM), 0);
}

/* Reload */

static uint32_t max_vms(struct banger_client *client)
{
    struct banger_error error = {0};
    Banger__V1__GetHostRequest request = BANGER__V1__GET_HOST_REQUEST__INIT;
    Banger__V1__Host *host = banger_get_host(client, &request, NULL, &error);
    uint32_t n = host && host->total ? host->total->vms : 0;
    banger_message_free(host ? &host->base : NULL);
    return n;
}

static void test_reload(void)
{
    static const char users[] = "socket_mode: 0666\nusers: {70001: {role: viewer}}\n";
    static const char groups[] = "groups: {70010: {role: operator}}\n";
    configure("max_vms: 10\n%s%s", users, groups);
    harness_start(&h, NULL);
    struct banger_client *client = harness_connect(&h);
    CHECK_INT(max_vms(client), 10);
    struct visitor alice = visit_as(ALICE, ALICE, 0, true);
    struct visitor bob = visit_as(BOB, BOB, BUILDERS, true);

    /* What reloads and what does not; nobody is cut. */
    configure("max_vms: 20\nworkers: 3\n%s%s", users, groups);
    char *log = reload("the configuration is read anew");
    CHECK_CONTAINS(log, "max_vms has changed");
    CHECK_CONTAINS(log, "workers has changed, which needs a restart");
    CHECK(!strstr(log, "are cut"));
    CHECK_INT(max_vms(client), 20);
    free(log);

    /* A file with an error changes nothing, though the line before is right. */
    configure("max_vms: 30\nmax_streams: none\n");
    log = reload("the one in use stays");
    CHECK_CONTAINS(log, "bangerd.conf:2: max_streams: ");
    CHECK_CONTAINS(log, "has 1 errors");
    CHECK_INT(max_vms(client), 20);
    CHECK_INT(waitpid(alice.pid, NULL, WNOHANG), 0);
    free(log);

    /* Alice is taken away, then Bob's group gets another role: each is cut, and nobody else. */
    configure("max_vms: 20\nsocket_mode: 0666\n%s", groups);
    log = reload("the configuration is read anew");
    CHECK_CONTAINS(log, "1 connections are cut");
    CHECK_INT(visit_ends(&alice), REFUSED);
    CHECK_INT(role_as(ALICE, ALICE, 0), REFUSED);
    CHECK_INT(waitpid(bob.pid, NULL, WNOHANG), 0);
    free(log);
    configure("max_vms: 20\nsocket_mode: 0666\ngroups: {70010: {role: viewer}}\n");
    log = reload("the configuration is read anew");
    CHECK_CONTAINS(log, "1 connections are cut");
    CHECK_INT(visit_ends(&bob), REFUSED);
    CHECK_INT(role_as(BOB, BOB, BUILDERS), VIEWER);
    CHECK_INT(max_vms(client), 20);
    free(log);
    banger_close(client);
    CHECK_INT(harness_end(&h, SIGTERM), 0);
}

/* Options and variables stay above the file when it is read again. */
static void test_reload_keeps_order(void)
{
    h.args[2] = "--max-vms=7";
    configure("max_vms: 10\nstop_grace_ms: 1\n");
    harness_start(&h, (const char *const[]){"BANGER_STOP_GRACE_MS=2", NULL});
    struct banger_client *client = harness_connect(&h);
    CHECK_INT(max_vms(client), 7);
    configure("max_vms: 11\nstop_grace_ms: 3\n");
    char *log = reload("the configuration is read anew");
    CHECK_CONTAINS(log, "0 keys have changed");
    CHECK_INT(max_vms(client), 7);
    free(log);
    banger_close(client);
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    h.args[2] = NULL;
}

/* Certificates of the site's own */

static struct site {
    struct cert ca, server, build, jane, other, forged;
} site;

static void make_site(void)
{
    site.ca = cert_make(NULL, &(struct cert_spec){.common_name = "site CA", .ca = true});
    site.server = cert_make(&site.ca, &(struct cert_spec){.names = "IP:127.0.0.1"});
    site.build = cert_make(&site.ca, &(struct cert_spec){.names = "DNS:build.example.org"});
    site.jane = cert_make(&site.ca, &(struct cert_spec){.common_name = "Jane Doe"});
    site.other = cert_make(&site.ca, &(struct cert_spec){.names = "DNS:other.example.org"});
    site.forged = cert_make(
        &site.ca, &(struct cert_spec){.names = "URI:banger://principal/ci,DNS:build.example.org"});
    write_text(site_ca, site.ca.certificate);
    write_text(server_pem, site.server.certificate);
    write_text(server_key, site.server.key);
}

static void done_site(void)
{
    struct cert *all[] = {&site.ca,   &site.server, &site.build,
                          &site.jane, &site.other,  &site.forged};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        cert_done(all[i]);
}

static const char peers[] = "peers:\n"
                            "  build.example.org: {role: operator, principal: ci}\n"
                            "  Jane Doe: {role: viewer, principal: jane, match: cn}\n";

static void configure_tls(const char *ca, const char *who)
{
    configure("listen: 127.0.0.1:7443\nca_file: %s\ncertificate_file: %s\nkey_file: %s\n%s", ca,
              server_pem, server_key, who);
}

static struct banger_client *connect_as(const struct cert *cert)
{
    static const char *const names[] = {"c.pem", "c.key"};
    char files[2][80];
    struct banger_error error = {0};
    for (int i = 0; i < 2; i++) {
        snprintf(files[i], sizeof(files[i]), "%s/%s", h.dir, names[i]);
        write_text(files[i], i == 0 ? cert->certificate : cert->key);
    }
    const struct told_client options = {.retry_ms = -1,
                                        .wait_for_ready_ms = -1,
                                        .ca_file = site_ca,
                                        .certificate_file = files[0],
                                        .key_file = files[1]};
    struct banger_client *client = told_connect("tls:127.0.0.1:7443", &options, &error);
    if (!client)
        harness_die(&h, "no client: %s", error.message);
    return client;
}

static int role_by(const struct cert *cert, char principal[128])
{
    struct banger_client *client = connect_as(cert);
    int role = role_of(client, principal);
    banger_close(client);
    return role;
}

static void check_known(void)
{
    char principal[128];
    CHECK_INT(role_by(&site.build, principal), OPERATOR);
    CHECK_STR(principal, "ci");
    CHECK_INT(role_by(&site.jane, principal), VIEWER);
    CHECK_STR(principal, "jane");
}

static void test_peers_by_name(void)
{
    configure_tls(site_ca, peers);
    harness_start(&h, NULL);
    check_known();
    CHECK_INT(role_by(&site.other, NULL), REFUSED);
    CHECK_INT(role_by(&site.forged, NULL), REFUSED);
    char *log = read_log();
    CHECK_CONTAINS(log, "names no principal");
    free(log);

    /* Without the daemon's own authority there are no tokens; with it, both kinds come. */
    struct banger_client *local = harness_connect(&h);
    struct banger_error error = {0};
    Banger__V1__InitAuthRequest init = BANGER__V1__INIT_AUTH_REQUEST__INIT;
    Banger__V1__InitAuthResponse *made = banger_init_auth(local, &init, NULL, &error);
    if (!CHECK(made != NULL))
        fprintf(stderr, "%s\n", error.message);
    banger_message_free(made ? &made->base : NULL);
    check_known();
    CHECK_INT(role_by(&site.forged, NULL), REFUSED);

    /* A peer that is taken away loses its live streams; the other one keeps them. */
    struct banger_client *build = connect_as(&site.build);
    struct banger_stream *of_build = open_stream(build);
    struct banger_client *jane = connect_as(&site.jane);
    struct banger_stream *of_jane = open_stream(jane);
    configure_tls(site_ca, "peers: {Jane Doe: {role: viewer, principal: jane, match: cn}}\n");
    log = reload("the configuration is read anew");
    CHECK_CONTAINS(log, "1 connections are cut");
    free(log);
    CHECK_INT(wait_stream(of_build, WAIT_MS), BANGER_NEXT_ERROR);
    CHECK_INT(role_by(&site.build, NULL), REFUSED);
    CHECK_INT(role_of(jane, NULL), VIEWER);
    CHECK_INT(wait_stream(of_jane, 0), BANGER_NEXT_NOTHING);
    banger_stream_close(of_build);
    banger_stream_close(of_jane);
    banger_close(build);
    banger_close(jane);
    banger_close(local);
}

/* The old certificates stay when the new ones are no good. Goes on with the daemon of the test
 * before. */
static void test_reload_of_certificates(void)
{
    configure_tls(site_ca, peers);
    reload_well();
    configure_tls("/nonexistent/ca.pem", peers);
    char *log = reload("the configuration is read anew");
    CHECK_CONTAINS(log, "the old certificates stay");
    CHECK_CONTAINS(log, "/nonexistent/ca.pem");
    free(log);
    check_known();
    write_text(server_pem, "garbage\n");
    configure_tls(site_ca, peers);
    log = reload("the configuration is read anew");
    CHECK_CONTAINS(log, "our certificate cannot be read");
    free(log);
    check_known();
    write_text(server_pem, site.server.certificate);
    log = reload("the configuration is read anew");
    CHECK_CONTAINS(log, "certificates are read anew");
    free(log);
    check_known();
    /* Certificates are read though the file has an error. */
    configure("max_vms: x\n");
    log = reload("certificates are read anew");
    CHECK_CONTAINS(log, "the one in use stays");
    free(log);
    check_known();
    CHECK_INT(harness_end(&h, SIGTERM), 0);
}

/* The daemon serves this machine, says why it serves no other, and goes. */
static void check_closed(const char *why)
{
    auto_free char *before = read_log();
    struct wanted w = {why, strlen(before)};
    harness_start(&h, NULL);
    struct banger_client *local = harness_connect(&h);
    CHECK_INT(role_of(local, NULL), BANGER__V1__ROLE__ROLE_FLEET);
    banger_close(local);
    if (!CHECK(harness_until(log_has, &w, WAIT_MS)))
        fprintf(stderr, "  (the log lacks \"%s\")\n", why);
    CHECK_INT(harness_end(&h, SIGTERM), 0);
}

static void check_closed_with(const char *ca, const char *why)
{
    configure_tls(ca, peers);
    check_closed(why);
}

static void test_without_a_ca_this_machine_alone_is_served(void)
{
    char path[80], want[120];
    snprintf(path, sizeof(path), "%s/odd.pem", h.dir);
    check_closed_with("/nonexistent/ca.pem", "cannot open /nonexistent/ca.pem: No such file");
    write_text(path, "");
    snprintf(want, sizeof(want), "%s is empty", path);
    check_closed_with(path, want);
    write_text(path, "garbage\n");
    check_closed_with(path, "the CA has no certificate in it");
    write_text(path, site.build.certificate);
    check_closed_with(path, "is not one of a CA");
    check_closed_with(h.dir, "Is a directory");
    configure("listen: 127.0.0.1:7443\ncertificate_file: %s\n", server_pem);
    CHECK_INT(harness_try_start(&h, NULL), -1); /* a mistake of the file itself: no key_file */
}

/* TCP */

static int dial(void)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(7443), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        harness_die(&h, "cannot connect: %s", strerror(errno));
    return fd;
}

/* Sockets of this network namespace that listen: it has no others than the daemon's. */
static int count_listeners(const char *path)
{
    FILE *f = fopen(path, "re");
    char line[512];
    int n = 0;
    while (f && fgets(line, sizeof(line), f)) {
        unsigned state = 0;
        if (sscanf(line, " %*u: %*[0-9A-F]:%*x %*[0-9A-F]:%*x %x", &state) == 1)
            n += state == 0x0A;
    }
    if (f)
        fclose(f);
    return n;
}

static void test_tcp_is_tls(void)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    char answer[256];
    auto_free char *before = read_log();
    struct wanted open = {"listens on 127.0.0.1:7443", strlen(before)};
    struct wanted w = {"the client does not speak TLS (plain HTTP?)", strlen(before)};
    configure_tls(site_ca, peers);
    harness_start(&h, NULL);
    CHECK(harness_until(log_has, &open, WAIT_MS));
    CHECK_INT(count_listeners("/proc/net/tcp") + count_listeners("/proc/net/tcp6"), 1);
    auto_fd int fd = dial();
    CHECK_INT(send(fd, preface, sizeof(preface) - 1, MSG_NOSIGNAL), sizeof(preface) - 1);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t n = -1, sum = 0;
    while (poll(&p, 1, WAIT_MS) == 1 && (n = recv(fd, answer, sizeof(answer), 0)) > 0) {
        CHECK_INT(answer[0], 21); /* a TLS alert, no frame of HTTP/2's */
        sum += n;
    }
    CHECK_INT(n, 0);
    CHECK(sum <= 7);
    CHECK(harness_until(log_has, &w, WAIT_MS));
    check_known();
    CHECK_INT(harness_end(&h, SIGTERM), 0);
    /* Without the key there is no TCP at all. */
    write_text(conf, peers);
    harness_start(&h, NULL);
    CHECK_INT(count_listeners("/proc/net/tcp") + count_listeners("/proc/net/tcp6"), 0);
}

int main(int argc, char **argv)
{
    if (geteuid() != 0 || !harness_own_network())
        return check_skip("needs root to become other users and for a network of its own");
    harness_prepare(&h, argc > 1 ? argv[1] : "sim");
    snprintf(conf, sizeof(conf), "%s/bangerd.conf", h.dir);
    snprintf(site_ca, sizeof(site_ca), "%s/site.pem", h.dir);
    snprintf(server_pem, sizeof(server_pem), "%s/server.pem", h.dir);
    snprintf(server_key, sizeof(server_key), "%s/server.key", h.dir);
    /* Not below the state folder, which others do not pass. */
    snprintf(h.socket, sizeof(h.socket), "%s/r/bangerd.sock", h.dir);
    CHECK_INT(chmod(h.dir, 0711), 0);
    h.args[0] = "--config";
    h.args[1] = conf;
    RUN(test_check_config);
    RUN(test_roles_of_users);
    RUN(test_reload);
    RUN(test_reload_keeps_order);
    make_site();
    RUN(test_peers_by_name);
    RUN(test_reload_of_certificates);
    RUN(test_without_a_ca_this_machine_alone_is_served);
    RUN(test_tcp_is_tls);
    done_site();
    CHECK(harness_close(&h));
    return check_end();
}
