/* See search_path.h. */
#include "base/search_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool search_folders(const char *folders, const char *program, char *path, size_t size)
{
    for (size_t len; *folders; folders += len + (folders[len] == ':')) {
        struct stat st;
        len = strcspn(folders, ":");
        int n = snprintf(path, size, "%.*s/%s", (int)len, folders, program);
        if (len > 0 && n > 0 && (size_t)n < size && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
            access(path, X_OK) == 0)
            return true;
    }
    return false;
}

bool search_path(const char *program, const char *more, char *path, size_t size)
{
    const char *folders = getenv("PATH");
    return search_folders(folders ? folders : "/usr/bin:/bin", program, path, size) ||
           (more && search_folders(more, program, path, size));
}
