/* What the generator refuses, because protobuf-c cannot take it safely or C cannot name it. */
#ifndef BANGER_RPC_STUBGEN_CHECK_H
#define BANGER_RPC_STUBGEN_CHECK_H

#include "rpc/stubgen/schema.h"
#include "rpc/stubgen/text.h"

/* Appends "file:line: what is wrong and what to do" lines to errors, for the files to generate.
 * -1 when out of memory. */
int check_request(const proto_request *request, struct schema *schema, struct text *errors);

#endif
