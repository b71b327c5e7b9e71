/* What a guest with a user's network reaches, and what does not outlive it: daemon/vmm/user_net.h,
 * net/main.c. In a network and a mount namespace of its own, whose addresses and resolver are the
 * test's. user_network_test qemu */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "daemon/model/dns.h"
#include "tests/support/check.h"
#include "tests/support/harness.h"
#include "tests/support/vm_steps.h"

#define OUTSIDE    "192.0.2.77"
#define OTHER      "198.51.100.9"
#define METADATA   "169.254.169.254"
#define HOST       "192.0.2.1"
#define LINK_LOCAL "169.254.7.7"

enum { PORT = 8080, OTHER_PORT = 8081, GONE_MS = 10000 };

static struct harness h;
static struct banger_client *client;
static char box_id[STEPS_ID_BYTES];

/* The surroundings */

static int serve_on(int type, const char *address, uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &addr.sin_addr) != 1 ||
        bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        (type == SOCK_STREAM && listen(fd, 16) < 0))
        harness_die(&h, "cannot serve at %s", address);
    return fd;
}

struct place {
    int type;
    const char *address;
    uint16_t port;
};

/* A resolver of a host's that tells what it likes: what leads inside, and what does not. */
static bool resolve(int fd, const uint8_t *packet, size_t n, const struct sockaddr_in *from)
{
    struct dns_question q;
    struct dns_answer a = {.code = DNS_NO_SUCH_NAME, .ttl_s = 5};
    uint8_t told[DNS_TOLD_BYTES];
    struct in_addr in;
    if (dns_question_read(packet, n, &q) != DNS_OK)
        return false;
    const char *leads[] = {OUTSIDE, "127.0.0.1", HOST, "10.9.9.9", "10.0.2.2", METADATA};
    size_t n_leads = strcmp(q.name, "www.example.org") == 0      ? 1
                     : strcmp(q.name, "inside.example.org") == 0 ? 6
                     : strcmp(q.name, "www.evil.example") == 0   ? 1
                                                                 : 0;
    for (size_t i = 0; i < n_leads; i++) {
        a.code = DNS_OK;
        if (inet_pton(AF_INET, n_leads > 1 ? leads[5 - i] : leads[i], &in) == 1)
            a.addresses[a.n++] = ntohl(in.s_addr);
    }
    size_t len = dns_answer_write(&q, &a, told);
    sendto(fd, told, len, 0, (const struct sockaddr *)from, sizeof(*from));
    return true;
}

/* Says its address to whoever comes, or sends; in a process of its own. */
static void serve(const struct place *places, size_t n)
{
    struct pollfd p[8];
    for (size_t i = 0; i < n; i++)
        p[i] = (struct pollfd){.events = POLLIN,
                               .fd = serve_on(places[i].type, places[i].address, places[i].port)};
    while (poll(p, n, -1) >= 0)
        for (size_t i = 0; i < n; i++) {
            char text[512];
            struct sockaddr_in from;
            socklen_t len = sizeof(from);
            if (!p[i].revents)
                continue;
            if (places[i].type == SOCK_DGRAM) {
                ssize_t got =
                    recvfrom(p[i].fd, text, sizeof(text), 0, (struct sockaddr *)&from, &len);
                if (got > 0 && !resolve(p[i].fd, (const uint8_t *)text, (size_t)got, &from))
                    sendto(p[i].fd, places[i].address, strlen(places[i].address), 0,
                           (struct sockaddr *)&from, len);
                continue;
            }
            int fd = accept(p[i].fd, NULL, NULL);
            dprintf(fd, "%s\n", places[i].address);
            close(fd);
        }
    _exit(1);
}

static void serve_the_host(void)
{
    static const struct place host[] = {{SOCK_STREAM, "127.0.0.1", PORT},
                                        {SOCK_STREAM, LINK_LOCAL, PORT},
                                        {SOCK_STREAM, HOST, PORT},
                                        {SOCK_DGRAM, "127.0.0.1", PORT},
                                        {SOCK_DGRAM, "127.0.0.53", DNS_PORT}};
    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    serve(host, sizeof(host) / sizeof(*host));
}

