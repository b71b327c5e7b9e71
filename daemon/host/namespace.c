/* Arguments of setpriv and unshare; see namespace.h. */
#include "daemon/host/namespace.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --kill-child: what runs inside ends with unshare, which ends with us. --mount makes propagation
 * private; /proc has to show the new pids. */
#define NAMESPACE_UNSHARE "unshare --mount --pid --fork --kill-child --mount-proc"

const char namespace_probe[] =
    "if [ \"$(id -u)\" = 0 ]; then " NAMESPACE_UNSHARE " true && echo root && exit; "
    "elif [ \"$1\" = all ] && " NAMESPACE_UNSHARE " --user --map-root-user --map-auto true; "
    "then echo subids && exit; "
    "elif " NAMESPACE_UNSHARE " --user --map-current-user true; then echo self && exit; "
    "fi 2>/dev/null; echo none";

enum namespace_kind namespace_of(const char *word)
{
    size_t n = strcspn(word, "\n");
    if (n == 4 && strncmp(word, "root", n) == 0)
        return NAMESPACE_ROOT;
    if (n == 6 && strncmp(word, "subids", n) == 0)
        return NAMESPACE_SUBIDS;
    return n == 4 && strncmp(word, "self", n) == 0 ? NAMESPACE_SELF : NAMESPACE_NONE;
}

void namespace_argv_add(struct namespace_argv *a, const char *arg)
{
    if (!arg)
        return;
    assert(a->n < NAMESPACE_ARGV_MAX);
    a->argv[a->n++] = arg;
    a->argv[a->n] = NULL;
}

void namespace_argv_init(struct namespace_argv *a, enum namespace_kind kind)
{
    /* We may have ended before setpriv asked for the signal: then another is its parent now. */
    static const char *const with_us[] = {
        "setpriv", "--pdeathsig", "KILL", "sh", "-c", "[ \"$PPID\" = \"$0\" ] && exec \"$@\""};
    static const char *const own[] = {"unshare", "--mount",      "--pid",
                                      "--fork",  "--kill-child", "--mount-proc"};
    a->n = 0;
    snprintf(a->parent, sizeof(a->parent), "%d", (int)getpid());
    for (size_t i = 0; i < sizeof(with_us) / sizeof(with_us[0]); i++)
        namespace_argv_add(a, with_us[i]);
    namespace_argv_add(a, a->parent);
    for (size_t i = 0; kind != NAMESPACE_NONE && i < sizeof(own) / sizeof(own[0]); i++)
        namespace_argv_add(a, own[i]);
    if (kind == NAMESPACE_SUBIDS) {
        namespace_argv_add(a, "--user");
        namespace_argv_add(a, "--map-root-user");
        namespace_argv_add(a, "--map-auto");
    } else if (kind == NAMESPACE_SELF) {
        namespace_argv_add(a, "--user");
        namespace_argv_add(a, "--map-current-user");
    }
}
