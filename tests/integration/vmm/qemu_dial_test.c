/* Ways into guests of qemu's user network, with a real qemu whose guest never runs: what listens on
 * this host, and for how long. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "daemon/vmm/qemu_dial.h"
#include "daemon/vmm/qmp.h"
#include "tests/support/check.h"

enum { WAIT_MS = 30000 };

static struct {
    struct loop *loop;
    struct timer deadline;
    struct qmp qmp;
    struct qemu_dial dial;
    char path[64];
    pid_t qemu;
    int fd;
    unsigned dones;
    struct err why;
    char words[4096]; /* of its monitor */
    bool late;
} t;

static void on_deadline(void *arg)
{
    (void)arg;
    t.late = true;
    loop_stop(t.loop);
}

static void run(void)
{
    timer_start(&t.deadline, WAIT_MS);
    loop_run(t.loop, NULL);
    timer_stop(&t.deadline);
    CHECK(!t.late);
}

static void on_up(void *arg)
{
    (void)arg;
    loop_stop(t.loop);
}

static void on_event(void *arg, const char *name, const json_t *data)
{
    (void)arg, (void)name, (void)data;
}

static const struct qmp_events events = {.up = on_up, .event = on_event};

static void begin(void)
{
    char qmp[128];
    memset(&t, 0, sizeof(t));
    snprintf(t.path, sizeof(t.path), "/tmp/banger-dial-%d.sock", (int)getpid());
    snprintf(qmp, sizeof(qmp), "unix:%s,server=on,wait=off", t.path);
    t.qemu = fork();
    if (t.qemu == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("qemu-system-x86_64", "qemu-system-x86_64", "-M", "microvm", "-accel", "tcg", "-m",
               "64M", "-nodefaults", "-display", "none", "-S", "-qmp", qmp, "-netdev",
               "user,id=net0", "-device", "virtio-net-device,netdev=net0", (char *)NULL);
        _exit(127);
    }
    t.loop = loop_new(NULL);
    CHECK(timer_init(&t.deadline, t.loop, on_deadline, NULL) == 0);
    CHECK(qmp_init(&t.qmp, t.loop, t.path, &events, NULL) == 0);
    qemu_dial_init(&t.dial, &t.qmp);
    qmp_open(&t.qmp);
    run();
}

static void end(void)
{
    qmp_close(&t.qmp);
    qmp_done(&t.qmp);
    timer_done(&t.deadline);
    loop_free(t.loop);
    kill(t.qemu, SIGKILL);
    waitpid(t.qemu, NULL, 0);
    unlink(t.path);
}

static void on_words(void *arg, const json_t *value, const struct err *err)
{
    (void)arg;
    snprintf(t.words, sizeof(t.words), "%s", err ? err->message : json_string_value(value));
    loop_stop(t.loop);
}

static const char *ask(const char *line)
{
    json_t *args = json_pack("{s:s}", "command-line", line);
    CHECK_INT(qmp_call(&t.qmp, "human-monitor-command", args, WAIT_MS, on_words, NULL, NULL), 0);
    run();
    return t.words;
}

static void on_dialed(void *arg, int fd, const struct err *err)
{
    (void)arg;
    t.fd = fd;
    t.dones++;
    if (err)
        t.why = *err;
    loop_stop(t.loop);
}

static bool is_open(unsigned port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool open = connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0;
    close(fd);
    return open;
}

static unsigned peer_port(int fd)
{
    struct sockaddr_in addr;
    socklen_t len = sizeof(addr);
    return getpeername(fd, (struct sockaddr *)&addr, &len) == 0 ? ntohs(addr.sin_port) : 0;
}

static void test_nothing_listens_but_for_the_moment_of_connecting(void)
{
    struct err err = ERR_INIT;
    begin();
    CHECK(!strstr(ask("info usernet"), "HOST_FORWARD"));
    for (int i = 0; i < 3; i++) {
        CHECK_INT(qemu_dial_start(&t.dial, 22, on_dialed, NULL, &err), 0);
        run();
        if (!CHECK(t.fd >= 0)) {
            fprintf(stderr, "     %s\n", t.why.message);
            break;
        }
        unsigned port = peer_port(t.fd);
        CHECK(port != 0 && !is_open(port));
        CHECK(!strstr(ask("info usernet"), "HOST_FORWARD"));
        CHECK_CONTAINS(t.words, "10.0.2.15"); /* the connection, which goes on */
        close(t.fd);
    }
    CHECK_INT(t.dones, 3);
    end();
}

