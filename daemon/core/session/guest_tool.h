/* A tool of the agent (agent/tool.h) run in a guest: a program with bytes both ways and one end,
 * over broken links; what file transfers, forwards and the like are made of.
 *
 * It is a session that nobody lists and no disk knows: its caller is its only owner, and it ends
 * with him. Nothing is buffered here but stdin that the tool has not taken (the agent's window at
 * most). On the loop's thread; no event comes from inside a function of this header. */
#ifndef BANGER_DAEMON_CORE_SESSION_GUEST_TOOL_H
#define BANGER_DAEMON_CORE_SESSION_GUEST_TOOL_H

#include <stddef.h>
#include <stdint.h>

struct core;
struct err;
struct guest_tool;
struct vm_entry;

enum {
    GUEST_TOOL_ARGS = 32,           /* its name included */
    GUEST_TOOL_CREDIT = 256 * 1024, /* of stdout, granted and not come yet: at most */
    GUEST_TOOL_START_MS = 25000     /* a guest that does not start it in this time is silent */
};

struct guest_tool_spec {
    const char *const *argv; /* argv[0]: the tool */
    size_t argc;
    const char *user, *group; /* NULL or "": root, and the user's */
    /* Of stdout, granted and not come yet; the guest keeps twice that. 0: GUEST_TOOL_CREDIT. */
    uint32_t most_credit;
};

struct guest_tool_events {
    /* Stdout, contiguous; uses up credit. May close the tool. */
    void (*data)(void *arg, const uint8_t *data, uint32_t len);
    /* After guest_tool_write took less than it was given; never again once the tool reads no more,
     * which is no error: its end says what is. May be NULL. */
    void (*writable)(void *arg);
    /* Last, behind all data; NULL: it did what it was to. Else what the tool said, with a reason
     * for programs (FILE_NOT_FOUND, …: guest_tool_error.c), GUEST_SILENT, or ERR_UNAVAILABLE where
     * the guest has gone. The tool is still to be closed. */
    void (*ended)(void *arg, const struct err *err);
};

/* The tool, the caller's to close, or NULL: ERR_PRECONDITION (VM_NOT_RUNNING, VM_PAUSED,
 * AGENT_TOO_OLD), ERR_INVALID (arguments). spec is copied. credit: bytes of stdout that may come.
 */
struct guest_tool *guest_tool_run(struct core *core, struct vm_entry *vm,
                                  const struct guest_tool_spec *spec, uint32_t credit,
                                  const struct guest_tool_events *events, void *arg,
                                  struct err *err);
/* How many of the bytes were taken; all, where the tool reads no more. Fewer: writable follows. */
size_t guest_tool_write(struct guest_tool *t, const void *data, size_t len);
/* Nothing more will be written. */
void guest_tool_finish(struct guest_tool *t);
/* No more than most_credit together: what is beyond it is not granted. */
void guest_tool_grant(struct guest_tool *t, uint32_t bytes);
/* At any time, from inside events too: it is killed and forgotten, and nothing comes after this.
 * NULL is fine. */
void guest_tool_close(struct guest_tool *t);

/* guest_tool_error.c: what a tool has said ("2 /x: no such file") as an error. */
void guest_tool_error(struct err *err, const char *words);

#endif
