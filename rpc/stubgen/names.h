/* How things of a .proto file are called in C.
 *
 * Messages are named by protoc-c, and the first group repeats its rules to the letter (c_helpers.cc
 * of protobuf-c 1.4). Stubs are ours: words split where a reader would, acronyms kept whole. */
#ifndef BANGER_RPC_STUBGEN_NAMES_H
#define BANGER_RPC_STUBGEN_NAMES_H

#include <stdbool.h>

/* Passed by value; the plugin refuses longer names before it uses any (check.c). */
enum { NAME_BYTES = 512, NAME_MAX_PROTO_CHARS = 160 };

struct name {
    char text[NAME_BYTES];
};

/* scope.child, or child where scope is NULL or "". */
struct name name_full(const char *scope, const char *child);

/* protoc-c's. A leading dot of full_name is skipped. */
struct name
name_c_type(const char *full_name); /* banger.v1.GetVMRequest: Banger__V1__GetVMRequest */
struct name name_c_symbol(const char *full_name);   /* banger__v1__get_vmrequest */
struct name name_c_constant(const char *full_name); /* BANGER__V1__GET_VMREQUEST */
struct name name_c_field(const char *field);        /* userName: username; int: int_ */
/* The member that says which field of a oneof is set: kind: kind_case. */
struct name name_c_oneof_case(const char *oneof);
/* True for a field that protoc-c writes as it is although C, or a header that everybody includes,
 * has another use for the word. */
bool name_c_field_clashes(const char *field);
/* The words as protoc-c joins them inside symbols: whichOne: which_one. */
struct name name_c_lower(const char *camel);
struct name name_c_camel(const char *snake);

/* Ours. */
struct name name_snake(const char *camel); /* ListVMs: list_vms; GetVMHandles: get_vm_handles */
struct name name_upper(const char *s);
/* package "banger.v1", service "VMService": banger_v1_vm_service. */
struct name name_service(const char *package, const char *service);
/* What a service is about: "GuestSessionService": session. */
struct name name_service_kind(const char *service);
/* Include guard of a file: banger/v1/vm + .rpc.h: BANGER_V1_VM_RPC_H. */
struct name name_guard(const char *path);
/* A method as a member of the handlers' struct: its snake case, with _ behind a C keyword. */
struct name name_handler(const char *method);

#endif
