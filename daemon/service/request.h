/* What services have in common: request identity, references, labels, states. */
#ifndef BANGER_DAEMON_SERVICE_REQUEST_H
#define BANGER_DAEMON_SERVICE_REQUEST_H

#include <stddef.h>
#include <stdint.h>

#include "banger/v1/common.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "daemon/core/operation/operation.h"
#include "daemon/model/model.h"
#include "rpc/wire/call.h"

struct core;
struct err;

/* Checks request_id (at most 63 printable characters) and fills id, digest of the whole request,
 * principal and scope. */
int request_meta_fill(struct request_meta *meta, struct core *core, struct rpc_call *call,
                      const ProtobufCMessage *request, const char *request_id, struct err *err);

/* What the caller may see (daemon/core/access/scope.h); whatever a request names goes through
 * these. NULL: not there, or not for the caller, and the call is finished. */
const struct labels *request_scope(const struct core *core, const struct rpc_call *call);
struct vm_entry *request_find_vm(struct core *core, struct rpc_call *call, const char *ref);
struct operation_entry *request_find_operation(struct core *core, struct rpc_call *call,
                                               const char *ref);

/* Copies a string field into a fixed array; ERR_INVALID names the field when it is too long. */
int request_copy(char *to, size_t to_bytes, const char *from, const char *field, struct err *err);
/* Checks and copies labels: count, key alphabet, lengths, duplicates. */
int request_labels(struct labels *labels, Banger__V1__Label *const *from, size_t n,
                   struct err *err);
/* What is to be matched: empty where there is none. A key that no label can have matches nothing.
 */
int request_selector(struct labels *selector, const Banger__V1__LabelSelector *from,
                     struct err *err);

/* Unix nanoseconds of a moment after 1970; 0 where there is none. ERR_INVALID names the field. */
int request_time(int64_t *unix_ns, const Google__Protobuf__Timestamp *from, const char *field,
                 struct err *err);

/* A list of states as a set: bit N for state N, all bits where the list is empty. ERR_INVALID for a
 * value from outside 1 to last. */
int request_states(uint32_t *set, const void *states, size_t n, int last, struct err *err);

#endif
