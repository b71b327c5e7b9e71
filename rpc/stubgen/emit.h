/* The four files that are written for a .proto file with services. */
#ifndef BANGER_RPC_STUBGEN_EMIT_H
#define BANGER_RPC_STUBGEN_EMIT_H

#include "rpc/stubgen/names.h"
#include "rpc/stubgen/policy.h"
#include "rpc/stubgen/schema.h"
#include "rpc/stubgen/text.h"

/* A method with its names made. */
struct stub {
    const proto_method *proto;
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

void emit_client_header(struct text *t, const proto_file *file); /* .rpc.h */
void emit_table(struct text *t, const proto_file *file);         /* .rpc.c */
void emit_server_header(struct text *t, const proto_file *file); /* .server.rpc.h */
void emit_server(struct text *t, const proto_file *file);        /* .server.rpc.c */

#endif