static void run(const char *command)
{
    if (system(command) != 0)
        exit(check_skip("no network of its own: apt install iproute2"));
}

/* The world outside is a network of its own, where a process of ours serves: at two addresses that
 * may be listed, and at one that clouds have. */
static void make_world(void)
{
    static const struct place world[] = {{SOCK_STREAM, OUTSIDE, PORT},
                                         {SOCK_STREAM, OUTSIDE, OTHER_PORT},
                                         {SOCK_DGRAM, OUTSIDE, PORT},
                                         {SOCK_STREAM, OTHER, PORT},
                                         {SOCK_STREAM, METADATA, PORT}};
    int there[2], ready[2];
    char byte = 0, command[512];
    if (pipe(there) < 0 || pipe(ready) < 0)
        exit(check_skip("no pipes"));
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (unshare(CLONE_NEWNET) < 0 || write(there[1], &byte, 1) < 0 ||
            read(ready[0], &byte, 1) != 1)
            _exit(1);
        serve(world, sizeof(world) / sizeof(*world));
    }
    close(there[1]);
    if (read(there[0], &byte, 1) != 1)
        exit(check_skip("no second network"));
    snprintf(command, sizeof(command),
             "ip link add world type veth peer name inner && ip link set inner netns %d && "
             "ip addr add " HOST "/24 dev world && ip link set world up && "
             "out() { nsenter --net=/proc/%d/ns/net -- \"$@\"; } && out ip link set lo up && "
             "out ip addr add " OUTSIDE "/24 dev inner && out ip addr add " OTHER
             "/32 dev inner && "
             "out ip addr add " METADATA "/32 dev inner && out ip link set inner up && "
             "ip route add default via " OUTSIDE,
             (int)pid, (int)pid);
    run(command);
    CHECK(write(ready[1], &byte, 1) == 1);
}

