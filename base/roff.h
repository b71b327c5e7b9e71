/* Manual pages, as our programs write them from their tables. Texts are ASCII. */
#ifndef BANGER_BASE_ROFF_H
#define BANGER_BASE_ROFF_H

#include <stdio.h>

/* The page's title, and its section NAME. version: of the program. */
void roff_head(FILE *to, const char *name, int section, const char *version, const char *what);
/* A text as it is, whatever it says to roff: a backslash, a minus, a dot that begins a line. */
void roff_text(FILE *to, const char *text);
/* The same and the end of the line. */
void roff_line(FILE *to, const char *text);
/* "a\n  b\n\nc": paragraphs, whose lines are filled; indented lines stay as they are. */
void roff_paragraphs(FILE *to, const char *text);
/* An argument of a macro: as roff_text, in quotes. */
void roff_quoted(FILE *to, const char *text);

#endif
