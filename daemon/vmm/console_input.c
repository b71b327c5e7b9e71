/* Writers of consoles and guests' lines; see console_input.h. Few of either have to be looked
 * through: a writer is a call of a client, and a search is made per claim and per piece typed. */
#include "daemon/vmm/console_input.h"

#include <string.h>

#include "base/err.h"
#include "daemon/vmm/console.h"
#include "daemon/vmm/vmm.h"

static struct list *writers(struct vmm_host *host)
{
    if (!host->console_writers.next)
        list_init(&host->console_writers);
    return &host->console_writers;
}

static struct console_writer *find_writer(struct vmm_host *host, const char *path)
{
    list_foreach(pos, writers(host))
    {
        struct console_writer *w = container_of(pos, struct console_writer, link);
        if (strcmp(w->path, path) == 0)
            return w;
    }
    return NULL;
}

/* The console that has the guest's line; NULL: there is no such guest now. */
static struct console *find_line(const struct console_writer *w)
{
    if (!w->host->consoles.next)
        return NULL;
    list_foreach(pos, &w->host->consoles)
    {
        struct console *c = container_of(pos, struct console, link);
        if (c->line && strcmp(c->path, w->path) == 0)
            return c;
    }
    return NULL;
}

static void leave(struct console_writer *w)
{
    list_remove(&w->link);
    w->host = NULL;
}

int console_writer_begin(struct console_writer *w, struct vmm_host *host, const char *path,
                         uint64_t key, bool takeover, const struct console_writer_events *events,
                         void *arg, struct err *err)
{
    struct console_writer *old = find_writer(host, path);
    if (old && !takeover && (key == 0 || old->key != key)) {
        err_set(err, ERR_PRECONDITION, "somebody else types into this console");
        return err_tag(err, "WRITER_TAKEN", NULL);
    }
    *w = (struct console_writer){
        .host = host, .path = path, .key = key, .events = events, .arg = arg};
    list_init(&w->link);
    if (old)
        leave(old);
    list_add_tail(writers(host), &w->link);
    struct console *c = find_line(w);
    if (c)
        c->line->want(c->line_arg, true);
    if (old)
        old->events->lost(old->arg);
    return 0;
}

size_t console_writer_write(struct console_writer *w, const void *data, size_t len)
{
    struct console *c = w->host ? find_line(w) : NULL;
    return c ? c->line->write(c->line_arg, data, len) : len;
}

void console_writer_end(struct console_writer *w)
{
    if (!w->host)
        return;
    struct console *c = find_line(w);
    leave(w);
    if (c)
        c->line->want(c->line_arg, false);
}

void console_set_line(struct console *c, const struct console_line *line, void *arg)
{
    c->line = line;
    c->line_arg = arg;
    if (find_writer(c->host, c->path))
        line->want(arg, true);
}

void console_line_is_writable(struct console *c)
{
    struct console_writer *w = find_writer(c->host, c->path);
    if (w)
        w->events->writable(w->arg);
}

void console_line_failed(struct console *c, const struct err *err)
{
    struct console_writer *w = find_writer(c->host, c->path);
    if (!w)
        return;
    leave(w);
    c->line->want(c->line_arg, false);
    w->events->failed(w->arg, err);
}
