/* Default paths: see paths.h for the order of what is asked. */
#include "base/paths.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"

__attribute__((format(printf, 4, 5))) static int paths_put(char out[PATHS_BYTES], const char *what,
                                                           struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(out, PATHS_BYTES, fmt, ap);
    va_end(ap);
    if (len < 0 || len >= PATHS_BYTES)
        return err_set(err, ERR_LIMIT, "the path of the %s is too long", what);
    if (out[0] != '/')
        return err_set(err, ERR_INVALID, "the path of the %s must be absolute, not \"%.200s\"",
                       what, out);
    return 0;
}

/* A variable that is set and not empty, or NULL. */
static const char *paths_env(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int paths_state_dir(char out[PATHS_BYTES], struct err *err)
{
    const char *set = paths_env("BANGER_STATE_DIR");
    if (set)
        return paths_put(out, "state folder", err, "%s", set);
    if (geteuid() == 0)
        return paths_put(out, "state folder", err, "/var/lib/banger");
    const char *xdg = paths_env("XDG_STATE_HOME");
    if (xdg)
        return paths_put(out, "state folder", err, "%s/banger", xdg);
    const char *home = paths_env("HOME");
    if (!home)
        return err_set(err, ERR_INVALID, "HOME is not set: set BANGER_STATE_DIR");
    return paths_put(out, "state folder", err, "%s/.local/state/banger", home);
}

static int paths_runtime_dir(char out[PATHS_BYTES], const char *state_dir, struct err *err)
{
    const char *set = paths_env("BANGER_RUNTIME_DIR");
    if (set)
        return paths_put(out, "runtime folder", err, "%s", set);
    /* A state folder of one's own is a daemon of one's own: it must not take the usual socket. */
    if (paths_env("BANGER_STATE_DIR"))
        return paths_put(out, "runtime folder", err, "%s/run", state_dir);
    if (geteuid() == 0)
        return paths_put(out, "runtime folder", err, "/run/banger");
    const char *xdg = paths_env("XDG_RUNTIME_DIR");
    if (xdg)
        return paths_put(out, "runtime folder", err, "%s/banger", xdg);
    return paths_put(out, "runtime folder", err, "%s/run", state_dir);
}

int paths_default(struct paths *paths, struct err *err)
{
    if (paths_state_dir(paths->state_dir, err) < 0 ||
        paths_runtime_dir(paths->runtime_dir, paths->state_dir, err) < 0 ||
        paths_put(paths->log, "log", err, "%s/bangerd.log", paths->state_dir) < 0)
        return -1;
    const char *set = paths_env("BANGER_SOCKET");
    return set ? paths_put(paths->socket, "socket", err, "%s", set)
               : paths_put(paths->socket, "socket", err, "%s/bangerd.sock", paths->runtime_dir);
}
