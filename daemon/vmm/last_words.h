/* What a guest said last on its console, as evidence of how it ended and as words for people.
 *
 * The text is the guest's: any bytes, written to deceive if it likes. So it never decides alone
 * where there is better evidence, and only printable ASCII of bounded length comes out. Sans I/O.
 */
#ifndef BANGER_DAEMON_VMM_LAST_WORDS_H
#define BANGER_DAEMON_VMM_LAST_WORDS_H

#include <stddef.h>

enum last_words_end {
    LAST_WORDS_NONE,   /* neither of them is there */
    LAST_WORDS_PANIC,  /* the kernel's "Kernel panic - not syncing: ..." */
    LAST_WORDS_REBOOT, /* the kernel's "reboot: Restarting system" */
    LAST_WORDS_HALT, /* the kernel's "reboot: System halted" or "reboot: Power down", last of all */
};

/* By the line that comes last. */
enum last_words_end last_words_judge(const char *text, size_t len);
/* One line, NUL-terminated: the line of the panic, a little of what led to it, and what follows as
 * far as there is room; without a panic the last lines. Lines are parted by " | ", what is not
 * printable is left out. */
void last_words_write(const char *text, size_t len, char *out, size_t size);

#endif
