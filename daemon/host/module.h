/* Kernel modules: finds those a guest needs below a folder of .ko files and sorts them so that each
 * comes after what it depends on. Dependencies are read from the modules themselves (.modinfo), as
 * a kernel package that was never installed has no modules.dep. For workers. */
#ifndef BANGER_DAEMON_HOST_MODULE_H
#define BANGER_DAEMON_HOST_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct module {
    char name[64];    /* with _, never - */
    uint8_t *content; /* owned; decompressed */
    size_t len;
};

enum { MODULE_SET_MAX = 64 };

struct module_set {
    struct module at[MODULE_SET_MAX]; /* in load order */
    size_t n;
    char *builtin; /* owned; content of modules.builtin, "" without such a file */
};

struct module_want {
    const char *name;
    bool required; /* missing, and not built into the kernel, is an error */
};

/* What a banger guest loads: virtio over MMIO with disk, console and network, vsock, ext4. */
extern const struct module_want module_guest_wants[];
extern const size_t module_guest_wants_n;

/* set is empty before and to be released by module_set_done in either case. */
int module_collect(const char *folder, const struct module_want *wants, size_t n_wants,
                   struct module_set *set, struct err *err);
void module_set_done(struct module_set *set);

/* The comma-separated names in an ELF module's depends= field, NUL-terminated, "" for none. Sans
 * I/O; the input is not trusted. */
int module_read_depends(const uint8_t *elf, size_t len, char *depends, size_t depends_bytes,
                        struct err *err);

#endif
