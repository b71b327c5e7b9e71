/* No two things of the files to generate may get the same name in C. */
#ifndef BANGER_RPC_STUBGEN_CHECK_NAMES_H
#define BANGER_RPC_STUBGEN_CHECK_NAMES_H

#include "rpc/stubgen/schema.h"
#include "rpc/stubgen/text.h"

int check_names(const proto_request *request, const struct schema *schema, struct text *errors);

/* One complaint at a place in a file. */
void check_say(struct text *errors, const proto_file *file, struct schema_path path,
               const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
