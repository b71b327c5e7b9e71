/* Client of the QEMU Machine Protocol on its Unix socket, as events of the loop.
 * https://www.qemu.org/docs/master/interop/qmp-spec.html
 *
 * Keeps connecting until closed: qemu serves one connection at a time and may be stopped for as
 * long as it likes, so "not connected" is a state and not an error. A command waits for the
 * connection within its own deadline. Nothing that qemu says is trusted: lines, replies and the
 * queue are bounded, what does not parse ends the connection. */
#ifndef BANGER_DAEMON_VMM_QMP_H
#define BANGER_DAEMON_VMM_QMP_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/list.h"
#include "daemon/model/model.h"
#include "rpc/event/loop.h"

struct err;

enum { QMP_LINE_BYTES = 256 * 1024, QMP_COMMANDS_MAX = 16 };

struct qmp_events {
    void (*up)(void *arg); /* negotiated: commands flow */
    void (*event)(void *arg, const char *name, const json_t *data);
};

/* value is what qemu returned, borrowed; or NULL with err (ERR_DEADLINE, ERR_UNAVAILABLE: the
 * connection went, ERR_ABORTED: closed, ERR_UNKNOWN: qemu refused, with its words). */
typedef void qmp_reply_fn(void *arg, const json_t *value, const struct err *err);

enum qmp_state { QMP_CLOSED, QMP_WAITING, QMP_GREETING, QMP_NEGOTIATING, QMP_UP };

struct qmp {
    struct loop *loop;
    char path[SOCKET_PATH_BYTES];
    const struct qmp_events *events;
    void *arg;
    enum qmp_state state;
    int fd; /* owned; -1 */
    struct watch watch;
    struct timer retry;
    int64_t retry_ms;
    uint32_t tries; /* since it was last up */
    struct buf in, out;
    struct list commands; /* struct qmp_command: sent and not yet sent */
    size_t n_commands;
    uint64_t next_id;
};

int qmp_init(struct qmp *q, struct loop *loop, const char *path, const struct qmp_events *events,
             void *arg);
/* Begins to connect. */
void qmp_open(struct qmp *q);
/* Ends open commands with ERR_ABORTED, from inside this call; then nothing comes any more. */
void qmp_close(struct qmp *q);
void qmp_done(struct qmp *q);
static inline bool qmp_is_up(const struct qmp *q)
{
    return q->state == QMP_UP;
}
/* Takes args (a new reference, or NULL). reply comes exactly once and later, or -1 and never; reply
 * NULL: nobody cares. */
int qmp_call(struct qmp *q, const char *command, json_t *args, int64_t deadline_ms,
             qmp_reply_fn *reply, void *arg, struct err *err);

#endif
