/* Bounded console log; see console.h. */
#include "daemon/vmm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/vmm/console_log.h"
#include "daemon/vmm/console_watch.h"
#include "daemon/vmm/vmm.h"
#include "base/fs.h"
#include "rpc/event/worker.h"

struct console_job {
    struct job job;
    struct console *console; /* NULL: gone meanwhile */
    struct vmm_host *host;
    char path[PATH_BYTES];
    size_t len;
    uint8_t data[];
};

static void console_write(struct job *job)
{
    struct console_job *j = container_of(job, struct console_job, job);
    auto_fd int fd = fs_open_own(j->path, O_WRONLY | O_APPEND | O_CREAT, 0600, NULL);
    size_t done = 0;
    while (fd >= 0 && done < j->len) {
        ssize_t n = write(fd, j->data + done, j->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* a full disk costs log lines, nothing else */
        done += (size_t)n;
    }
    struct stat st;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= CONSOLE_FILE_BYTES)
        console_log_rotate(j->path);
}

static void console_flush(struct console *c);

static void console_written(struct job *job)
{
    struct console_job *j = container_of(job, struct console_job, job);
    struct console *c = j->console;
    bool fresh = false;
    if (c) {
        c->job = NULL;
        console_flush(c);
        fresh = c->fresh_due && !c->job;
        c->fresh_due &= !fresh;
    }
    console_tell(j->host, j->path, fresh);
    free(j);
}

static void console_flush(struct console *c)
{
    size_t len = buf_len(&c->pending);
    if (c->job || len == 0)
        return;
    struct console_job *j = malloc(sizeof(*j) + len);
    if (!j)
        return; /* with the next append */
    j->job = (struct job){.run = console_write, .done = console_written};
    j->console = c;
    j->host = c->host;
    memcpy(j->path, c->path, sizeof(j->path));
    j->len = len;
    memcpy(j->data, buf_data(&c->pending), len);
    if (workers_submit(c->host->quick, &j->job, NULL) < 0) {
        free(j);
        return;
    }
    buf_reset(&c->pending);
    c->job = j;
}

void console_init(struct console *c, struct vmm_host *host, const char *path)
{
    *c = (struct console){.host = host};
    snprintf(c->path, sizeof(c->path), "%s", path);
    buf_init(&c->pending, CONSOLE_PENDING_BYTES);
    list_init(&c->link);
    console_register(c);
}

void console_set_refresh(struct console *c, bool (*refresh)(void *arg), void *arg)
{
    c->refresh = refresh;
    c->refresh_arg = arg;
}

void console_is_fresh(struct console *c)
{
    c->fresh_due = c->job != NULL;
    if (!c->job)
        console_tell(c->host, c->path, true);
}

void console_done(struct console *c)
{
    if (!c->host)
        return;
    if (c->job)
        c->job->console = NULL;
    console_unregister(c);
    buf_done(&c->pending);
}

void console_append(struct console *c, const void *text, size_t len)
{
    if (c->path[0] == '\0')
        return;
    if (len > buf_room(&c->pending))
        len = buf_room(&c->pending);
    buf_append(&c->pending, text, len);
    console_flush(c);
}
