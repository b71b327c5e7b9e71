/* See programs.h. */
#include "base/programs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

enum { PLACES = 3 };

/* BANGER_FROM_…: of an installation, from base/CMakeLists.txt. */
static const struct program_places {
    const char *name;
    int access;                 /* what we have to be able to do with it */
    const char *places[PLACES]; /* NULL ends */
} programs[] = {
    [PROGRAM_DAEMON] = {"bangerd", X_OK, {BANGER_FROM_BIN, "bangerd", "../../daemon/bangerd"}},
    [PROGRAM_DAEMON_OF_LIBRARY] = {"bangerd", X_OK, {BANGER_FROM_LIB, "../../daemon/bangerd"}},
    [PROGRAM_AGENT] = {"banger-agent",
                       R_OK,
                       {BANGER_FROM_SBIN, "../agent/banger-agent", "banger-agent"}},
    [PROGRAM_SSH_PROXY] = {"banger-ssh-proxy",
                           X_OK,
                           {BANGER_FROM_BIN_SSH, "banger-ssh-proxy", "../ssh/banger-ssh-proxy"}},
    [PROGRAM_SSH] = {"banger-ssh", X_OK, {BANGER_FROM_SBIN_SSH, "guest/banger-ssh", "banger-ssh"}},
    [PROGRAM_PRIV] = {"banger-priv",
                      X_OK,
                      {BANGER_FROM_SBIN_PRIV, "priv/banger-priv", "banger-priv"}},
    [PROGRAM_PRIV_OF_CLI] = {"banger-priv",
                             X_OK,
                             {BANGER_FROM_BIN_PRIV, "banger-priv",
                              "../../daemon/priv/banger-priv"}},
    [PROGRAM_NET] = {"banger-net", X_OK, {BANGER_FROM_SBIN_NET, "vmm/banger-net", "banger-net"}},
};

static int program_folder(char out[PROGRAM_PATH_BYTES], struct err *err)
{
    ssize_t n = readlink("/proc/self/exe", out, PROGRAM_PATH_BYTES - 1);
    if (n < 0)
        return err_sys(err, errno, "cannot find the running program");
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (!slash)
        return err_set(err, ERR_NOT_FOUND, "the running program has no folder: %.200s", out);
    *slash = '\0';
    return 0;
}

static int program_refuse(const struct program_places *p, const char *folder, struct err *err)
{
    char places[256];
    size_t at = 0;
    places[0] = '\0';
    for (size_t i = 0; i < PLACES && p->places[i] && at < sizeof(places); i++) {
        int n = snprintf(places + at, sizeof(places) - at, "%s%s", i ? ", " : "", p->places[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    return err_set(err, ERR_NOT_FOUND, "no %s: looked in %.200s for %s", p->name, folder, places);
}

int program_find(enum program which, const char *folder, char out[PROGRAM_PATH_BYTES],
                 struct err *err)
{
    const struct program_places *p = &programs[which];
    char own[PROGRAM_PATH_BYTES];
    if (!folder && program_folder(own, err) < 0)
        return -1;
    folder = folder ? folder : own;
    for (size_t i = 0; i < PLACES && p->places[i]; i++) {
        char path[PROGRAM_PATH_BYTES];
        int n = snprintf(path, sizeof(path), "%s/%s", folder, p->places[i]);
        if (n > 0 && (size_t)n < sizeof(path) && realpath(path, out) && access(out, p->access) == 0)
            return 0;
    }
    return program_refuse(p, folder, err);
}
