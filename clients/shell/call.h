/* Calling any method of the contract with JSON. */
#ifndef BANGER_SHELL_CALL_H
#define BANGER_SHELL_CALL_H

#include <banger/contract.h>

#include "cli.h"

/* The method that a word names: "GetVM" where that is one, "VMService/GetVM", or its whole path.
 * NULL, with the error printed. */
const struct banger_method *call_find(const char *word);
/* Its path as people write it, and the shortest that names it alone: "VMService/GetVM", "GetVM". */
const char *call_name(const struct banger_method *method);
const char *call_short_name(const struct banger_method *method);

/* call_help.c: what a method takes and gives, field by field. */
void call_print_help(const struct banger_method *method);

/* What a method is called with. */
struct call_text {
    const char *data; /* NULL: documents from stdin, as they come */
    size_t len;
};

/* call_stream.c: a method that streams. Returns the exit status. */
int call_stream(struct cli *cli, const struct banger_method *method, struct banger_call *call,
                const struct call_text *text);

/* call_input.c: JSON documents, one after the other, from pieces of text. */
enum { CALL_DOCUMENT_BYTES = 16 << 20 };

struct call_input {
    char *data; /* owned */
    size_t len, cap;
    size_t scanned; /* of data, by call_input_next */
    size_t depth;   /* of brackets there */
    bool in_string, escaped;
};

void call_input_done(struct call_input *in);
/* -1 with the error printed: no memory, or a document that is too long. */
int call_input_add(struct call_input *in, const char *text, size_t len);
/* 1 with a document, borrowed until the next add or next; 0: there is no whole one; -1: what comes
 * is no document, printed. */
int call_input_next(struct call_input *in, const char **document, size_t *len);
/* Whether something is left that is no whole document. */
bool call_input_is_broken(const struct call_input *in);
/* All of stdin, for free(); NULL with the error printed. */
char *call_input_all(size_t *len);

#endif
