/* What the parts of the manual share; see emit_manual.c. */
#ifndef BANGER_RPC_STUBGEN_EMIT_MANUAL_H
#define BANGER_RPC_STUBGEN_EMIT_MANUAL_H

#include "rpc/stubgen/schema.h"
#include "rpc/stubgen/text.h"

/* ".banger.v1.StoreStatus.State" -> "StoreStatus.State"; borrowed. */
const char *manual_type_heading(const char *type);
/* "vm.proto"; borrowed. */
const char *manual_file_heading(const proto_file *file);
/* Every message and enum of a file. */
void manual_types(struct text *t, const proto_file *file);

#endif
