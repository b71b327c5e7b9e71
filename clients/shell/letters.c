/* See letters.h. Those without a name are habits of other command lines: an error says what to
 * type. */
#include "letters.h"

#include <stddef.h>

const struct letter letter_table[] = {
    {'R', "reverse", "listen in the guest, and connect to this machine"},
    {'a', NULL, "everything is listed without it; --running, --active and --state say less"},
    {'c', "cpus", "number of virtual CPUs"},
    {'d', "detach", "leave it running, and do not wait"},
    {'e', "env", "environment variable, NAME=VALUE"},
    {'f', "follow", "go on as more comes"},
    {'h', "help", "show help"},
    {'i', "interactive", "pass on standard input, from a terminal too"},
    {'k', "kind", "kind of event"},
    {'l', "label", "label, KEY=VALUE"},
    {'m', "memory", "size of memory"},
    {'n', "last", "only the last N: lines, or things listed"},
    {'o', "output", "form of what is printed"},
    {'p', "publish", "port of the daemon's machine for one of a guest, PORT:GUEST_PORT"},
    {'q', "quiet", "print ids only, and no progress"},
    {'r', "running", "only what has not ended"},
    {'s', "state", "only what is in that state"},
    {'t', "tty", "give the command a terminal"},
    {'u', "user", "user that the command runs as"},
    {'v', NULL,
     "--verbose says more, \"banger version\" the version; folders of the host are not mounted "
     "yet"},
    {'w', "cwd", "working directory of the command"},
    {0, NULL, NULL},
};

const struct letter *letter_find(char letter)
{
    for (const struct letter *l = letter_table; l->letter; l++)
        if (l->letter == letter)
            return l;
    return NULL;
}
