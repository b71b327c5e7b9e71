/* What the machine shows of a daemon under test: processes, files, rows, memory. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "tests/support/harness.h"

enum {
    KILLED_MS = 60000,
    PROC_BYTES = 128 * 1024,
    FILES_MAX = 4096,
    DATABASE_MAX_BYTES = 256 << 20
};

/* NULs become blanks. The length, 0 when it cannot be read. */
static size_t read_proc(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    for (ssize_t n; fd >= 0 && len + 1 < size && (n = read(fd, text + len, size - len - 1)) > 0;)
        len += (size_t)n;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    text[len] = '\0';
    return len;
}

/* The daemon's own helper ends with it, and is no VM's. */
static bool is_helper(const struct harness *h, pid_t pid, const char *command)
{
    char stat[512];
    int parent = 0;
    if (h->daemon <= 0 || !strstr(command, "/banger-priv "))
        return false;
    read_proc(pid, "stat", stat, sizeof(stat));
    const char *name_end = strrchr(stat, ')');
    return name_end && sscanf(name_end, ") %*c %d", &parent) == 1 && parent == h->daemon;
}

size_t harness_processes(const struct harness *h, struct harness_process *found, size_t max)
{
    auto_free char *text = malloc(PROC_BYTES);
    auto_dir DIR *dir = opendir("/proc");
    size_t n = 0;
    for (struct dirent *e; text && dir && n < max && (e = readdir(dir));) {
        pid_t pid = isdigit((unsigned char)e->d_name[0]) ? (pid_t)atoi(e->d_name) : 0;
        if (pid <= 0 || pid == getpid() || pid == h->daemon)
            continue;
        read_proc(pid, "environ", text, PROC_BYTES);
        bool ours = strstr(text, h->dir) != NULL;
        size_t len = read_proc(pid, "cmdline", text, PROC_BYTES);
        if (len == 0 || !(ours || strstr(text, h->dir)) || is_helper(h, pid, text))
            continue;
        found[n].pid = pid;
        snprintf(found[n].command, sizeof(found[n].command), "%s", text);
        n++;
    }
    return n;
}

bool harness_processes_settle(const struct harness *h, size_t n, int64_t timeout_ms)
{
    auto_free struct harness_process *found = calloc(HARNESS_PROCESSES_MAX, sizeof(*found));
    for (int64_t end = clock_mono_ms() + timeout_ms; found;) {
        size_t left = harness_processes(h, found, HARNESS_PROCESSES_MAX);
        if (left <= n)
            return true;
        if (clock_mono_ms() < end) {
            poll(NULL, 0, 10);
            continue;
        }
        fprintf(stderr, "%zu processes are left, %zu expected:\n", left, n);
        for (size_t i = 0; i < left; i++)
            fprintf(stderr, "  %d %s\n", (int)found[i].pid, found[i].command);
        return false;
    }
    return false;
}

struct listing {
    char **at;
    size_t n;
};

static void list_folder(struct listing *l, const char *top, const char *below)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s%s%s", top, *below ? "/" : "", below);
    auto_dir DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char name[PATH_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || l->n == FILES_MAX)
            continue;
        snprintf(name, sizeof(name), "%.2000s%s%s", below, *below ? "/" : "", e->d_name);
        l->at[l->n++] = strdup(name);
        if (e->d_type == DT_DIR)
            list_folder(l, top, name);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What a daemon keeps whatever VMs it has. */
static bool is_the_daemons(const char *name)
{
    static const char *const own[] = {"banger.db",   "lock",        "run",     "kernels",
                                      "images",      "bangerd.log", "tmp",     "cache",
                                      "kvm-verdict", "identity",    "backups", "priv.lock"};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (strncmp(name, own[i], strlen(own[i])) == 0)
            return true;
    return strcmp(name, "vms") == 0;
}

