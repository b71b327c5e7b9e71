/* "auth init" and the TCP listener: what fails leaves nothing that listens, and certificates are
 * renewed in their time. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/cleanup.h"
#include "tests/unit/core/access_world.h"

#ifdef BANGER_FAULTS

static bool exists(const char *file)
{
    char path[160];
    file_of(path, file);
    return access(path, F_OK) == 0;
}

static const char *address(void)
{
    static struct access_status status;
    access_status(&core, &status);
    return status.address;
}

/* A socket on 127.0.0.1; port 0: any. -1: taken. */
static int listen_on(uint16_t port, char text[32])
{
    struct sockaddr_in on = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(on);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    on.sin_port = htons(port);
    if (bind(fd, (struct sockaddr *)&on, sizeof(on)) < 0 || listen(fd, 1) < 0) {
        close(fd);
        return -1;
    }
    CHECK_INT(getsockname(fd, (struct sockaddr *)&on, &len), 0);
    snprintf(text, 32, "127.0.0.1:%u", ntohs(on.sin_port));
    return fd;
}

static bool is_free(const char *at)
{
    char text[32];
    auto_fd int fd = listen_on((uint16_t)atoi(strchr(at, ':') + 1), text);
    return fd >= 0;
}

static void test_an_init_that_fails_leaves_nothing_listening(void)
{
    char text[32], path[160];
    struct err err = ERR_INIT;
    struct ended e = init("nowhere");
    CHECK_INT(e.err.code, ERR_INVALID);
    int taken = listen_on(0, text);
    e = init(text);
    CHECK_CONTAINS(e.err.message, "Address already in use");
    CHECK(!exists("ca.pem")); /* nothing was made for it */
    close(taken);
    /* The address cannot be kept: that is the last thing, after certificates. */
    file_of(path, "listen");
    CHECK_INT(fs_make_dirs(path, 0700, &err), 0);
    e = init(text);
    CHECK(e.calls == 1 && e.err.code != ERR_NONE);
    CHECK_STR(address(), "");
    CHECK(is_free(text));
    CHECK(access_pki(&core) == NULL);
    CHECK_INT(rmdir(path), 0);
    /* A restart finds nothing to listen on either. */
    close_core();
    open_core();
    access_prepare(&core, "", &(struct access_files){.ca = ""});
    access_open(&core);
    e = init("");
    CHECK_INT(e.err.code, ERR_NONE);
    CHECK_STR(address(), "");
    CHECK(access_pki(&core) != NULL);
    e = init(text);
    CHECK_STR(e.err.message, "");
    CHECK_STR(address(), text);
    CHECK(!is_free(text));
    /* Once more, and what is in use stays. */
    file_of(path, "server.key");
    CHECK_INT(remove(path), 0);
    CHECK_INT(fs_make_dirs(path, 0700, &err), 0);
    e = init("");
    CHECK(e.err.code != ERR_NONE);
    CHECK_STR(address(), text);
    CHECK_INT(rmdir(path), 0);
    e = init("");
    CHECK_STR(e.err.message, "");
    CHECK(exists("server.key"));
}

static int64_t end_of(enum access_what what)
{
    const struct access_credentials *c = core.access->now;
    for (size_t i = 0; i < c->n_dated; i++)
        if (c->dated[i].what == what)
            return c->dated[i].dates.ends_s;
    return 0;
}

/* As if that time had come while the daemon runs; it looks at once. */
static void let_time_pass(enum access_what what, int64_t begins_s, int64_t ends_s)
{
    struct access_credentials *c = core.access->now;
    for (size_t i = 0; i < c->n_dated; i++)
        if (c->dated[i].what == what)
            c->dated[i].dates = (struct pki_dates){begins_s, ends_s};
    timer_start(&core.access->listen.look, 0);
}

static struct timer again;
static bool (*wanted)(void);

static void look(void *arg)
{
    (void)arg;
    if (wanted())
        loop_stop(core.loop);
    else
        timer_start(&again, 5);
}

