/* Kernel images: extraction from a bzImage and the check of the ELF inside. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "daemon/host/vmlinux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    auto_free uint8_t *kernel = NULL;
    size_t kernel_len;
    if (vmlinux_extract(data, len, &kernel, &kernel_len, NULL) == 0)
        (void)vmlinux_check(kernel, kernel_len, NULL);
    return 0;
}
