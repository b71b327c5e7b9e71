/* See habits.h. */
#include "habits.h"

#include <string.h>

static const struct habit habits[] = {
    {NULL, "ps", "vm", "list", NULL},
    {NULL, "run", "vm", "run", NULL},
    {NULL, "exec", "vm", "exec", NULL},
    {NULL, "images", "image", "list", NULL},
    {NULL, "info", "host", "show", NULL},
    {NULL, "events", "event", "watch", NULL},
    {NULL, "build", NULL, NULL, "\"banger image build\" makes an image of packages"},
    {NULL, "pull", NULL, NULL, "\"banger image build\" and \"banger image import\" make images"},
    {NULL, "rmi", NULL, NULL, "\"banger image delete\" it is"},
    {NULL, "logs", NULL, NULL,
     "\"banger session logs\" prints a command's output, \"banger vm logs\" the console's"},
    {NULL, "attach", NULL, NULL, "\"banger session attach\" follows a command"},
    {NULL, "ssh", NULL, NULL, "\"banger vm exec -i VM -- /bin/sh\" runs a shell"},
    {NULL, "top", NULL, NULL, "\"banger vm stats -f\" shows what VMs use"},
    {NULL, "config", NULL, NULL, "\"bangerd --help\" has the daemon's configuration"},
    {"vm", "attach", NULL, NULL, "\"banger session attach\" follows a command"},
    {"vm", "ssh", NULL, NULL, "\"banger vm exec -i VM -- /bin/sh\" runs a shell"},
    {"vm", "shell", NULL, NULL, "\"banger vm exec -i VM -- /bin/sh\" runs a shell"},
    {"vm", "ps", NULL, NULL, "\"banger session list VM\" lists commands, \"banger vm list\" VMs"},
    {"vm", "top", NULL, NULL, "\"banger vm stats -f\" shows what VMs use"},
    {"image", "pull", NULL, NULL, "\"banger image build\" and \"banger image import\" make images"},
};

const struct habit *habit_find(const char *noun, const char *word)
{
    for (size_t i = 0; i < sizeof(habits) / sizeof(habits[0]); i++) {
        const struct habit *h = &habits[i];
        if (!h->noun == !noun && (!noun || strcmp(h->noun, noun) == 0) &&
            strcmp(h->word, word) == 0)
            return h;
    }
    return NULL;
}
