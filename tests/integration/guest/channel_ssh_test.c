/* What is the SSH channel's own: keys, the agent's way into the guest, and what a hostile server
 * may do, which ends that channel and nothing else. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/guest/channel.h"
#include "tests/support/check.h"
#include "tests/support/sshd.h"

enum {
    DEADLINE_MS = 60000,
    WAIT_MS = 40000,
    HELPER_MAX_MIB = 220, /* a sanitizer's share included */
};

static struct {
    struct loop *loop;
    struct timer deadline;
    struct sshd sshd;
    struct channel_ssh_config ssh;
    struct channel_config config;
    struct channel *c;
    char got[4096];
    bool over, timed_out;
    struct err why;
    char seen[SSH_HOST_KEY_BYTES]; /* of the latest channel */
    bool refused;
} t;

static void saw_host_key(void *arg, const char *host_key, bool refused)
{
    (void)arg;
    snprintf(t.seen, sizeof(t.seen), "%s", host_key);
    t.refused = refused;
}

static void on_deadline(void *arg)
{
    (void)arg;
    t.timed_out = true;
    loop_stop(t.loop);
}

static void begin(void)
{
    memset(&t, 0, sizeof(t));
    t.loop = loop_new(NULL);
    timer_init(&t.deadline, t.loop, on_deadline, NULL);
    if (sshd_begin(&t.sshd) < 0)
        exit(77);
    t.ssh = (struct channel_ssh_config){.program = BANGER_SSH_FILE,
                                        .user = t.sshd.user,
                                        .key = t.sshd.key,
                                        .agent = TEST_AGENT,
                                        .saw_host_key = saw_host_key,
                                        .folder = t.sshd.folder,
                                        .no_system = true};
    t.config = (struct channel_config){
        .kind = &channel_ssh, .port = t.sshd.port, .ssh = &t.ssh, .open_ms = WAIT_MS};
}

static void end(void)
{
    channel_close(t.c);
    sshd_end_agent(&t.sshd);
    sshd_end(&t.sshd);
    timer_done(&t.deadline);
    loop_free(t.loop);
}

static void run(void)
{
    timer_start(&t.deadline, DEADLINE_MS);
    loop_run(t.loop, NULL);
    timer_stop(&t.deadline);
    CHECK(!t.timed_out);
}

static void close_channel(void)
{
    channel_close(t.c);
    t.c = NULL;
}

/* Until it has shaken hands. An agent whose keeper has just started it may ask for a hello then:
 * zeros. */
static bool t_open;

static void on_open(void *arg, int events)
{
    (void)arg;
    t_open |= events & WATCH_WRITE;
    if (events & WATCH_READ && channel_recv(t.c, t.got, sizeof(t.got), &t.why) < 0) {
        t.over = true;
        t_open = false;
    }
    if (t_open || t.over)
        loop_stop(t.loop);
}

/* True: the agent has been reached; else t.why. */
static bool reach(void)
{
    struct err err = ERR_INIT;
    t_open = t.over = t.refused = false;
    t.seen[0] = '\0';
    t.why = (struct err)ERR_INIT;
    t.c = t.config.kind->open(t.loop, &t.config, on_open, NULL, &err);
    if (!CHECK(t.c != NULL))
        return false;
    channel_want(t.c, WATCH_READ | WATCH_WRITE);
    int pidfd = sshd_serve_one(&t.sshd);
    if (CHECK(pidfd >= 0))
        close(pidfd);
    run();
    bool reached = t_open && !t.over;
    close_channel();
    return reached;
}

/* How many files of the agent the guest has. */
static unsigned agents(char name[300])
{
    unsigned n = 0;
    DIR *dir = opendir(t.sshd.folder);
    struct dirent *e;
    while (dir && (e = readdir(dir)))
        if (strncmp(e->d_name, "banger-agent-", 13) == 0) {
            snprintf(name, 300, "%s/%s", t.sshd.folder, e->d_name);
            n++;
        }
    if (dir)
        closedir(dir);
    return n;
}

