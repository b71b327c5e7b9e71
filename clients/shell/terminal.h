/* The user's terminal, while a session's terminal is shown on it: raw, so that every key goes to
 * the guest, and as before on every way out: an end, an error, a stop and its continuation, a
 * signal that kills, a crash. One at a time.
 *
 * Of a terminal that is not ours any more (we were put into the background) nothing is changed. */
#ifndef BANGER_SHELL_TERMINAL_H
#define BANGER_SHELL_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

enum terminal_news { TERMINAL_NOTHING, TERMINAL_RESIZED, TERMINAL_STOP };

/* Standard input and output are both one. */
bool terminal_is_ours(void);
/* Rows and columns of it; false where it has none, or none of the three standard files is one. */
bool terminal_size(uint32_t *rows, uint32_t *columns);
/* 0, or EXIT_BANGER with the error printed. */
int terminal_begin(void);
/* Harmless without terminal_begin, and again. Safe in a signal's handler. */
void terminal_end(void);
bool terminal_is_raw(void);
/* Readable when there is news; -1: not begun. */
int terminal_fd(void);
/* What has happened since; TERMINAL_STOP is for terminal_stop. */
enum terminal_news terminal_take(void);
/* Gives the terminal back, stops this program as its shell expects, and goes on where that
 * continues it: the size may be another then. */
void terminal_stop(void);

#endif
