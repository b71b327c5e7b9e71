/* See daemon_program.h. */
#include "daemon_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/paths.h"
#include "base/search_path.h"
#include "internal.h"

static int daemon_program_try(char *out, size_t size, const char *folder, int folder_len,
                              const char *name)
{
    int len = snprintf(out, size, "%.*s/%s", folder_len, folder, name);
    return len > 0 && (size_t)len < size && access(out, X_OK) == 0 ? 0 : -1;
}

static int daemon_program_beside(char *out, size_t size)
{
    static const char *const places[] = {"../libexec/banger/bangerd", "../libexec/bangerd",
                                         "../sbin/bangerd", "bangerd", "../../daemon/bangerd"};
    char self[PATHS_BYTES];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (len <= 0)
        return -1;
    self[len] = '\0';
    const char *slash = strrchr(self, '/');
    for (size_t i = 0; slash && i < sizeof(places) / sizeof(places[0]); i++)
        if (daemon_program_try(out, size, self, (int)(slash - self), places[i]) == 0)
            return 0;
    return -1;
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
    if (daemon_program_beside(out, size) == 0 || search_path("bangerd", NULL, out, size))
        return 0;
    return error_set(error, BANGER_NOT_FOUND,
                     "bangerd is not installed beside this program nor in PATH: set BANGER_DAEMON");
}
