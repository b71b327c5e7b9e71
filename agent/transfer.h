/* Moves bytes between a file and the store so that an agent that is killed at any instruction
 * neither loses nor doubles one of them.
 *
 * A read() that has happened and was not written down would be a loss: nobody knows how much it
 * took. So bytes go through a pipe of our own that is empty in between and that the keeper holds.
 * What is written down, before anything is read from it, is what the counter will be when it is
 * empty; so at any moment the counter is that less what is in the pipe. Spliced in the kernel, no
 * byte is copied more often than by a plain read(). */
#ifndef BANGER_AGENT_TRANSFER_H
#define BANGER_AGENT_TRANSFER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spool;
struct store;

enum { TRANSFER_BYTES = 64 * 1024 };

struct transfer {
    struct store *store;
    int out[2], in[2]; /* pipes, owned */
};

/* Makes the pipes, or takes those of an earlier agent. 0, or -1 with errno. */
int transfer_init(struct transfer *t, struct store *store);
void transfer_done(struct transfer *t);
/* Has a keeper hold them that was not there before. */
void transfer_put(struct transfer *t);

/* At most n_bytes from fd into the spool; as read(). */
ssize_t transfer_read(struct transfer *t, int fd, struct spool *spool, size_t n_bytes);
/* At most n_bytes (TRANSFER_BYTES) to fd; *counter, in the store, grows by what was taken. As
 * write(). */
ssize_t transfer_write(struct transfer *t, int fd, const void *data, size_t n_bytes,
                       uint64_t *counter);

/* The slot and stream of which an earlier agent has read something that is not in its spool yet;
 * -1: none. */
int transfer_interrupted(const struct transfer *t, uint32_t *stream);
/* Puts it there; NULL: it is nobody's. */
void transfer_finish_read(struct transfer *t, struct spool *spool);
/* What an earlier agent was about to write: counted as far as it was. */
void transfer_finish_write(struct transfer *t);

#endif