static void test_the_agent_is_brought_once_and_lives_on(void)
{
    char name[300], again[300];
    struct stat first, second, sock;
    begin();
    CHECK(reach());
    CHECK_INT(agents(name), 1);
    CHECK_INT(stat(name, &first), 0);
    CHECK_INT(first.st_mode & 07777, 0700);
    snprintf(again, sizeof(again), "%s/agent.sock", t.sshd.folder);
    CHECK_INT(stat(again, &sock), 0);
    ino_t before = sock.st_ino;
    CHECK(reach());
    CHECK_INT(stat(name, &second), 0);
    CHECK_INT(second.st_ino, first.st_ino);
    CHECK_INT(stat(again, &sock), 0);
    CHECK_INT(sock.st_ino, before); /* the same agent listens */
    end();
}

static void test_another_version_takes_the_place_of_the_file(void)
{
    char name[300], other[300], copy[64], *data = NULL;
    size_t len = 0;
    begin();
    CHECK(reach());
    CHECK_INT(agents(name), 1);
    snprintf(copy, sizeof(copy), "%s/agent", t.sshd.dir);
    CHECK_INT(fs_read(TEST_AGENT, 64 << 20, &data, &len, NULL), 0);
    FILE *f = fopen(copy, "we");
    CHECK(f && fwrite(data, 1, len, f) == len && fputc('\n', f) != EOF && fclose(f) == 0);
    free(data);
    t.ssh.agent = copy;
    CHECK(reach());
    CHECK_INT(agents(other), 1);
    CHECK(strcmp(name, other) != 0);
    end();
}

static void test_a_copy_that_was_cut_off_is_not_run(void)
{
    char name[300], temp[310];
    struct stat st, whole;
    begin();
    CHECK(reach());
    CHECK_INT(agents(name), 1);
    sshd_end_agent(&t.sshd);
    snprintf(temp, sizeof(temp), "%s.new", name);
    CHECK_INT(unlink(name), 0);
    CHECK_INT(fs_write_scratch(name, "#!/bin/sh\n", 10, 0700, NULL), 0); /* of another size */
    CHECK_INT(fs_write_scratch(temp, "half", 4, 0700, NULL), 0);
    CHECK(reach());
    CHECK_INT(agents(name), 1);
    CHECK_INT(stat(name, &st), 0);
    CHECK_INT(stat(TEST_AGENT, &whole), 0);
    CHECK_INT(st.st_size, whole.st_size);
    end();
}

static void test_another_host_key_is_refused(void)
{
    begin();
    CHECK(reach());
    CHECK(!t.refused);
    CHECK_CONTAINS(t.seen, "ssh-ed25519 SHA256:");
    snprintf(t.ssh.host_key, sizeof(t.ssh.host_key), "%s", t.seen);
    CHECK(reach()); /* the same */
    sshd_change_host_key(&t.sshd);
    CHECK(!reach());
    CHECK(t.refused);
    CHECK(strcmp(t.seen, t.ssh.host_key) != 0);
    CHECK_INT(t.why.code, ERR_UNAUTHENTICATED);
    CHECK_CONTAINS(t.why.message, "host key has changed");
    CHECK_CONTAINS(t.why.message, t.seen);
    CHECK_CONTAINS(t.why.message, t.ssh.host_key);
    snprintf(t.ssh.host_key, sizeof(t.ssh.host_key), "%s", t.seen);
    CHECK(reach());
    end();
}

static void test_a_key_that_the_guest_does_not_trust(void)
{
    char command[300], other[64];
    begin();
    snprintf(other, sizeof(other), "%s/other", t.sshd.dir);
    snprintf(command, sizeof(command), "ssh-keygen -q -t ed25519 -N '' -f %s", other);
    CHECK_INT(system(command), 0);
    t.ssh.key = other;
    CHECK(!reach());
    CHECK_CONTAINS(t.why.message, "authorized_keys");
    t.ssh.key = "/nonexistent";
    CHECK(!reach());
    CHECK_CONTAINS(t.why.message, "cannot read the SSH key");
    end();
}