/* As a daemon that was killed in that moment leaves one. */
static void test_what_was_left_open_is_closed(void)
{
    struct err err = ERR_INIT;
    bool listening = false;
    unsigned old = 0;
    begin();
    CHECK_STR(ask("hostfwd_add net0 tcp:127.0.0.1:0-:22"), "");
    for (const char *line = ask("info usernet"); line && !old; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!qemu_dial_parse(line, &listening, &old))
            old = 0;
    }
    CHECK(listening && old != 0 && is_open(old));
    CHECK_INT(qemu_dial_start(&t.dial, 22, on_dialed, NULL, &err), 0);
    run();
    CHECK(t.fd >= 0);
    CHECK(!is_open(old));
    CHECK(!strstr(ask("info usernet"), "HOST_FORWARD"));
    close(t.fd);
    end();
}

static void test_one_that_is_forgotten_closes_what_it_opened(void)
{
    struct err err = ERR_INIT;
    begin();
    CHECK_INT(qemu_dial_start(&t.dial, 22, on_dialed, NULL, &err), 0);
    CHECK_INT(qemu_dial_start(&t.dial, 22, on_dialed, NULL, &err), -1);
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    qemu_dial_cancel(&t.dial);
    for (int i = 0; i < 1000 && t.dial.busy; i++)
        ask("info usernet");
    CHECK(!t.dial.busy);
    CHECK_INT(t.dones, 0);
    CHECK(!strstr(ask("info usernet"), "HOST_FORWARD"));
    end();
}

static void test_the_end_of_qemu_ends_it(void)
{
    struct err err = ERR_INIT;
    begin();
    CHECK_INT(qemu_dial_start(&t.dial, 22, on_dialed, NULL, &err), 0);
    kill(t.qemu, SIGKILL);
    t.fd = 0;
    run();
    CHECK_INT(t.fd, -1);
    CHECK(t.why.message[0] != '\0');
    end();
}

static void test_what_is_no_line_of_a_forward(void)
{
    bool listening;
    unsigned port;
    CHECK(
        qemu_dial_parse("  TCP[HOST_FORWARD]  12       127.0.0.1 45381       10.0.2.15    22  0 0",
                        &listening, &port));
    CHECK(listening);
    CHECK_INT(port, 45381);
    CHECK(qemu_dial_parse("  TCP[SYN_SENT]  12       127.0.0.1 45381       10.0.2.15    22  0 0",
                          &listening, &port));
    CHECK(!listening);
    CHECK(
        !qemu_dial_parse("  UDP[236 sec]  9  10.0.2.15 41000  10.0.2.3 53 0 0", &listening, &port));
    CHECK(!qemu_dial_parse("  TCP[ESTABLISHED]  9  10.0.2.15 41000  1.2.3.4 53 0 0", &listening,
                           &port));
    CHECK(!qemu_dial_parse("Hub -1 (net0):", &listening, &port));
    CHECK(!qemu_dial_parse("TCP[HOST_FORWARD] x 127.0.0.1 99999", &listening, &port));
    CHECK(!qemu_dial_parse("", &listening, &port));
}

int main(void)
{
    if (system("qemu-system-x86_64 -version >/dev/null 2>&1") != 0) {
        fprintf(stderr, "qemu-system-x86_64 is not installed\n");
        return 77;
    }
    RUN(test_nothing_listens_but_for_the_moment_of_connecting);
    RUN(test_what_was_left_open_is_closed);
    RUN(test_one_that_is_forgotten_closes_what_it_opened);
    RUN(test_the_end_of_qemu_ends_it);
    RUN(test_what_is_no_line_of_a_forward);
    return check_end();
}
