/* Which calls go into the audit log, and what is said of them.
 *
 * Written is every call of a method that changes something, whatever came of it, and every call
 * that was denied; reads and signs of life are not, as the contract says of each method (effect,
 * sign_of_life). One observer of the server's does it for all services. */
#ifndef BANGER_DAEMON_SERVICE_AUDIT_H
#define BANGER_DAEMON_SERVICE_AUDIT_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

struct core;
struct operation_entry;
struct rpc_call;
struct rpc_method;
struct rpc_peer;
struct rpc_server;

/* From now on the server's calls are written. */
void audit_observe(struct rpc_server *server, struct core *core);
/* The call began, or asks for, this operation: it is written even if the client does not wait. */
void audit_note_operation(struct rpc_call *call, const struct operation_entry *op);

/* What a message is about, as "vm/box", by its descriptor alone: a reference to a session, a VM,
 * …, else a name or id, of the method's resource_kind; of an Operation its
 * resource. "" where it names nothing. Valid UTF-8, cut to fit. */
void audit_resource(const struct rpc_method *method, const ProtobufCMessage *message,
                    char *resource, size_t bytes);

enum { PEER_TEXT_BYTES = 64 };
/* Where a peer is: "192.0.2.7:43210", "uid 1000, pid 4242". */
void audit_peer(const struct rpc_peer *peer, char text[PEER_TEXT_BYTES]);

#endif
