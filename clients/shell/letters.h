/* Letters of options: each means one thing on the whole command line. Rows of options name them;
 * clients_options_test holds the rows, this table and docs/cli.md against each other. */
#ifndef BANGER_SHELL_LETTERS_H
#define BANGER_SHELL_LETTERS_H

struct letter {
    char letter;
    const char *name; /* of the option, without --; NULL: banger has no such letter */
    const char *meaning;
};

extern const struct letter letter_table[]; /* by letter; ends with 0 */

/* NULL: nothing is known of it. */
const struct letter *letter_find(char letter);

#endif
