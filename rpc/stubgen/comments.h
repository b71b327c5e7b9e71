/* Comments of a .proto file, as protoc hands them on: what stands above a thing, and behind it. */
#ifndef BANGER_RPC_STUBGEN_COMMENTS_H
#define BANGER_RPC_STUBGEN_COMMENTS_H

#include "rpc/stubgen/names.h"
#include "rpc/stubgen/schema.h"

/* Borrowed; "" where there is none. Each line begins as it does in the file, with its blank. */
const char *comment_above(const proto_file *file, struct schema_path path);
const char *comment_behind(const proto_file *file, struct schema_path path);
/* The first sentence on one line, without white space at its ends and its full stop; cut to fit. */
struct name comment_summary(const char *text);

/* Where a service and a method of it stand. */
struct schema_path comment_service_path(const proto_file *file, const proto_service *service);
struct schema_path comment_method_path(const proto_file *file, const proto_service *service,
                                       const proto_method *method);

#endif