static char *list_text(const char *folder, bool (*leave_out)(const char *name))
{
    struct listing l = {.at = calloc(FILES_MAX, sizeof(char *))};
    size_t size = 1;
    if (!l.at)
        return NULL;
    list_folder(&l, folder, "");
    qsort(l.at, l.n, sizeof(char *), compare_names);
    for (size_t i = 0; i < l.n; i++)
        size += strlen(l.at[i]) + 1;
    char *text = calloc(1, size), *end = text;
    for (size_t i = 0; i < l.n; i++) {
        if (text && !(leave_out && leave_out(l.at[i])))
            end += sprintf(end, "%s\n", l.at[i]);
        free(l.at[i]);
    }
    free(l.at);
    return text;
}

char *harness_files(const struct harness *h)
{
    return list_text(h->state, is_the_daemons);
}

char *harness_list(const char *folder)
{
    return access(folder, F_OK) == 0 ? list_text(folder, NULL) : NULL;
}

void harness_sql(const struct harness *h, const char *sql)
{
    char path[128];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/banger.db", h->state);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        harness_die(h, "%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* A copy of one of the store's files; 0 bytes where there is none. */
static bool copy_file(const char *from, const char *to)
{
    static char piece[1 << 16];
    auto_fd int in = open(from, O_RDONLY | O_CLOEXEC);
    auto_fd int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = 0;
    while (in >= 0 && out >= 0 && (n = read(in, piece, sizeof(piece))) > 0)
        if (write(out, piece, (size_t)n) != n)
            return false;
    return out >= 0 && n == 0;
}

struct stamp {
    struct timespec written[2];
    off_t size[2];
};

static struct stamp stamp_store(const char *const path[2])
{
    struct stamp stamp = {.size = {-1, -1}};
    struct stat st;
    for (int i = 0; i < 2; i++)
        if (stat(path[i], &st) == 0) {
            stamp.written[i] = st.st_mtim;
            stamp.size[i] = st.st_size;
        }
    return stamp;
}

/* The daemon holds its database alone: it is read from a copy, in which nothing was written
 * meanwhile. */
static void copy_store(const struct harness *h, const char *copy)
{
    char db[128], wal[128], copied_wal[160];
    snprintf(db, sizeof(db), "%s/banger.db", h->state);
    snprintf(wal, sizeof(wal), "%s-wal", db);
    snprintf(copied_wal, sizeof(copied_wal), "%s-wal", copy);
    for (int tries = 0; tries < 100; tries++) {
        struct stamp before = stamp_store((const char *const[]){db, wal});
        bool ok = copy_file(db, copy) && copy_file(wal, copied_wal);
        struct stamp after = stamp_store((const char *const[]){db, wal});
        if (ok && memcmp(&before, &after, sizeof(before)) == 0)
            return;
        poll(NULL, 0, 5);
    }
    harness_die(h, "the store does not come to rest");
}

int64_t harness_rows(const struct harness *h, const char *table)
{
    char copy[96], extra[128], sql[128];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf(copy, sizeof(copy), "%s/rows.db", h->dir);
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", table);
    copy_store(h, copy);
    if (sqlite3_open_v2(copy, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        harness_die(h, "cannot count the rows of %s: %s", table, sqlite3_errmsg(db));
    int64_t n = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        snprintf(extra, sizeof(extra), "%s%s", copy, ends[i]);
        unlink(extra);
    }
    return n;
}

uint64_t harness_memory_kib(pid_t pid, const char *field)
{
    char text[8192];
    read_proc(pid, "status", text, sizeof(text));
    const char *at = strstr(text, field);
    return at && at[strlen(field)] == ':' ? strtoull(at + strlen(field) + 1, NULL, 10) : 0;
}

void harness_forget_peak(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/clear_refs", (int)pid);
    auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "5", 1) != 1)
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
}

bool harness_alive(pid_t pid)
{
    char text[512];
    if (pid <= 0 || read_proc(pid, "stat", text, sizeof(text)) == 0)
        return false;
    const char *state = strrchr(text, ')');
    return state && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';
}

void harness_kill(pid_t pid)
{
    auto_fd int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    if (fd < 0 || kill(pid, SIGKILL) < 0 || poll(&ended, 1, KILLED_MS) != 1)
        fprintf(stderr, "process %d was not there, or does not end\n", (int)pid);
}
