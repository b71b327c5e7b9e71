/* Compressed and packed input, read through libarchive with hard limits. For workers. */
#ifndef BANGER_DAEMON_HOST_UNPACK_H
#define BANGER_DAEMON_HOST_UNPACK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Decompresses gzip, xz, bzip2, lz4 (also the legacy frames of kernels) or zstd, whichever data is;
 * what is not compressed comes back as it is. ERR_LIMIT above max_bytes. Caller frees *out. */
int unpack_bytes(const void *data, size_t len, size_t max_bytes, uint8_t **out, size_t *out_len,
                 struct err *err);

/* The same for a whole file, such as a .ko.xz. */
int unpack_file(const char *path, size_t max_bytes, uint8_t **out, size_t *out_len,
                struct err *err);

/* Writes the kernel (as "vmlinuz"), its modules and modules.builtin (both by their last name) out
 * of a Debian kernel package into folder, which exists. version gets the module folder's name. */
int unpack_kernel_package(const char *deb, const char *folder, char *version, size_t version_bytes,
                          const atomic_bool *cancelled, struct err *err);

#endif
