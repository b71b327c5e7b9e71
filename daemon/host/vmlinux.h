/* Kernel images: the ELF vmlinux inside a bzImage, which starts faster than the bzImage and is what
 * both drivers take. Sans I/O; every offset in the input is checked. */
#ifndef BANGER_DAEMON_HOST_VMLINUX_H
#define BANGER_DAEMON_HOST_VMLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* image is a bzImage (protocol 2.08 or later) or already an ELF vmlinux. Caller frees *out. */
int vmlinux_extract(const uint8_t *image, size_t len, uint8_t **out, size_t *out_len,
                    struct err *err);

/* An x86-64 ELF whose segments lie inside the file and which has a PVH entry point
 * (XEN_ELFNOTE_PHYS32_ENTRY): the way in that qemu's microvm and Firecracker use. */
int vmlinux_check(const uint8_t *elf, size_t len, struct err *err);

/* The release in the kernel's banner ("Linux version 6.1.0-40-cloud-amd64 …"), of letters, digits
 * and . _ + - only; false where there is none. */
bool vmlinux_release(const uint8_t *elf, size_t len, char *out, size_t size);

#endif