static void test_a_folder_that_others_write_to_is_refused(void)
{
    begin();
    CHECK_INT(chmod(t.sshd.folder, 0777), 0);
    CHECK(!reach());
    CHECK_CONTAINS(t.why.message, "is no folder that only user");
    end();
}

/* Connections that others make ------------------------------------------------------------------
 */

static struct {
    struct timer later;
    channel_dialed_fn *done;
    void *arg;
    bool fails;
    unsigned hung_up;
} d;

static void on_later(void *arg)
{
    struct err err = ERR_INIT;
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(t.sshd.port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    (void)arg;
    int fd = -1;
    if (d.fails)
        err_set(&err, ERR_UNAVAILABLE, "no way there");
    else if ((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
             connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        CHECK(false);
    d.done(d.arg, fd, fd < 0 ? &err : NULL);
}

static int dial(void *arg, channel_dialed_fn *done, void *done_arg, struct err *err)
{
    (void)arg, (void)err;
    d.done = done;
    d.arg = done_arg;
    timer_start(&d.later, 1);
    return 0;
}

static void hang_up(void *arg)
{
    (void)arg;
    d.hung_up++;
    timer_stop(&d.later);
}

static void test_a_connection_that_another_makes(void)
{
    struct err err = ERR_INIT;
    begin();
    memset(&d, 0, sizeof(d));
    CHECK_INT(timer_init(&d.later, t.loop, on_later, NULL), 0);
    t.ssh.dial = dial;
    t.ssh.hang_up = hang_up;
    sshd_serve(&t.sshd);
    t_open = t.over = false;
    t.c = t.config.kind->open(t.loop, &t.config, on_open, NULL, &err);
    CHECK(t.c != NULL);
    channel_want(t.c, WATCH_READ | WATCH_WRITE);
    run();
    CHECK(t_open && !t.over);
    close_channel();
    CHECK_INT(d.hung_up, 0);
    t.c = t.config.kind->open(t.loop, &t.config, on_open, NULL, &err);
    CHECK(t.c != NULL);
    close_channel(); /* before it is there */
    CHECK_INT(d.hung_up, 1);
    d.fails = true;
    t_open = t.over = false;
    t.c = t.config.kind->open(t.loop, &t.config, on_open, NULL, &err);
    CHECK(t.c != NULL);
    channel_want(t.c, WATCH_READ | WATCH_WRITE);
    run();
    CHECK(t.over && !t_open);
    CHECK_CONTAINS(t.why.message, "no way there");
    timer_done(&d.later);
    end();
}

/* Hostile servers ------------------------------------------------------------------------------ */

/* In a process of its own, with the connection as fd. */
typedef void hostile_fn(int fd);

static void say_nothing(int fd)
{
    (void)fd;
    pause();
}

static void close_at_once(int fd)
{
    close(fd);
}

static void send_all(int fd, const void *data, size_t len)
{
    (void)!send(fd, data, len, MSG_NOSIGNAL);
}

static void not_ssh(int fd)
{
    send_all(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    pause();
}

static void endless_banner(int fd)
{
    char line[1024];
    memset(line, 'x', sizeof(line));
    while (send(fd, line, sizeof(line), MSG_NOSIGNAL) > 0)
        continue;
}

static void greet(int fd)
{
    send_all(fd, "SSH-2.0-OpenSSH_9.2p1\r\n", 23);
}

static void giant_packet(int fd)
{
    greet(fd);
    static const uint8_t packet[] = {0xff, 0xff, 0xff, 0xff, 4, 20, 0, 0};
    send_all(fd, packet, sizeof(packet));
    pause();
}

static void empty_packets(int fd)
{
    greet(fd);
    static const uint8_t packet[16] = {0, 0, 0, 12, 10, 20};
    while (send(fd, packet, sizeof(packet), MSG_NOSIGNAL) > 0)
        continue;
}

/* SSH_MSG_KEXINIT whose lists are longer than the packet. */
static void lying_kex(int fd)
{
    greet(fd);
    uint8_t packet[64] = {0, 0, 0, 60, 10, 20};
    memset(packet + 22, 0xff, 4);
    send_all(fd, packet, sizeof(packet));
    pause();
}

static void random_bytes(int fd)
{
    greet(fd);
    unsigned x = 4711;
    for (;;) {
        uint8_t bytes[512];
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)((x = x * 1103515245 + 12345) >> 16);
        if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) <= 0)
            return;
    }
}

static void a_byte_a_second(int fd)
{
    for (const char *c = "SSH-2.0-slow as can be"; *c; c++) {
        send_all(fd, c, 1);
        sleep(1); /* it is slow: that is the test's subject */
    }
}

static void check_hostile(const char *name, hostile_fn *server, int64_t open_ms)
{
    struct err err = ERR_INIT;
    t.config.open_ms = open_ms;
    t_open = t.over = false;
    t.c = t.config.kind->open(t.loop, &t.config, on_open, NULL, &err);
    if (!CHECK(t.c != NULL))
        return;
    channel_want(t.c, WATCH_READ | WATCH_WRITE);
    int fd = accept4(t.sshd.listen_fd, NULL, NULL, SOCK_CLOEXEC);
    pid_t pid = fork();
    if (pid == 0) {
        close(t.sshd.listen_fd);
        server(fd);
        _exit(0);
    }
    close(fd);
    int64_t begun_ms = clock_mono_ms();
    run();
    if (!CHECK(t.over && !t_open) || !CHECK(clock_mono_ms() - begun_ms < open_ms + 5000))
        fprintf(stderr, "  (%s: %s)\n", name, t.why.message);
    CHECK(t.why.message[0] != '\0');
    CHECK(!channel_is_alive(t.c));
    close_channel();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_a_hostile_server_ends_its_channel_alone(void)
{
    begin();
    check_hostile("says nothing", say_nothing, 1000);
    check_hostile("hangs up", close_at_once, WAIT_MS);
    check_hostile("is no SSH server", not_ssh, 3000);
    check_hostile("greets for ever", endless_banner, 3000);
    check_hostile("a packet of 4 GiB", giant_packet, 3000);
    check_hostile("packets for ever", empty_packets, 3000);
    check_hostile("lists longer than the packet", lying_kex, 3000);
    check_hostile("noise", random_bytes, 3000);
    check_hostile("a byte a second", a_byte_a_second, 3000);
    t.config.open_ms = WAIT_MS;
    CHECK(reach()); /* and an honest one is as good as ever */
    end();
}

/* Those that let us in, and lie then: scripts in the place of the SFTP server. */
static const char version[] = "printf '\\0\\0\\0\\005\\002\\0\\0\\0\\003'\n";

static const struct {
    const char *name, *script;
    bool greets; /* with the version that is expected */
} liars[] = {
    {"says nothing", "exec sleep 100", false},
    {"hangs up", "exit 0", false},
    {"a packet of 4 GiB", "printf '\\377\\377\\377\\377\\002\\0\\0'; exec sleep 100", false},
    {"zeros for ever", "exec cat /dev/zero", false},
    {"noise", "exec cat /dev/urandom", false},
    {"no answer", "exec sleep 100", true},
    {"noise for an answer", "exec cat /dev/urandom", true},
    {"half a packet", "printf '\\0\\0\\1\\0\\145'; exec sleep 100", true},
    {"an answer to nothing that was asked, for ever",
     "while printf '\\0\\0\\0\\005\\145\\143\\143\\143\\143'; do :; done", true},
    {"a packet of 251 MiB, zeros", "printf '\\017\\0\\0\\0\\145'; exec cat /dev/zero", true},
};

/* What ran most of memory of those that have ended, in MiB. */
static long worst_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return usage.ru_maxrss / 1024;
}

static void check_liar(size_t i)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/lies", t.sshd.dir);
    unlink(path);
    FILE *f = fopen(path, "we");
    CHECK(f &&
          fprintf(f, "#!/bin/sh\ncd %s\n%s%s\n", t.sshd.dir, liars[i].greets ? version : "",
                  liars[i].script) > 0 &&
          fclose(f) == 0 && chmod(path, 0700) == 0);
    sshd_lie(&t.sshd, path, NULL);
    int64_t begun_ms = clock_mono_ms();
    if (!CHECK(!reach()) || !CHECK(clock_mono_ms() - begun_ms < t.config.open_ms + 5000) ||
        !CHECK(t.why.message[0] != '\0'))
        fprintf(stderr, "  (%s: %s)\n", liars[i].name, t.why.message);
}

