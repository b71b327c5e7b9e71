/* Every call that scopes make of systemd's bus fails in turn: without being done, and after systemd
 * has done it. The error says of what; undoing leaves nothing, and the next try works. The calls
 * are wrapped by the linker, systemd is the stand-in's. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/object.h"
#include "daemon/host/scope.h"
#include "tests/support/check.h"
#include "tests/support/failing_call.h"
#include "tests/support/systemd/bus.h"

/* __real_ and __wrap_ are the linker's names; those that change nothing are never done. */
/* NOLINTBEGIN(bugprone-reserved-identifier) */
#define LOOKS(name, arguments, ...)                                                                \
    int __real_##name arguments;                                                                   \
    int __wrap_##name arguments;                                                                   \
    int __wrap_##name arguments                                                                    \
    {                                                                                              \
        return fails(#name) ? -EIO : __real_##name(__VA_ARGS__);                                   \
    }
LOOKS(sd_bus_set_method_call_timeout, (sd_bus * bus, uint64_t us), bus, us)
LOOKS(sd_bus_match_signal,
      (sd_bus * bus, sd_bus_slot **slot, const char *sender, const char *path,
       const char *interface, const char *member, sd_bus_message_handler_t fn, void *arg),
      bus, slot, sender, path, interface, member, fn, arg)
LOOKS(sd_bus_message_new_method_call,
      (sd_bus * bus, sd_bus_message **m, const char *to, const char *path, const char *interface,
       const char *member),
      bus, m, to, path, interface, member)
LOOKS(sd_bus_message_open_container, (sd_bus_message * m, char type, const char *contents), m, type,
      contents)
LOOKS(sd_bus_message_close_container, (sd_bus_message * m), m)
LOOKS(sd_bus_message_enter_container, (sd_bus_message * m, char type, const char *contents), m,
      type, contents)
LOOKS(sd_bus_get_property_trivial,
      (sd_bus * bus, const char *to, const char *path, const char *interface, const char *member,
       sd_bus_error *error, char type, void *value),
      bus, to, path, interface, member, error, type, value)
LOOKS(sd_bus_get_property_string,
      (sd_bus * bus, const char *to, const char *path, const char *interface, const char *member,
       sd_bus_error *error, char **value),
      bus, to, path, interface, member, error, value)
LOOKS(sd_bus_wait, (sd_bus * bus, uint64_t us), bus, us)
LOOKS(sd_bus_open_system, (sd_bus * *bus), bus)

#define ACTS(name, arguments, ...)                                                                 \
    int __real_##name arguments;                                                                   \
    int __wrap_##name arguments;                                                                   \
    int __wrap_##name arguments                                                                    \
    {                                                                                              \
        bool failed = fails(#name);                                                                \
        int rc = failed && !fault.done ? -EIO : __real_##name(__VA_ARGS__);                        \
        return failed ? -EIO : rc;                                                                 \
    }
ACTS(sd_bus_call,
     (sd_bus * bus, sd_bus_message *m, uint64_t us, sd_bus_error *error, sd_bus_message **reply),
     bus, m, us, error, reply)
ACTS(sd_bus_process, (sd_bus * bus, sd_bus_message **m), bus, m)
/* NOLINTEND(bugprone-reserved-identifier) */

static const char vm_id[] = "0123456789abcdef";
static char state[64];
static struct systemd_bus bus;
static struct object scope;

/* The stand-in waits where nobody reads what it says. */
static void read_its_lines(void)
{
    char text[4096];
    struct pollfd p = {.fd = bus.out_fd, .events = POLLIN};
    while (poll(&p, 1, 0) == 1 && read(bus.out_fd, text, sizeof(text)) > 0)
        continue;
}

static void works(int (*call)(struct err *err), const char *what)
{
    struct err err = ERR_INIT;
    if (!CHECK_INT(call(&err), 0))
        fprintf(stderr, "  %s: %s\n", what, err.message);
}

/* ---- what is done ---- */

static int make(struct err *err)
{
    return scope.kind->make(&scope, -1, err);
}

static int find(struct err *err)
{
    return scope.kind->find(&scope, err);
}

static int undo(struct err *err)
{
    return scope.kind->remove(&scope, err);
}

static void count(void *arg, const struct object_found *f)
{
    *(int *)arg += strcmp(f->name, scope.name) == 0;
}

/* There is one: it is listed, or the list is no answer. */
static int list(struct err *err)
{
    int n = 0;
    int rc = scope.kind->list(state, count, &n, err);
    if (rc == 0)
        CHECK_INT(n, 1);
    return rc;
}

/* A process of its own, which is gone afterwards. */
static int enter(struct err *err)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    int rc = host_scope_enter(scope.name, pid, err);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    return rc;
}

/* ---- in turn ---- */

/* False: it has not as many calls. */
static bool fails_at(int (*call)(struct err *err), int n, bool done)
{
    struct err err = ERR_INIT;
    fault_begin(n, done);
    int rc = call(&err);
    if (!fault_end() || rc == 0)
        return fault.hit; /* the call was not needed any more */
    CHECK(err.code != ERR_NOT_FOUND);
    if (!CHECK(strstr(err.message, "systemd") || strstr(err.message, "bus")))
        fprintf(stderr, "  %s, call %d: \"%s\"\n", fault.what, n, err.message);
    return true;
}

/* was: it is there before. */
static void in_turn(const char *what, int (*call)(struct err *err), bool was)
{
    int n = 0, failures = check_failures;
    for (int done = 0; done < 2; done++)
        for (n = 0; n < CALLS_MAX; n++) {
            struct err err = ERR_INIT;
            if (was)
                works(make, "making");
            if (!fails_at(call, n, done))
                break;
            works(make, "making it again");
            works(undo, "undoing");
            CHECK_INT(find(&err), -1);
            CHECK_INT(err.code, ERR_NOT_FOUND);
            read_its_lines();
            if (check_failures > failures)
                fprintf(stderr, "  %s at call %d, %s%s\n", what, n, fault.what,
                        done ? ", done" : "");
            failures = check_failures;
        }
    works(undo, "undoing");
    printf("     %s: %d calls\n", what, n);
    CHECK(n > 3 && n < CALLS_MAX);
}

static void test_every_call_of_the_bus_fails(void)
{
    in_turn("make", make, false);
    in_turn("make again", make, true);
    in_turn("find", find, true);
    in_turn("list", list, true);
    in_turn("enter", enter, true);
    in_turn("remove", undo, true);
}

int main(void)
{
    struct err err = ERR_INIT;
    const char *lacks = systemd_bus_lacks();
    if (lacks)
        return check_skip(lacks);
    strcpy(state, "/tmp/banger-scope-XXXXXX");
    if (!mkdtemp(state) || !systemd_bus_open(&bus, NULL))
        return EXIT_FAILURE;
    host_scope_choose("systemd");
    if (!CHECK_INT(object_init(&scope, "scope", state, vm_id, OBJECT_SCOPE, &err), 0))
        fprintf(stderr, "%s\n", err.message);
    else
        RUN(test_every_call_of_the_bus_fails);
    systemd_bus_close(&bus);
    fs_remove_tree(state, NULL);
    return check_end();
}
