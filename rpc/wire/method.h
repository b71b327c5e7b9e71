/* What the generated stubs say of a service: one table row per method, shared by server, client,
 * authorisation and reflection. The master is the .proto file with banger.v1 method options. */
#ifndef BANGER_RPC_WIRE_METHOD_H
#define BANGER_RPC_WIRE_METHOD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc_call;

/* Who may call; values of banger.v1.Role. Each role includes those before it, save FLEET, which
 * holds what admin may and is meant for controllers. */
enum rpc_role {
    RPC_ROLE_NONE = 0, /* no option in the .proto: nobody may call; the generator refuses it */
    RPC_ROLE_ANYONE = 1,
    RPC_ROLE_VIEWER = 2,
    RPC_ROLE_OPERATOR = 3,
    RPC_ROLE_ADMIN = 4,
    RPC_ROLE_FLEET = 5,
};

/* What a call does to what there is: proto/banger/v1/options.proto. */
enum rpc_effect {
    RPC_EFFECT_CHANGE,
    RPC_EFFECT_READ,
    RPC_EFFECT_FREE,
};

enum { RPC_CLIENT_STREAMS = 1, RPC_SERVER_STREAMS = 2 };

/* Generated: calls the typed handler; false when it is NULL (answered UNIMPLEMENTED). request is
 * NULL for methods whose client streams. */
typedef bool rpc_dispatch_fn(const void *handlers, void *self, struct rpc_call *call,
                             const ProtobufCMessage *request);

struct rpc_method {
    const char *name; /* CreateVM */
    const char *path; /* /banger.v1.VMService/CreateVM */
    const ProtobufCMessageDescriptor *request;
    const ProtobufCMessageDescriptor *response;
    rpc_dispatch_fn *dispatch;
    uint8_t streams;              /* RPC_CLIENT_STREAMS | RPC_SERVER_STREAMS */
    uint8_t role;                 /* enum rpc_role */
    uint8_t effect;               /* enum rpc_effect */
    bool host_wide;               /* not for peers that are scoped */
    bool idempotent;              /* may be sent again after a lost connection */
    uint32_t default_deadline_ms; /* where the client sends none; 0: none */
    uint32_t max_request_bytes;   /* 0: the server's limit */
    uint32_t max_response_bytes;  /* 0: the client's limit */
    bool planned;                 /* deliberately not built */
    bool sign_of_life;            /* that its caller is still there, and nothing else */
    const char *resource_kind;    /* of what an id or a name in its messages is: "vm" */
    const char *summary;          /* the first sentence of its comment; "": none */
};

struct rpc_service {
    const char *name; /* banger.v1.VMService */
    const struct rpc_method *methods;
    size_t n_methods;
};

#endif
