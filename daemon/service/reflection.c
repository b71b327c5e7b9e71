/* grpc.reflection: the contract as protoc compiled it, which is a part of the program. */
#include "rpc/reflection/reflection.h"

#include <stdint.h>

#include "daemon/service/service.h"

/* GNU as reads the file; C17 has no #embed. */
__asm__(".pushsection .rodata\n"
        ".balign 8\n"
        ".globl banger_descriptors, banger_descriptors_end\n"
        "banger_descriptors:\n"
        ".incbin \"" BANGER_DESCRIPTOR_FILE "\"\n"
        "banger_descriptors_end:\n"
        ".byte 0\n"
        ".popsection\n");

extern const uint8_t banger_descriptors[] __attribute__((visibility("hidden")));
extern const uint8_t banger_descriptors_end[] __attribute__((visibility("hidden")));

int reflection_service_register(struct rpc_server *server, struct core *core, struct err *err)
{
    (void)core;
    /* Both are labels of one section: the assembler put the file between them. */
    size_t len = (size_t)((uintptr_t)banger_descriptors_end - (uintptr_t)banger_descriptors);
    return reflection_register(server, banger_descriptors, len, err);
}
