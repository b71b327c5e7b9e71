/* Kernel modules: the dependencies in .modinfo. */
#include <stddef.h>
#include <stdint.h>

#include "daemon/host/module.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char depends[256];
    (void)module_read_depends(data, len, depends, sizeof(depends), NULL);
    return 0;
}
