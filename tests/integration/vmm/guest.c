/* A cpio archive (newc, see the kernel's driver-api/early-userspace/buffer-format) of three files.
 */
#include "tests/integration/vmm/guest.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"

static void guest_put(FILE *f, const char *name, unsigned mode, unsigned major, unsigned minor,
                      const void *data, size_t len)
{
    static unsigned inode = 1;
    static const char zeros[4];
    size_t name_len = strlen(name) + 1;
    fprintf(f, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", inode++, mode, 0, 0,
            1, 0, len, 0, 0, major, minor, name_len, 0);
    fwrite(name, 1, name_len, f);
    fwrite(zeros, 1, (4 - (110 + name_len) % 4) % 4, f);
    fwrite(data, 1, len, f);
    fwrite(zeros, 1, (4 - len % 4) % 4, f);
}

int guest_write_initramfs(const char *path, const char *mode)
{
    auto_free char *init = NULL;
    size_t len;
    struct err err = ERR_INIT;
    if (fs_read(GUEST_INIT_FILE, 8u << 20, &init, &len, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return -1;
    }
    auto_file FILE *f = fopen(path, "we");
    if (!f) {
        perror(path);
        return -1;
    }
    guest_put(f, "dev", 040755, 0, 0, "", 0);
    guest_put(f, "dev/console", 020600, 5, 1, "", 0);
    guest_put(f, "init", 0100755, 0, 0, init, len);
    guest_put(f, "mode", 0100644, 0, 0, mode, strlen(mode));
    guest_put(f, "TRAILER!!!", 0, 0, 0, "", 0);
    return fflush(f) == 0 ? 0 : -1;
}

const char *guest_kernel(void)
{
    static char path[PATH_MAX];
    const char *folder = getenv("BANGER_TEST_ASSETS"), *vmlinux;
    if (folder && !path[0]) {
        snprintf(path, sizeof(path), "%s/assets.json", folder);
        json_t *all = json_load_file(path, 0, NULL);
        path[0] = '\0';
        if (json_unpack(all, "{s:{s:s}}", "kernel", "vmlinux", &vmlinux) == 0)
            snprintf(path, sizeof(path), "%s", vmlinux);
        json_decref(all);
    }
    return path[0] ? path : NULL;
}