static void own_surroundings(void)
{
    static const char resolver[] = "nameserver 127.0.0.53\n";
    if (!harness_own_network() || unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        exit(check_skip("no namespaces of its own"));
    if (system("command -v passt >/dev/null") != 0)
        exit(check_skip("no passt: apt install passt"));
    run("ip addr add " LINK_LOCAL "/32 dev lo");
    make_world();
    char path[] = "/tmp/banger-resolv-XXXXXX";
    auto_fd int fd = mkstemp(path);
    if (fd < 0 || write(fd, resolver, sizeof(resolver) - 1) < 0 || fchmod(fd, 0644) < 0 ||
        mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0)
        exit(check_skip("no resolver of its own"));
    unlink(path);
}

/* passt and banger-net processes of this network: of this test, whose VMs nobody shares. */
static size_t count_processes(const char *name, pid_t *one)
{
    char own[64] = "", path[64], text[64];
    size_t n = 0;
    DIR *dir = opendir("/proc");
    struct dirent *d;
    ssize_t len = readlink("/proc/self/ns/net", own, sizeof(own) - 1);
    while (len > 0 && dir && (d = readdir(dir))) {
        snprintf(path, sizeof(path), "/proc/%.20s/ns/net", d->d_name);
        ssize_t got = readlink(path, text, sizeof(text) - 1);
        if (got != len || memcmp(text, own, (size_t)len) != 0)
            continue;
        snprintf(path, sizeof(path), "/proc/%.20s/comm", d->d_name);
        FILE *f = fopen(path, "re");
        bool is_it = f && fgets(text, sizeof(text), f) && strncmp(text, name, strlen(name)) == 0;
        if (f)
            fclose(f);
        if (is_it && one)
            *one = (pid_t)strtol(d->d_name, NULL, 10);
        n += is_it;
    }
    if (dir)
        closedir(dir);
    return n;
}

static bool none_left(void *arg)
{
    (void)arg;
    return count_processes("passt", NULL) == 0 && count_processes("banger-net", NULL) == 0;
}

static bool has_word(void *arg)
{
    auto_free char *log = NULL;
    return fs_read(h.log, 1 << 24, &log, NULL, NULL) == 0 && strstr(log, arg);
}

/* In the guest */

/* What answers there, "" where nothing does. */
static const char *ask(const char *protocol, const char *address, int port)
{
    static char got[256];
    char line[256];
    snprintf(
        line, sizeof(line),
        "exec 3<>/dev/%s/%s/%d && { [ %s = tcp ] || echo hi >&3; } && timeout 3 head -c 10 <&3",
        protocol, address, port, protocol);
    const char *const argv[] = {"timeout", "6", "bash", "-c", line, NULL};
    got[0] = '\0';
    steps_run(client, &h, "box", argv, NULL, 0, got, sizeof(got));
    got[strcspn(got, "\n")] = '\0';
    return strncmp(got, "bash:", 5) == 0 ? "" : got;
}

/* Who answers of those, in their order; asked all at once, as who does not answer takes long. */
static const char *ask_all(const char *places)
{
    static char got[1024];
    char line[1024];
    snprintf(line, sizeof(line),
             "{ for p in %s; do ( exec 3<>/dev/$p && { [ $p = ${p#udp} ] || echo hi >&3; } && read "
             "-r -N 1 -t 8 <&3 && echo $p ) 2>/dev/null & done; sleep 8; kill $(jobs -p); wait; } "
             "2>/dev/null | sort | tr '\\n' ' '",
             places);
    const char *const argv[] = {"bash", "-c", line, NULL};
    got[0] = '\0';
    steps_run(client, &h, "box", argv, NULL, 0, got, sizeof(got));
    return got;
}

#define TCP_OUTSIDE "tcp/" OUTSIDE "/8080 "
#define ALL_PLACES                                                                                 \
    TCP_OUTSIDE "tcp/" OUTSIDE "/8081 udp/" OUTSIDE "/8080 tcp/" OTHER "/8080 tcp/" METADATA       \
                "/8080 tcp/" HOST "/8080 tcp/" LINK_LOCAL "/8080 tcp/10.0.2.2/8080 "               \
                "udp/10.0.2.2/8080 udp/10.0.2.3/53"
#define ALL_REACHED                                                                                \
    "tcp/" OUTSIDE "/8080 tcp/" OUTSIDE "/8081 tcp/" OTHER "/8080 udp/10.0.2.3/53 udp/" OUTSIDE    \
    "/8080 "

/* Sends what is for the loopback's addresses to the host, as a guest's root may. */
static void point_loopback_out(void)
{
    static const char *const argv[] = {
        "sh", "-c",
        "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet && "
        "ip route del local 127.0.0.0/8 dev lo table local && "
        "ip route del local 127.0.0.1 dev lo table local; "
        "ip route add 127.0.0.0/8 via 10.0.2.2 dev eth0 src 10.0.2.15 && "
        "ip route get 127.0.0.1",
        NULL};
    char got[256];
    CHECK_INT(steps_run(client, &h, "box", argv, NULL, 0, got, sizeof(got)), 0);
    CHECK_CONTAINS(got, "via 10.0.2.2");
}

/* Bytes that have come to the guest, and that it has sent. */
static void passed(uint64_t *received, uint64_t *sent)
{
    struct banger_error error = {0};
    Banger__V1__GetVMStatsRequest request = BANGER__V1__GET_VMSTATS_REQUEST__INIT;
    request.vm = (char *)(uintptr_t) "box";
    Banger__V1__VMStats *s = banger_get_vm_stats(client, &request, NULL, &error);
    CHECK(s);
    *received = s ? s->network_received_bytes : 0;
    *sent = s ? s->network_sent_bytes : 0;
    banger_message_free(s ? &s->base : NULL);
}

static void test_what_passes_is_counted(void)
{
    uint64_t received[2], sent[2];
    passed(&received[0], &sent[0]);
    CHECK_STR(ask("udp", OUTSIDE, PORT), OUTSIDE); /* 14 + 20 + 8 bytes of heads, and the text */
    passed(&received[1], &sent[1]);
    CHECK(sent[1] - sent[0] >= 42 + 3 && sent[1] - sent[0] < 4096);
    CHECK(received[1] - received[0] >= 42 + strlen(OUTSIDE) && received[1] - received[0] < 4096);
}

/* More than its socket has room for passt would throw away and send again (vm_network.c). */
static void test_no_more_is_asked_for_than_passt_can_send(void)
{
    const char *const argv[] = {"ip", "route", "show", "default", NULL};
    char got[256];
    CHECK_INT(steps_run(client, &h, "box", argv, NULL, 0, got, sizeof(got)), 0);
    CHECK_CONTAINS(got, "window 65535");
}

static void test_it_reaches_the_world_and_no_loopback(void)
{
    CHECK_STR(ask("tcp", OUTSIDE, PORT), OUTSIDE);
    CHECK_STR(ask("udp", "10.0.2.3", DNS_PORT), "127.0.0.53"); /* the host's resolver */
    CHECK_STR(ask_all(ALL_PLACES), ALL_REACHED);
    point_loopback_out();
    CHECK_STR(ask_all("tcp/127.0.0.1/8080 udp/127.0.0.1/8080 udp/127.0.0.53/53 " TCP_OUTSIDE),
              TCP_OUTSIDE); /* still that */
}

/* An address that the host gets while the guest runs is its own from then on. */
static void test_the_hosts_addresses_are_followed(void)
{
    run("ip addr add " OTHER "/32 dev lo");
    CHECK_STR(ask_all("tcp/" OTHER "/8080 " TCP_OUTSIDE), TCP_OUTSIDE);
    run("ip addr del " OTHER "/32 dev lo");
    CHECK_STR(ask_all("tcp/" OTHER "/8080"), "tcp/" OTHER "/8080 ");
}

static int change_egress(Banger__V1__EgressMode mode, const char *entry, struct banger_error *error)
{
    Banger__V1__UpdateVMRequest request = BANGER__V1__UPDATE_VMREQUEST__INIT;
    Banger__V1__Egress egress = BANGER__V1__EGRESS__INIT;
    char *allow[] = {(char *)(uintptr_t)entry};
    request.vm = (char *)(uintptr_t) "box";
    request.egress = &egress;
    egress.mode = mode;
    egress.allow = allow;
    egress.n_allow = entry ? 1 : 0;
    return steps_finish(client, banger_update_vm(client, &request, NULL, error), error);
}

#define MODE(name) BANGER__V1__EGRESS_MODE__EGRESS_MODE_##name

/* Before the test that starts it again: a user's network has another policy from then on. */
static void test_a_list_waits_for_the_next_start(void)
{
    struct banger_error error = {0};
    CHECK_INT(change_egress(MODE(LIST), OUTSIDE ":8080/tcp", &error), 0);
    CHECK_STR(ask_all("tcp/" OTHER "/8080"), "tcp/" OTHER "/8080 ");
}

static void test_what_is_listed_is_reached(void)
{
    struct banger_error error = {0};
    CHECK_STR(ask_all(ALL_PLACES), TCP_OUTSIDE "udp/10.0.2.3/53 ");
    CHECK_INT(change_egress(MODE(NONE), NULL, &error), 0);
}

/* What the guest's resolver says, as its C library has it. */
static const char *look_up(const char *name)
{
    static char got[256];
    char line[128];
    snprintf(line, sizeof(line), "getent ahostsv4 %s | awk '/STREAM/ {print $1}' | tr '\\n' ' '",
             name);
    const char *const argv[] = {"timeout", "10", "sh", "-c", line, NULL};
    got[0] = '\0';
    steps_run(client, &h, "box", argv, NULL, 0, got, sizeof(got));
    return got;
}

/* A name opens what it leads to, where that is outside, and for as long as banger-net is there: the
 * daemon may come and go. */
static void test_listed_names_are_reached_and_lead_nowhere_inside(void)
{
    struct banger_error error = {0};
    CHECK_INT(change_egress(MODE(LIST), "*.Example.org:8080/tcp", &error), 0);
    CHECK_INT(steps_do(client, STEPS_RESTART, "box", &error), 0);
    CHECK_STR(ask_all(TCP_OUTSIDE "udp/10.0.2.3/53"), ""); /* nobody has asked for it */
    CHECK_STR(look_up("www.evil.example"), "");
    CHECK_STR(look_up("example.org"), "");
    CHECK_STR(look_up("WWW.example.org"), OUTSIDE " ");
    CHECK_STR(look_up("inside.example.org"), OUTSIDE " ");
    harness_crash(&h);
    CHECK_STR(ask_all("tcp/" OUTSIDE "/8081 tcp/" HOST "/8080 " TCP_OUTSIDE), TCP_OUTSIDE);
    CHECK_INT(change_egress(MODE(NONE), NULL, &error), 0);
}

static void test_the_network_outlives_the_daemon_and_not_the_vm(void)
{
    struct banger_error error = {0};
    harness_crash(&h);
    CHECK_STR(ask("tcp", OUTSIDE, PORT), OUTSIDE);
    CHECK_INT(count_processes("passt", NULL), 1);
    CHECK_INT(count_processes("banger-net", NULL), 1);
    CHECK_INT(steps_do(client, STEPS_STOP, "box", &error), 0);
    CHECK(harness_until(none_left, NULL, GONE_MS));
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), 0);
    CHECK_INT(count_processes("passt", NULL), 1);
    test_what_is_listed_is_reached();
    CHECK_INT(steps_do(client, STEPS_KILL, "box", &error), 0);
    CHECK(harness_until(none_left, NULL, GONE_MS));
}

