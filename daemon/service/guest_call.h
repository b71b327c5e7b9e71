/* RPCs that are a tool in a guest (daemon/core/session/guest_tool.h) for as long as they last. Each
 * takes one of the guest's places for sessions, so there are bounds, here. */
#ifndef BANGER_DAEMON_SERVICE_GUEST_CALL_H
#define BANGER_DAEMON_SERVICE_GUEST_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"

struct core;
struct err;
struct guest_tool;
struct guest_tool_events;
struct guest_tool_spec;
struct rpc_call;
struct vm_entry;

enum {
    GUEST_CALLS_PER_VM = 32, /* half of the sessions that a guest has at once */
    GUEST_CALLS_PER_PEER = 256,
    GUEST_CALLS = 2048,
    GUEST_CALL_CREDIT = 256 * 1024,
};

/* Embedded in what a handler keeps of its call. */
struct guest_call {
    struct core *core;
    struct rpc_call *call;   /* counted */
    struct guest_tool *tool; /* NULL before guest_call_run */
    struct list member;      /* of core->guest_calls, from guest_call_run on */
    char vm_id[40];
    uint32_t owed_bytes; /* of stdout: sent on, to be granted when the call takes more */
};

void guest_call_init(struct guest_call *g, struct core *core, struct rpc_call *call);
/* When the call is closed: the tool with it. */
void guest_call_done(struct guest_call *g);
/* The VM, which comes before everything else of a request. Borrowed; NULL with VM_NOT_FOUND. */
struct vm_entry *guest_call_find_vm(struct guest_call *g, const char *ref, struct err *err);
/* Runs the tool in it. 0, or -1: FORWARD_LIMIT, or as guest_tool_run. */
int guest_call_run(struct guest_call *g, struct vm_entry *vm, const struct guest_tool_spec *spec,
                   const struct guest_tool_events *events, void *arg, struct err *err);
/* So many bytes of stdout were used; they are granted again as soon as the call takes more. */
void guest_call_used(struct guest_call *g, uint32_t len);
/* The call takes more (its writable event). */
void guest_call_writable(struct guest_call *g);

/* Lines of text out of a tool's stdout. */
enum { GUEST_LINE_BYTES = 512 };

struct guest_lines {
    size_t n;
    char text[GUEST_LINE_BYTES];
};

/* Calls take for each whole line, without its end, as valid UTF-8 without control characters but
 * tabs; stops at what is not 0, and returns that. A longer line is cut. */
int guest_lines_feed(struct guest_lines *lines, const uint8_t *data, size_t len,
                     int (*take)(void *arg, char *line), void *arg);

#endif