static void test_a_server_that_lies_once_we_are_in(void)
{
    begin();
    for (size_t i = 0; i < sizeof(liars) / sizeof(*liars); i++) {
        t.config.open_ms = liars[i].greets ? 4000 : 2000;
        check_liar(i);
    }
    t.config.open_ms = WAIT_MS;
    sshd_lie(&t.sshd, NULL, NULL);
    CHECK(reach());
    CHECK(worst_mib() < HELPER_MAX_MIB);
    printf("     at most %ld MiB\n", worst_mib());
    end();
}

/* What claims to speak for it is not believed either. */
static void check_program(const char *script, const char *words)
{
    char path[64];
    struct err err = ERR_INIT;
    snprintf(path, sizeof(path), "%s/program", t.sshd.dir);
    unlink(path);
    FILE *f = fopen(path, "we");
    CHECK(f && fprintf(f, "#!/bin/sh\n%s\n", script) > 0 && fclose(f) == 0);
    CHECK_INT(chmod(path, 0700), 0);
    t.ssh.program = path;
    t_open = t.over = false;
    t.c = t.config.kind->open(t.loop, &t.config, on_open, NULL, &err);
    if (!CHECK(t.c != NULL))
        return;
    channel_want(t.c, WATCH_READ | WATCH_WRITE);
    close(accept4(t.sshd.listen_fd, NULL, NULL, SOCK_CLOEXEC));
    run();
    CHECK(t.over && !t_open);
    CHECK_CONTAINS(t.why.message, words);
    close_channel();
}