static void test_a_network_that_ends_is_told_and_comes_back_with_a_start(void)
{
    struct banger_error error = {0};
    pid_t passt = 0;
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), 0);
    CHECK_STR(ask_all(ALL_PLACES), ""); /* as the test before has it: NONE */
    CHECK_INT(change_egress(MODE(ALL), NULL, &error), 0);
    CHECK_INT(count_processes("passt", &passt), 1);
    if (passt > 0)
        kill(passt, SIGKILL);
    CHECK(harness_until(none_left, NULL, GONE_MS));
    CHECK(harness_until(has_word, (void *)(uintptr_t) "network has ended", GONE_MS));
    CHECK_STR(ask("tcp", OUTSIDE, PORT), ""); /* and the agent is in reach */
    CHECK_INT(steps_do(client, STEPS_RESTART, "box", &error), 0);
    CHECK_STR(ask("tcp", OUTSIDE, PORT), OUTSIDE);
    CHECK_INT(steps_do(client, STEPS_STOP, "box", &error), 0);
}

/* A passt of ours, before the host's in PATH. */
static void put_passt(const char *script)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/bin", h.dir);
    CHECK(mkdir(path, 0755) == 0 || access(path, X_OK) == 0);
    snprintf(path, sizeof(path), "%s/bin/passt", h.dir);
    CHECK_INT(fs_write_atomic(path, script, strlen(script), 0755, NULL), 0);
}

