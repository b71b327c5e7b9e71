/* Kernels and modules made by hand, small and right, for tests to bend. */
#ifndef BANGER_TESTS_UNIT_HOST_MADE_H
#define BANGER_TESTS_UNIT_HOST_MADE_H

#include <stddef.h>
#include <stdint.h>

/* An ELF module whose .modinfo says depends=…; caller frees. */
uint8_t *made_module(const char *depends, size_t *len);
/* An ELF kernel with one load segment and, if pvh, the PVH note. */
uint8_t *made_vmlinux(int pvh, size_t *len);
/* A bzImage around that kernel, as an LZ4 legacy frame. */
uint8_t *made_bzimage(const uint8_t *kernel, size_t kernel_len, size_t *len);
/* The modules that a guest wants, and modules.builtin, in a folder that is made. */
void made_modules(const char *folder);
/* A fresh folder under /tmp, removed by made_folder_done. */
const char *made_folder(void);
void made_folder_done(void);
void made_file(const char *folder, const char *name, const void *data, size_t len);

#endif
