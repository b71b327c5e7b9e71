/* See daemon_program.h. */
#include "daemon_program.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/paths.h"
#include "base/programs.h"
#include "base/search_path.h"
#include "internal.h"

/* A program may be anywhere, and have libbanger.so from an installation. */
static int daemon_program_by_library(char out[PROGRAM_PATH_BYTES])
{
    static const char here;
    Dl_info info;
    char file[PATHS_BYTES];
    if (!dladdr(&here, &info) || !info.dli_fname || !realpath(info.dli_fname, file))
        return -1;
    *strrchr(file, '/') = '\0';
    return program_find(PROGRAM_DAEMON_OF_LIBRARY, file, out, NULL);
}

int daemon_program_find(const char *given, char *out, size_t size, struct banger_error *error)
{
    const char *named = given ? given : getenv("BANGER_DAEMON");
    if (named && *named) {
        int len = snprintf(out, size, "%s", named);
        if (len > 0 && (size_t)len < size && access(out, X_OK) == 0)
            return 0;
        return error_set(error, BANGER_NOT_FOUND, "the daemon %.200s cannot be executed", named);
    }
    char found[PROGRAM_PATH_BYTES];
    struct err err = ERR_INIT;
    if (program_find(PROGRAM_DAEMON, NULL, found, &err) == 0 ||
        daemon_program_by_library(found) == 0) {
        int len = snprintf(out, size, "%s", found);
        if (len > 0 && (size_t)len < size)
            return 0;
    }
    if (search_path("bangerd", NULL, out, size))
        return 0;
    return error_set(error, BANGER_NOT_FOUND,
                     "%s, then beside libbanger and in PATH; set BANGER_DAEMON", err.message);
}