static void start_with_own_passt(void)
{
    char path[4096];
    auto_free char *before = strdup(getenv("PATH"));
    snprintf(path, sizeof(path), "%s/bin:%s", h.dir, before);
    setenv("PATH", path, 1);
    harness_start(&h, NULL);
    setenv("PATH", before, 1);
}

/* Where somebody reads a FIFO there is its other end. */
static struct gate {
    char path[64];
    int fd;
} gate;

static bool gate_opens(void *arg)
{
    (void)arg;
    gate.fd = open(gate.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return gate.fd >= 0;
}

static void test_what_cannot_be_counted_in_is_named(void)
{
    struct banger_error error = {0};
    char path[128];
    snprintf(path, sizeof(path), "%s/vms/%s/net.counts", h.state, box_id);
    CHECK_INT(mkdir(path, 0700), 0);
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), -1);
    CHECK_STR(error.reason, "NETWORK_UNAVAILABLE");
    CHECK_CONTAINS(error.message, "no way out for its guest: banger-net: cannot write ");
    CHECK_CONTAINS(error.message, path);
    CHECK(none_left(NULL));
    CHECK_INT(rmdir(path), 0);
}

static void test_one_that_does_not_start_is_named_with_its_words(void)
{
    struct banger_error error = {0};
    harness_end(&h, SIGTERM);
    put_passt("#!/bin/sh\necho the moon is in the way >&2\nexit 3\n");
    start_with_own_passt();
    CHECK_INT(steps_do(client, STEPS_START, "box", &error), -1);
    CHECK_CONTAINS(error.message, "passt does not start (code 3): the moon is in the way");
    CHECK(none_left(NULL));
}

