/* The contract as a table, for programs that call methods which they do not know when they are
 * built; with banger_invoke, banger_stream_open and banger_message_from_json all of them can be.
 * Everything is static and for any thread. docs/api.md has the same to read. */
#ifndef BANGER_CLIENT_CONTRACT_H
#define BANGER_CLIENT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#ifdef __cplusplus
extern "C" {
#endif

struct banger_method;

/* Services one after the other, each with its methods; NULL behind the last. */
const struct banger_method *banger_method_at(size_t i);

/* As calls take it: "/banger.v1.VMService/CreateVM". */
const char *banger_method_path(const struct banger_method *method);
/* What it does, in a sentence; "": not said. */
const char *banger_method_summary(const struct banger_method *method);
const ProtobufCMessageDescriptor *banger_method_request(const struct banger_method *method);
const ProtobufCMessageDescriptor *banger_method_response(const struct banger_method *method);
bool banger_method_client_streams(const struct banger_method *method);
bool banger_method_server_streams(const struct banger_method *method);
/* The least role that may call it: "anyone", "viewer", "operator", "admin", "fleet". */
const char *banger_method_role(const struct banger_method *method);
/* Whether it is in the contract and not built: UNIMPLEMENTED. */
bool banger_method_is_planned(const struct banger_method *method);

#ifdef __cplusplus
}
#endif

#endif
