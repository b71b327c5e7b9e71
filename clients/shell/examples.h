/* An example or two of what a command is for: help and manual show them, a test parses them. */
#ifndef BANGER_SHELL_EXAMPLES_H
#define BANGER_SHELL_EXAMPLES_H

struct example {
    const char *noun, *command; /* NULL: of banger itself; the table ends where line is NULL */
    const char *line, *meaning;
};

extern const struct example example_table[];

struct noun;
struct command;

/* The next example of a command, or with noun == NULL of banger itself, behind after (NULL: the
 * first one); NULL: no more. */
const struct example *example_next(const struct noun *noun, const struct command *command,
                                   const struct example *after);

#endif
