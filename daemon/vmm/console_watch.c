/* Readers and writers of console logs; see console_watch.h. Few of either have to be looked
 * through: watches are bounded by ReadConsole, and a search among the consoles is made per watch.
 */
#include "daemon/vmm/console_watch.h"

#include <string.h>

#include "daemon/vmm/console.h"
#include "daemon/vmm/vmm.h"

/* The host is made by whoever composes the daemon, as zeros. */
static struct list *console_head(struct list *l)
{
    if (!l->next)
        list_init(l);
    return l;
}

void console_register(struct console *c)
{
    list_add_tail(console_head(&c->host->consoles), &c->link);
}

void console_unregister(struct console *c)
{
    list_remove(&c->link);
}

bool console_watch(struct vmm_host *host, struct console_watch *w, const char *path,
                   void (*news)(void *arg, bool fresh), void *arg)
{
    *w = (struct console_watch){.path = path, .news = news, .arg = arg};
    list_init(&w->link);
    list_add_tail(console_head(&host->console_watches), &w->link);
    list_foreach(pos, console_head(&host->consoles))
    {
        struct console *c = container_of(pos, struct console, link);
        if (c->refresh && strcmp(c->path, path) == 0)
            return c->refresh(c->refresh_arg);
    }
    return false;
}

void console_unwatch(struct console_watch *w)
{
    if (w->news)
        list_remove(&w->link);
    w->news = NULL;
}

/* Any watch may end meanwhile. */
void console_tell(struct vmm_host *host, const char *path, bool fresh)
{
    struct list turn, *watches = console_head(&host->console_watches);
    list_turn_begin(&turn, watches);
    for (struct list *pos; (pos = list_turn_next(&turn, watches));) {
        struct console_watch *w = container_of(pos, struct console_watch, link);
        if (strcmp(w->path, path) == 0)
            w->news(w->arg, fresh);
    }
}

bool console_is_watched(const struct console *c)
{
    list_foreach(pos, console_head(&c->host->console_watches))
    {
        if (strcmp(container_of(pos, struct console_watch, link)->path, c->path) == 0)
            return true;
    }
    return false;
}
