/* The local daemon: default paths, and starting it: once however many ask, and with a reason when
 * it cannot be. */
#include "tests/support/check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "banger/local.h"
#include "banger/methods.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/paths.h"

enum { STARTERS = 4 };

static char dir[32];

static void set(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void clear_environment(void)
{
    static const char *const names[] = {"BANGER_STATE_DIR", "BANGER_RUNTIME_DIR",
                                        "BANGER_SOCKET",    "BANGER_DAEMON",
                                        "XDG_STATE_HOME",   "XDG_RUNTIME_DIR"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

static void check_paths(const char *state_dir, const char *socket)
{
    struct paths p;
    struct err err = ERR_INIT;
    CHECK_INT(paths_default(&p, &err), 0);
    CHECK_STR(p.state_dir, state_dir);
    CHECK_STR(p.socket, socket);
}

static void test_paths(void)
{
    struct paths p;
    struct err err = ERR_INIT;
    clear_environment();
    if (geteuid() == 0)
        check_paths("/var/lib/banger", "/run/banger/bangerd.sock");
    set("BANGER_STATE_DIR", "/s");
    check_paths("/s", "/s/run/bangerd.sock");
    set("XDG_RUNTIME_DIR", "/x");
    check_paths("/s", "/s/run/bangerd.sock");
    set("BANGER_RUNTIME_DIR", "/r");
    check_paths("/s", "/r/bangerd.sock");
    set("BANGER_SOCKET", "/a/b");
    check_paths("/s", "/a/b");
    set("BANGER_STATE_DIR", "relative");
    CHECK_INT(paths_default(&p, &err), -1);
    CHECK_CONTAINS(err.message, "absolute");
    char *longer = malloc(PATHS_BYTES + 2);
    memset(longer, '/', PATHS_BYTES + 1);
    longer[PATHS_BYTES + 1] = '\0';
    set("BANGER_STATE_DIR", longer);
    CHECK_INT(paths_default(&p, &err), -1);
    CHECK_INT(err.code, ERR_LIMIT);
    free(longer);
    clear_environment();
}

/* An environment of its own below dir. */
static void use_folder(const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    clear_environment();
    set("BANGER_STATE_DIR", path);
}

static void write_program(const char *path, const char *text)
{
    CHECK_INT(fs_write_atomic(path, text, strlen(text), 0755, NULL), 0);
}

static void test_daemon_that_dies(void)
{
    char path[64];
    struct banger_error error = {0};
    use_folder("dies");
    snprintf(path, sizeof(path), "%s/dies.sh", dir);
    write_program(path, "#!/bin/sh\necho first >&2\necho 'the disk is full' >&2\nexit 1\n");
    struct banger_local *local = banger_local_new();
    CHECK_INT(banger_local_set_daemon(local, path, &error), 0);
    CHECK(banger_connect_local(local, &error) == NULL);
    banger_local_free(local);
    CHECK_INT(error.code, BANGER_UNAVAILABLE);
    CHECK_CONTAINS(error.message, "the disk is full");
}

static void test_daemon_that_never_answers(void)
{
    char path[64];
    struct banger_error error = {0};
    use_folder("mute");
    snprintf(path, sizeof(path), "%s/mute.sh", dir);
    /* Ends when the folder goes, at the latest after a while. */
    write_program(path, "#!/bin/sh\nexec timeout 2 tail -f /dev/null\n");
    struct banger_local *local = banger_local_new();
    CHECK_INT(banger_local_set_daemon(local, path, &error), 0);
    banger_local_set_start_timeout_ms(local, 100);
    CHECK(banger_connect_local(local, &error) == NULL);
    banger_local_free(local);
    CHECK_CONTAINS(error.message, "does not answer");
}

static void test_no_program(void)
{
    struct banger_error error = {0};
    use_folder("none");
    set("BANGER_DAEMON", "/no/such/bangerd");
    CHECK(banger_connect_local(NULL, &error) == NULL);
    CHECK_INT(error.code, BANGER_NOT_FOUND);
    CHECK_CONTAINS(error.message, "/no/such/bangerd");
    struct banger_local *local = banger_local_new();
    banger_local_set_start(local, false);
    CHECK(banger_connect_local(local, &error) == NULL);
    banger_local_free(local);
    CHECK_INT(error.code, BANGER_UNAVAILABLE);
    CHECK_CONTAINS(error.message, "bangerd.sock");
}

static size_t count(const char *path, const char *word)
{
    char *text = NULL;
    size_t len, n = 0;
    CHECK_INT(fs_read(path, 1 << 20, &text, &len, NULL), 0);
    for (const char *at = text; at && (at = strstr(at, word)); at++)
        n++;
    free(text);
    return n;
}

/* Ends the daemon. */
static void shut_down(struct banger_client *client)
{
    struct banger_error error = {0};
    Banger__V1__ShutdownRequest request = BANGER__V1__SHUTDOWN_REQUEST__INIT;
    Banger__V1__Empty *empty = banger_shutdown(client, &request, NULL, &error);
    CHECK_STR(error.message, "");
    banger_message_free(empty ? &empty->base : NULL);
}

static void test_many_start_one(void)
{
    char log[96];
    struct banger_error error = {0};
    use_folder("many");
    set("BANGER_DAEMON", BANGER_TEST_DAEMON_FILE);
    set("BANGER_DRIVER", "sim");
    pid_t pids[STARTERS];
    fflush(stdout);
    for (int i = 0; i < STARTERS; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(banger_connect_local(NULL, NULL) ? 0 : 1);
    }
    for (int i = 0; i < STARTERS; i++) {
        int status = -1;
        waitpid(pids[i], &status, 0);
        CHECK_INT(status, 0);
    }
    struct banger_client *client = banger_connect_local(NULL, &error);
    CHECK_STR(error.message, "");
    CHECK_INT(banger_local_log(log, sizeof(log), &error), 0);
    CHECK_INT(count(log, "listens on"), 1);
    if (client)
        shut_down(client);
    banger_close(client);
}

/* A socket in the place of the daemon's. */
static int listen_there(void)
{
    char path[PATHS_BYTES], folder[PATHS_BYTES];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CHECK_INT(banger_local_socket(path, sizeof(path), NULL), 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path), path);
    CHECK_INT(fs_make_dirs(folder, 0700, NULL), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(listen(fd, 5), 0);
    return fd;
}

/* What callers of a killed daemon can meet, one after the other: closed before a word, cut after
 * the greeting with a call unread, and reset in the queue, never accepted. */
static void die_on_callers(int listener)
{
    static const char settings[9] = {0, 0, 0, 4};
    char byte;
    close(accept(listener, NULL, NULL));
    int fd = accept(listener, NULL, NULL);
    if (send(fd, settings, sizeof(settings), 0) != sizeof(settings) || recv(fd, &byte, 1, 0) != 1)
        _exit(1);
    close(fd);
    struct pollfd caller = {.fd = listener, .events = POLLIN};
    _exit(poll(&caller, 1, -1) == 1 ? 0 : 1);
}

static void test_daemon_that_was_killed(void)
{
    struct banger_error error = {0};
    int status = -1;
    use_folder("killed");
    set("BANGER_DAEMON", BANGER_TEST_DAEMON_FILE);
    set("BANGER_DRIVER", "sim");
    int listener = listen_there();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        die_on_callers(listener);
    close(listener);
    struct banger_client *client = banger_connect_local(NULL, &error);
    CHECK_STR(error.message, "");
    if (CHECK(client != NULL))
        shut_down(client);
    else
        kill(pid, SIGKILL);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    banger_close(client);
}

int main(void)
{
    snprintf(dir, sizeof(dir), "/tmp/banger-local-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    RUN(test_paths);
    RUN(test_daemon_that_dies);
    RUN(test_daemon_that_never_answers);
    RUN(test_no_program);
    RUN(test_many_start_one);
    RUN(test_daemon_that_was_killed);
    fs_remove_tree(dir, NULL);
    return check_end();
}