static void until(bool (*cond)(void))
{
    wanted = cond;
    CHECK_INT(timer_init(&again, core.loop, look, NULL), 0);
    timer_start(&again, 0);
    run();
    timer_done(&again);
    CHECK(cond());
}

static bool is_renewed(void)
{
    return end_of(ACCESS_OWN_SERVER) > time(NULL) + INT64_C(800) * 86400;
}

static bool is_closed(void)
{
    return address()[0] == '\0' && core.access->listen.closed.reason[0];
}

static bool is_open(void)
{
    return address()[0] != '\0';
}

static void on_settled(void *arg)
{
    if (++*(int *)arg == 1)
        loop_stop(core.loop);
}

/* Whoever finds the daemon on its socket, once that is answered, finds it on TCP as well. */
static void test_a_start_waits_until_certificates_are_read(void)
{
    int settled = 0;
    close_core();
    open_core();
    access_prepare(&core, "", &(struct access_files){.ca = ""});
    access_open(&core);
    access_settle(&core, on_settled, &settled);
    CHECK_INT(settled, 0); /* they are read on a worker */
    run();
    CHECK_INT(settled, 1);
    CHECK(is_open());
    access_settle(&core, on_settled, &settled);
    CHECK_INT(settled, 2); /* at once */
}

/* Goes on with the daemon of the test before. */
static void test_a_running_daemon_renews_when_the_time_comes(void)
{
    static const char *const names[] = {"127.0.0.1"};
    struct err err = ERR_INIT;
    char path[160], text[32];
    int64_t now = time(NULL);
    snprintf(path, sizeof(path), "%s/pki", dir);
    CHECK_INT(pki_init(path, names, 1, now - INT64_C(700) * 86400, &err), 0);
    let_time_pass(ACCESS_OWN_SERVER, now - 900, now + 100);
    until(is_renewed);
    snprintf(text, sizeof(text), "%s", address());
    CHECK(!is_free(text)); /* it listens, and did all the time */
}

/* One that nobody renews closes TCP in its time, and opens it when another is there. */
static void test_what_ends_while_it_is_in_use_closes_tcp(void)
{
    int64_t now = time(NULL);
    core.access->now->dated[0].what = ACCESS_CRL; /* neither of them is ours to renew */
    for (size_t i = 0; i < core.access->now->n_dated; i++)
        if (core.access->now->dated[i].what == ACCESS_OWN_SERVER)
            core.access->now->dated[i].what = ACCESS_SITE_SERVER;
    let_time_pass(ACCESS_SITE_SERVER, now - 900, now - 1);
    until(is_closed);
    CHECK_STR(core.access->listen.closed.reason, "CERTIFICATE_EXPIRED");
    until(is_open);
}

static void test_two_inits_at_once_are_one(void)
{
    struct ended first = {.calls = 0}, second = {.calls = 0};
    CHECK_INT(access_init(&core, NULL, 0, "", on_done, &first, &first.err), 0);
    CHECK_INT(access_init(&core, NULL, 0, "", on_done, &second, &second.err), -1);
    CHECK_INT(second.err.code, ERR_ABORTED);
    await(1);
    CHECK_INT(first.err.code, ERR_NONE);
    CHECK_INT(second.calls, 0);
}

static void test_an_end_amid_an_init(void)
{
    struct ended e = {.calls = 0};
    CHECK_INT(access_init(&core, NULL, 0, "", on_done, &e, &e.err), 0);
    close_core();
    CHECK_INT(e.calls, 1);
    n_awaited = 0;
    open_core();
}

int main(void)
{
    begin_world();
    RUN(test_an_init_that_fails_leaves_nothing_listening);
    RUN(test_a_start_waits_until_certificates_are_read);
    RUN(test_a_running_daemon_renews_when_the_time_comes);
    RUN(test_what_ends_while_it_is_in_use_closes_tcp);
    RUN(test_two_inits_at_once_are_one);
    RUN(test_an_end_amid_an_init);
    return end_world();
}

#else

int main(void)
{
    return check_skip("needs a build with faults");
}

#endif
