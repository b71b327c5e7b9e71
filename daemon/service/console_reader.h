/* A reader of a VM's console log, at the pace of its call: pieces come from disk on a worker, and
 * are asked for while the call takes more. At the end it is woken by whoever writes the log
 * (daemon/vmm/console_watch.h); one that does not follow waits there for what the guest had said
 * when it came. On the loop's thread; events come from the loop, and each may close the reader. */
#ifndef BANGER_DAEMON_SERVICE_CONSOLE_READER_H
#define BANGER_DAEMON_SERVICE_CONSOLE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console_reader;
struct core;
struct err;
struct rpc_call;
struct vm_entry;

enum { CONSOLE_PIECE_BYTES = 32 * 1024, CONSOLE_TAIL_LINES_MAX = 100000 };

/* Where it begins; of several the first that is set. */
struct console_start {
    uint32_t tail_lines; /* at most CONSOLE_TAIL_LINES_MAX */
    uint64_t tail_bytes;
    bool end;        /* only what comes */
    bool has_offset; /* else what is kept */
    uint64_t offset;
};

struct console_reader_events {
    /* Once, ahead of all else: where it begins. NULL: not wanted. */
    void (*begun)(void *arg, uint64_t offset);
    /* What was at [from, to) is not kept any more. NULL: not wanted. */
    void (*gap)(void *arg, uint64_t from, uint64_t to);
    /* Contiguous but for gaps. */
    void (*piece)(void *arg, uint64_t offset, const uint8_t *data, size_t len);
    /* The last one. err NULL: nothing comes any more. ERR_RANGE: the offset is past the end. */
    void (*ended)(void *arg, const struct err *err);
};

/* Counts as a use of the VM while it is open. NULL with err: ERR_LIMIT, ERR_INVALID. start is
 * copied; events must outlive it. */
struct console_reader *console_reader_open(struct core *core, struct rpc_call *call,
                                           struct vm_entry *vm, const struct console_start *start,
                                           bool follow, const struct console_reader_events *events,
                                           void *arg, struct err *err);
/* The call takes more. */
void console_reader_pump(struct console_reader *r);
/* No event after this. NULL is fine. */
void console_reader_close(struct console_reader *r);

#endif
