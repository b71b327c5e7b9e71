/* Writing a guest session's stdin without an attach: a piece of any size, in which nobody else's
 * bytes lie, whatever becomes of connections and daemons meanwhile.
 *
 *   struct banger_stdin *in = banger_stdin_open(client, "job", NULL, &error);
 *   while ((n = read(fd, data, sizeof(data))) > 0 && banger_stdin_write(in, data, n, &error) == 0)
 *       continue;
 *   banger_stdin_end(in, true, NULL, &error);
 *   banger_stdin_close(in);
 *
 * It is made of SendStdin, part by part: nothing is kept here but the part that is next. */
#ifndef BANGER_CLIENT_STDIN_H
#define BANGER_CLIENT_STDIN_H

#include "banger/client.h"

#ifdef __cplusplus
extern "C" {
#endif

struct banger_stdin;

/* session, vm: references; vm may be NULL. Nothing is sent yet. */
struct banger_stdin *banger_stdin_open(struct banger_client *client, const char *session,
                                       const char *vm, struct banger_error *error);
/* An attached writer, where there is one, becomes a viewer, rather than that this fails. */
void banger_stdin_set_takeover(struct banger_stdin *in, bool takeover);
/* How long to try again after a loss, or while stdin is busy with what others send; at first 60000.
 */
void banger_stdin_set_retry_ms(struct banger_stdin *in, int64_t ms);
/* Adds to the piece; waits for the process to read, where that has to be. -1: it is over, what has
 * been sent stays. */
int banger_stdin_write(struct banger_stdin *in, const void *data, size_t len,
                       struct banger_error *error);
/* The piece is complete: 0 when the process has it all. eof: stdin ends behind it. offset, which
 * may be NULL, becomes where that is. */
int banger_stdin_end(struct banger_stdin *in, bool eof, uint64_t *offset,
                     struct banger_error *error);
/* One that was not ended is cut off where it is: the daemon lets others write within 10 s. NULL is
 * fine. */
void banger_stdin_close(struct banger_stdin *in);

#ifdef __cplusplus
}
#endif

#endif
