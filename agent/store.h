/* What outlives the agent: shared memory and open files, both held by the keeper (keeper.h), so
 * that an agent that is killed, crashes or is replaced finds everything where it was.
 *
 * The memory is one sparse memfd: a head, then a slot for each session (session_slot.h) with room
 * for its streams. The agent works in it, so there is nothing to save: what counts is the order of
 * its stores, as it may end between any two. Open files are put in by slot and kind. The next agent
 * is a child of the keeper and inherits them by number.
 *
 * Who waits for processes writes here how they ended (store_reap): the keeper, whose children the
 * sessions' processes are, or the agent itself where there is none, as in tests. */
#ifndef BANGER_AGENT_STORE_H
#define BANGER_AGENT_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

enum {
    STORE_VERSION = 1,  /* of the head; another one is never read */
    STORE_SLOTS = 4352, /* sessions, live and ended; the last slot is the agent's own (agent.h) */
    STORE_AGENT = STORE_SLOTS - 1,
    STORE_FDS = 6,
    STORE_ROOM_BYTES = 128 * 1024, /* of an output stream */
    STORE_STDIN_BYTES = 256 * 1024,
    STORE_SLOT_BYTES = 4096, /* the slot itself, before its rooms */
};

/* Files of a session's slot. */
enum store_kind {
    STORE_STDIN,
    STORE_STDOUT,
    STORE_STDERR,
    STORE_REPORT,
    STORE_SPOOL_OUT,
    STORE_SPOOL_ERR,
};
enum {
    STORE_ALL = (1 << STORE_FDS) - 1,
    STORE_PIPES = 1 << STORE_STDIN | 1 << STORE_STDOUT | 1 << STORE_STDERR | 1 << STORE_REPORT,
};
/* And of the agent's own: the pipes of transfer.h. */
enum { STORE_OUT_READ, STORE_OUT_WRITE, STORE_IN_READ, STORE_IN_WRITE };

/* A pid that is not known yet, and one that never will be: see store_claim. */
enum { STORE_PID_NONE = 0, STORE_PID_INTENT = -1, STORE_PID_VOID = -2 };

struct store_exit {
    _Atomic uint32_t known; /* the rest is set, and the process reaped */
    int32_t status;         /* as waitpid has it */
    int64_t real_ns, mono_ns;
};

/* A transfer under way; see transfer.h. */
struct store_transfer {
    uint32_t slot, stream;
    uint64_t counter_at; /* offset of the counter in the store */
    _Atomic uint64_t to; /* what it will be; 0: nothing */
};

struct store_head {
    char magic[8];
    uint32_t version, head_bytes;
    uint32_t slot_bytes; /* of what is known of a slot; later versions add at its end */
    uint32_t restarts;   /* of the agent */
    uint32_t fell_back;  /* so many new agents were given up */
    uint32_t unused;
    _Atomic int32_t pids[STORE_SLOTS];
    struct store_exit exits[STORE_SLOTS];
    int32_t fds[STORE_SLOTS][STORE_FDS]; /* the keeper's numbers plus 1; 0: none */
    struct store_transfer out, in;
    uint64_t orders; /* of starts and ends of sessions, counted */
};

struct store {
    int fd;        /* the memory, owned; -1: none */
    int keeper_fd; /* SOCK_SEQPACKET to the keeper, owned; -1: none */
    struct store_head *head;
    uint8_t *slots;           /* behind the head */
    uint32_t next_free;       /* where to begin to look */
    bool adopted;             /* an earlier agent's */
    uint8_t put[STORE_SLOTS]; /* kinds that the keeper holds, or is about to */
};

/* A new, empty one without a keeper. 0, or -1 with errno. */
int store_make(struct store *s);
/* That of an earlier agent; both fds are taken. -1 with the reason where its layout is not ours:
 * nothing has been read or changed then, and store_reset is what is left. */
int store_open(struct store *s, int fd, int keeper_fd, struct err *err);
/* Kills what is left of the sessions and makes it an empty one. */
void store_reset(struct store *s);
void store_done(struct store *s);

/* A free slot, all zeros; -1: there is none. */
int store_take(struct store *s);
/* The first slot from `from` on (the agent's own is none) that has memory, so that it may be used;
 * -1: there is none. To read one that has none would give it a page. */
int store_next(const struct store *s, uint32_t from);
/* Files and memory of the slot go. */
void store_free(struct store *s, uint32_t slot);
void *store_slot(const struct store *s, uint32_t slot);
/* Rooms: 0 and 1 STORE_ROOM_BYTES, 2 STORE_STDIN_BYTES. */
uint8_t *store_room(const struct store *s, uint32_t slot, int which);
/* Gives back the memory of a room from its byte `from` on, which then reads as zeros. */
void store_free_room(struct store *s, uint32_t slot, int which, size_t from);

/* Has the keeper hold fds (STORE_FDS of them; -1: none) for the slot, in place of those of the same
 * kinds; when this returns that will happen even if we end. */
void store_put(struct store *s, uint32_t slot, const int fds[STORE_FDS]);
void store_put_one(struct store *s, uint32_t slot, int kind, int fd);
/* Those of the mask (1 << kind) that it holds. */
void store_drop(struct store *s, uint32_t slot, uint32_t mask);
/* One of those that we have inherited, close-on-exec from now on and the caller's; -1: none. */
int store_inherit(struct store *s, uint32_t slot, int kind);

/* Before the fork, and the one thing between it and a process: each of two agents, and the process,
 * may try; one of them gets it. The process goes on only if it did. */
void store_intend(struct store *s, uint32_t slot);
bool store_claim(struct store *s, uint32_t slot, pid_t pid);
/* The process will never run; false: it has claimed its slot. */
bool store_void(struct store *s, uint32_t slot);
pid_t store_pid(const struct store *s, uint32_t slot);
/* NULL: it has not ended. */
const struct store_exit *store_ended(const struct store *s, uint32_t slot);

/* Reaps children of this process, at most max, those of slots with how they ended. agent: a child
 * that is left alone, and it may start others at any time; 0: we are it. *again: there are more, or
 * one that cannot be placed yet. Returns how many were reaped. */
int store_reap(struct store *s, int max, pid_t agent, bool *again);

/* What the agent says to the keeper: one packet each. */
enum store_op {
    STORE_OP_PUT = 1, /* mask: kinds, in the order of the fds that come along */
    STORE_OP_DROP,
    STORE_OP_DROP_ALL,
    STORE_OP_READY, /* the agent has begun its work */
    STORE_OP_FILE,  /* agents are started from the file that comes along, from the next one on */
};
struct store_message {
    uint32_t op, slot, mask;
};
/* 0, or -1 with errno. */
int store_say(struct store *s, enum store_op op, uint32_t slot, uint32_t mask, const int *fds,
              int n_fds);

#endif
