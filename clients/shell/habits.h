/* Words that people type from habit: some stand for a command, for others it is said what to type.
 */
#ifndef BANGER_SHELL_HABITS_H
#define BANGER_SHELL_HABITS_H

#include <stddef.h>

struct habit {
    const char *noun; /* NULL: the word stands in a noun's place */
    const char *word;
    const char *for_noun, *for_command; /* what it stands for; NULL: only hint */
    const char *hint;                   /* a sentence behind "there is no …: " */
};

/* NULL: none. */
const struct habit *habit_find(const char *noun, const char *word);

#endif