static void test_an_answer_is_one_short_line(void)
{
    begin();
    t.config.open_ms = 2000;
    check_program("exit 1", "without a word");
    check_program("echo ERR no luck", "no luck");
    check_program("echo OKAY", "nonsense");
    check_program("yes x | tr -d '\\n'", "nonsense");
    check_program("echo OK", "nonsense");
    check_program("echo OK ssh-ed25519", "nonsense");
    check_program("echo CHANGED ssh-ed25519 SHA256:a b", "nonsense");
    check_program("printf 'OK x SHA256:y'; exec sleep 100", "not come so far");
    snprintf(t.ssh.host_key, sizeof(t.ssh.host_key), "ssh-ed25519 SHA256:a");
    check_program("echo OK ssh-ed25519 SHA256:b", "nonsense");
    check_program("echo CHANGED ssh-ed25519 SHA256:a", "nonsense");
    check_program("echo CHANGED ssh-ed25519 SHA256:b", "has changed");
    end();
}

int main(void)
{
    RUN(test_the_agent_is_brought_once_and_lives_on);
    RUN(test_another_version_takes_the_place_of_the_file);
    RUN(test_a_copy_that_was_cut_off_is_not_run);
    RUN(test_another_host_key_is_refused);
    RUN(test_a_connection_that_another_makes);
    RUN(test_a_key_that_the_guest_does_not_trust);
    RUN(test_a_folder_that_others_write_to_is_refused);
    RUN(test_a_hostile_server_ends_its_channel_alone);
    RUN(test_a_server_that_lies_once_we_are_in);
    RUN(test_an_answer_is_one_short_line);
    return check_end();
}
