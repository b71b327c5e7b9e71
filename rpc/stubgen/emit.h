/* What is written: four files for a .proto file with services; four of the contract as a whole; and
 * its manual. */
#ifndef BANGER_RPC_STUBGEN_EMIT_H
#define BANGER_RPC_STUBGEN_EMIT_H

#include "rpc/stubgen/names.h"
#include "rpc/stubgen/policy.h"
#include "rpc/stubgen/schema.h"
#include "rpc/stubgen/text.h"

/* A method with its names made. */
struct stub {
    const proto_method *proto;
    const proto_service *proto_service;
    struct name summary;           /* the first sentence of its comment */
    struct name service;           /* banger_v1_vm_service */
    struct name snake;             /* create_vm */
    struct name function;          /* banger_v1_vm_service_create_vm */
    struct name constant;          /* BANGER_V1_VM_SERVICE_CREATE_VM */
    struct name request, response; /* C types */
    bool client_streams, server_streams;
};

struct stub stub_make(const proto_file *file, const proto_service *service,
                      const proto_method *method);
/* File name without .proto. */
struct name emit_stem(const proto_file *file);
void emit_banner(struct text *t, const proto_file *file);
/* A C string. */
void emit_quoted(struct text *t, const char *s);

void emit_client_header(struct text *t, const proto_file *file); /* .rpc.h */
void emit_table(struct text *t, const proto_file *file);         /* .rpc.c */
void emit_server_header(struct text *t, const proto_file *file); /* .server.rpc.h */
void emit_server(struct text *t, const proto_file *file);        /* .server.rpc.c */

/* Of the whole contract, which is the files that the request generates for; with the parameter
 * "contract". */
void emit_contract_header(struct text *t, const proto_request *request); /* contract.rpc.h */
void emit_contract(struct text *t, const proto_request *request);        /* contract.rpc.c */
void emit_messages(struct text *t, const proto_request *request);        /* messages.h */
void emit_methods(struct text *t, const proto_request *request);         /* methods.h */

/* With the parameter "manual", and nothing else then: api.md. */
void emit_manual(struct text *t, const proto_request *request);

/* A file of the request that is generated for, or NULL beyond the last: as they were named. */
const proto_file *emit_file(const proto_request *request, size_t i);

#endif
