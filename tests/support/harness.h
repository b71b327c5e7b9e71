/* A real bangerd in a state folder of its own, for end-to-end tests.
 *
 * A test opens a harness, talks to the daemon through libbanger, kills and restarts it, and looks
 * at what the machine shows: processes, files, sockets. A guard process outlives the test, however
 * that ends: it kills whatever still mentions the folder, then removes it. On the calling thread,
 * except for the functions that only look. Functions whose failure makes the rest of a test
 * pointless end the program with the reason and the last lines of the daemon's log. */
#ifndef BANGER_TESTS_HARNESS_H
#define BANGER_TESTS_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "banger/client.h"

#if defined(__SANITIZE_ADDRESS__)
#define HARNESS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HARNESS_ASAN 1
#endif
#endif
#ifndef HARNESS_ASAN
#define HARNESS_ASAN 0
#endif

enum {
    HARNESS_ENV_MAX = 8,
    HARNESS_START_MS = 30000, /* daemon start to answering, adoption of VMs included */
    HARNESS_OP_MS = 240000,   /* an operation, a boot under TCG beside another test included */
    HARNESS_PROCESSES_MAX = 512,
};

struct harness {
    const char *driver; /* "sim", "qemu", "firecracker" */
    bool jailed;        /* "firecracker_jailed" was asked for: by its jailer */
    bool boots;         /* a kernel, from an image: all but sim */
    char dir[32];       /* /tmp/bt.XXXXXX */
    char state[40];     /* its state folder */
    char socket[72];    /* the daemon's */
    char log[48];
    pid_t daemon; /* 0: none */
    int pidfd;
    int guard_fd;                          /* closing it wakes the guard */
    const char *args[HARNESS_ENV_MAX + 1]; /* more options for every start; NULL ends */
    bool tap;                              /* steps_create_vm's VMs have one */
    bool groups;                           /* each VM has a control group; h->args say so */
    int given_fd;        /* handed to the daemon as a service manager does; 0: none */
    void (*watch)(void); /* every few ms while the daemon starts, which it may end; NULL */
    bool stops_it; /* the test stops the daemon (SIGSTOP): a turn that slept says nothing of it */
};

/* Makes the folder, starts the guard and the daemon, and imports kernel and image where guests
 * boot. Ends the program with 77 when that needs test assets that are not there. */
void harness_open(struct harness *h, const char *driver);
/* The same without a daemon, for tests that set args first. */
void harness_prepare(struct harness *h, const char *driver);
/* Before either: moves the program into a network namespace of its own, whose loopback interface
 * works, so that all ports are free. False where it may not (no root). */
bool harness_own_network(void);
/* Ends the daemon with SIGTERM: false (and told) if that is no clean exit within its time, or if a
 * callback of any daemon of this harness held up the loop. VMs are ended and the folder removed by
 * the guard. */
bool harness_close(struct harness *h);

/* Starts the daemon and waits until it answers. env: "NAME=VALUE", NULL ends, may be NULL. */
void harness_start(struct harness *h, const char *const *env);
/* The same, -1 when it ended before it answered. */
int harness_try_start(struct harness *h, const char *const *env);
/* Sends signo and waits for the end: its wait status. Fatal after timeout. */
int harness_end(struct harness *h, int signo);
/* True when it has ended within timeout_ms by itself; *status as in waitpid. */
bool harness_wait_end(struct harness *h, int64_t timeout_ms, int *status);
/* kill -9 and start. */
void harness_crash(struct harness *h);
/* Imports kernel and image of BANGER_TEST_ASSETS. */
void harness_import_assets(struct harness *h);

/* A connection that waits for a daemon that restarts. Freed with banger_close. */
struct banger_client *harness_connect(const struct harness *h);
/* One whose calls fail at once where no daemon answers. */
struct banger_client *harness_connect_once(const struct harness *h);

/* What the machine shows */

struct harness_process {
    pid_t pid;
    char command[240]; /* arguments, separated by blanks */
};

/* Live processes that mention the folder in arguments or environment, but for the daemon and its
 * own helper. */
size_t harness_processes(const struct harness *h, struct harness_process *found, size_t max);
/* Waits until at most n of them are left; false, and they are printed, after timeout_ms. */
bool harness_processes_settle(const struct harness *h, size_t n, int64_t timeout_ms);
/* Files, folders and sockets below the state folder, one a line, sorted; without the database, the
 * lock, the daemon's socket, images and kernels. Caller frees. */
char *harness_files(const struct harness *h);
/* The same for a folder; NULL where there is none. */
char *harness_list(const char *folder);
/* Rows of a table of the store. Fatal when it cannot be read. */
int64_t harness_rows(const struct harness *h, const char *table);
/* Runs SQL on the store of a daemon that does not run. Fatal where it fails. */
void harness_sql(const struct harness *h, const char *sql);
/* VmRSS, VmHWM, … of /proc/PID/status in KiB; 0 where there is none. */
uint64_t harness_memory_kib(pid_t pid, const char *field);
/* Lets VmHWM begin anew. */
void harness_forget_peak(pid_t pid);
bool harness_alive(pid_t pid);
/* Kills a process that is not the test's child, and waits until it has ended: a daemon that starts
 * while it still does would find it alive. */
void harness_kill(pid_t pid);

/* Waits for cond, looking again every 5 ms: for states that nothing announces. */
bool harness_until(bool (*cond)(void *arg), void *arg, int64_t timeout_ms);

/* Path of the daemon, the CLI, the generator; see CMakeLists.txt. */
const char *harness_daemon_path(void);
const char *harness_emit_path(void);

/* Prints the reason and the end of the daemon's log, ends the program with 1. */
void harness_die(const struct harness *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

#endif
