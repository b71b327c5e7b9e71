/* Options of a command line, described by tables: parser, help and completion read the same rows.
 *
 * Values go into a struct of the command's own, which starts as zeros: a row says where. */
#ifndef BANGER_SHELL_OPT_H
#define BANGER_SHELL_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opt_kind {
    OPT_FLAG,     /* bool */
    OPT_STRING,   /* const char * */
    OPT_LIST,     /* struct opt_list: may be given several times */
    OPT_COUNT,    /* struct opt_number */
    OPT_SIZE,     /* struct opt_number, bytes: 512M, 2G, 1GiB */
    OPT_DURATION, /* struct opt_number, milliseconds: 500ms, 10s, 5m, 1h; a bare number is seconds
                   */
};

/* What a value or an argument names, for completion. */
enum names {
    NAMES_NONE,
    NAMES_VM,
    NAMES_SESSION,
    NAMES_IMAGE,
    NAMES_KERNEL,
    NAMES_OPERATION,
    NAMES_CONTEXT,
    NAMES_FILE,
    NAMES_GUEST_FILE, /* VM:PATH */
    NAMES_ANY_FILE,   /* that, or a file here */
    NAMES_METHOD,
    NAMES_NOUN,
};

struct opt {
    const char *name; /* without --; NULL ends a table */
    char letter;      /* without -; 0: none */
    enum opt_kind kind;
    size_t offset;     /* in the struct of values */
    const char *value; /* what help calls it: "--name VALUE"; NULL for flags */
    const char *help;
    const char *choices; /* "a|b|c": the only values; NULL: any */
    enum names names;
};

struct opt_list {
    const char **items; /* owned array of borrowed strings */
    size_t n;
};

struct opt_number {
    uint64_t value;
    bool given;
};

struct opt_set {
    const struct opt *table;
    void *values;
};

/* How arguments are told from options. */
struct opt_rules {
    int max_refs; /* arguments before a command line; -1: any number, and no command line follows */
    bool rest;    /* after max_refs arguments, or --, everything is a command line */
};

struct opt_args {
    char **refs; /* owned array; the strings are argv's */
    int n_refs;
    char **rest; /* inside argv */
    int n_rest;
    bool rest_marked; /* a -- was given */
};

enum { OPT_ERROR_BYTES = 256 };

/* Parses argv[0..argc). sets are looked through in order. -1 with a sentence in error. */
int opt_parse(const struct opt_set *sets, size_t n_sets, const struct opt_rules *rules, int argc,
              char **argv, struct opt_args *args, char error[OPT_ERROR_BYTES]);
/* Frees the lists in values and the array in args. */
void opt_done(const struct opt_set *sets, size_t n_sets, struct opt_args *args);

/* Row for "--name" or "-x" (a leading part up to '=' counts), or NULL. */
const struct opt *opt_find(const struct opt *table, const char *word);

/* "512M" -> bytes; K M G T (with or without iB) are powers of 1024, KB MB GB TB of 1000. */
bool opt_parse_size(const char *text, uint64_t *bytes);
bool opt_parse_duration(const char *text, uint64_t *ms);
bool opt_parse_count(const char *text, uint64_t *count);

#endif