static void test_a_daemon_killed_while_one_starts_leaves_none(void)
{
    struct banger_error error = {0};
    char script[512];
    harness_end(&h, SIGTERM);
    snprintf(gate.path, sizeof(gate.path), "%s/gate", h.dir);
    CHECK_INT(mkfifo(gate.path, 0600), 0);
    snprintf(script, sizeof(script),
             "#!/bin/sh\nread -r line <%s\nPATH=${PATH#*:}\nexec passt \"$@\"\n", gate.path);
    put_passt(script);
    start_with_own_passt();
    Banger__V1__Operation *op = steps_begin(client, STEPS_START, "box", NULL, &error);
    CHECK(op);
    CHECK(harness_until(gate_opens, NULL, GONE_MS));
    CHECK_INT(count_processes("banger-net", NULL), 1);
    harness_end(&h, SIGKILL);
    CHECK(write(gate.fd, "\n", 1) == 1);
    close(gate.fd);
    CHECK(harness_until(none_left, NULL, GONE_MS));
    banger_message_free(op ? &op->base : NULL);
    put_passt("#!/bin/sh\nPATH=${PATH#*:}\nexec passt \"$@\"\n");
    start_with_own_passt();
    CHECK(steps_await_vm(&h, client, "box", VM_STATE(RUNNING), HARNESS_OP_MS));
    CHECK_STR(ask("tcp", OUTSIDE, PORT), OUTSIDE);
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
    CHECK(harness_until(none_left, NULL, GONE_MS));
}

/* What the other tests would not see, were it not for passt and banger-net. */
static void test_slirp_is_as_open_as_it_says(void)
{
    struct banger_error error = {0};
    char id[STEPS_ID_BYTES];
    harness_end(&h, SIGTERM);
    h.args[0] = "--user-network=slirp";
    harness_start(&h, NULL);
    CHECK_INT(steps_create_vm(client, &h, &(struct steps_create){.name = "box"}, id, &error), 0);
    CHECK(none_left(NULL));
    CHECK_STR(ask("tcp", OUTSIDE, PORT), OUTSIDE);
    CHECK_STR(ask("tcp", "10.0.2.2", PORT), "127.0.0.1");
    CHECK_INT(change_egress(MODE(LIST), OUTSIDE, &error), -1);
    CHECK_STR(error.reason, "EGRESS_UNAVAILABLE");
    CHECK_CONTAINS(error.message, "needs passt");
    CHECK_INT(change_egress(MODE(NONE), NULL, &error), 0);
    CHECK_INT(steps_do(client, STEPS_RESTART, "box", &error), 0);
    CHECK_STR(ask_all(ALL_PLACES), "");
    CHECK_INT(steps_do(client, STEPS_DELETE, "box", &error), 0);
}

int main(int argc, char **argv)
{
    struct banger_error error = {0};
    own_surroundings();
    serve_the_host();
    harness_open(&h, argc > 1 ? argv[1] : "qemu");
    client = harness_connect(&h);
    CHECK_INT(steps_create_vm(client, &h, &(struct steps_create){.name = "box"}, box_id, &error),
              0);
    RUN(test_what_passes_is_counted);
    RUN(test_no_more_is_asked_for_than_passt_can_send);
    RUN(test_it_reaches_the_world_and_no_loopback);
    RUN(test_the_hosts_addresses_are_followed);
    RUN(test_listed_names_are_reached_and_lead_nowhere_inside);
    CHECK_INT(change_egress(MODE(ALL), NULL, &error), 0);
    CHECK_INT(steps_do(client, STEPS_RESTART, "box", &error), 0);
    RUN(test_a_list_waits_for_the_next_start);
    RUN(test_the_network_outlives_the_daemon_and_not_the_vm);
    RUN(test_a_network_that_ends_is_told_and_comes_back_with_a_start);
    RUN(test_what_cannot_be_counted_in_is_named);
    RUN(test_one_that_does_not_start_is_named_with_its_words);
    RUN(test_a_daemon_killed_while_one_starts_leaves_none);
    RUN(test_slirp_is_as_open_as_it_says);
    banger_close(client);
    CHECK(harness_close(&h));
    return check_end();
}
