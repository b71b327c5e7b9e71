/* The frame of the banger command: nouns and their commands as tables, and what every command uses.
 *
 * A command is one row of a table in its noun's file: parser, help and completion all read that
 * row. It gets its options in a struct of its own and returns the exit status. */
#ifndef BANGER_SHELL_CLI_H
#define BANGER_SHELL_CLI_H

#include <stdio.h>

#include <banger/client.h>
#include <banger/methods.h>
#include <banger/operation.h>

#include "opt.h"

enum {
    EXIT_OUTPUT_LOST = 122, /* where the command's own was 0 */
    EXIT_BANGER = 125,      /* banger's own error, wrong usage included */
    EXIT_CANNOT_RUN = 126,
    EXIT_NO_COMMAND = 127,
};

struct cli_options {
    const char *output;   /* table, json, yaml */
    const char *socket;   /* NULL: the local daemon's */
    const char *context;  /* NULL: BANGER_HOST, else the current one, else the local daemon */
    const char *progress; /* auto, plain, none */
    const char *format;   /* template for messages; NULL: none */
    const char *errors;   /* text, json */
    bool quiet, verbose, help, no_headers;
    struct opt_number timeout; /* for operations to end */
};

struct lease;

struct cli {
    struct cli_options options;
    struct banger_client *client; /* NULL until cli_connect */
    unsigned n_documents;         /* YAML documents printed so far */
    bool told_version;            /* that the daemon's is another */
    struct lease *lease;          /* of a VM that is ours alone, to be renewed; NULL: none */
    bool has_signals;             /* its command has a struct stream_signals of its own */
};

struct command {
    const char *name, *alias; /* "" for a noun without commands; alias may be NULL */
    const char *args;         /* for help: "VM..." */
    const char *summary;      /* one line */
    const char *details;      /* paragraphs, or NULL */
    const struct opt *opts;   /* or NULL */
    size_t values_size;       /* of the struct that opts fill */
    int min_refs, max_refs;   /* -1: any number */
    bool rest;                /* a command line follows the references */
    enum names names;         /* what references name */
    int (*run)(struct cli *cli, const void *values, const struct opt_args *args);
};

struct noun {
    const char *name, *summary;
    const struct command *const *commands; /* ends with NULL */
};

extern const struct noun *const nouns[]; /* ends with NULL */
extern const struct opt global_opts[];

/* help.c */
/* ref: the first reference, or NULL: help of what it names, where there is some. False, with the
 * error printed: it names nothing. */
bool help_print(const struct noun *noun, const struct command *command, const char *ref);
const struct noun *noun_find(const char *name);
const struct command *command_find(const struct noun *noun, const char *name);

/* complete.c: prints what may stand for the last of words, one a line, with a tab and a
 * description. */
int complete_words(struct cli *cli, int n_words, char **words);

/* Connects, starting the local daemon where there is none. 0, or -1 with the error printed. */
int cli_connect(struct cli *cli);
/* Which daemon is meant: "" the local one, a path of a socket, or the name of a context. */
enum { CLI_TARGET_BYTES = 4096 };
int cli_where(const struct cli *cli, char target[CLI_TARGET_BYTES], struct banger_error *error);
/* Says on stderr, once, that the local daemon is of another version, where it is. */
void cli_tell_version(struct cli *cli, const char *version);
/* As that, never starting one. */
int cli_connect_running(struct cli *cli, struct banger_error *error);
/* "banger: what: why (hint)" on stderr; returns EXIT_BANGER. */
int cli_fail(const struct banger_error *error, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* For wrong usage that the tables cannot tell; returns EXIT_BANGER. */
int cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* An error with a status of its own, which is returned. reason: a word for programs. */
int cli_fail_with(int status, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether all three print JSON, a document a line: as --errors says. */
void cli_errors_as_json(bool wanted);
/* Fresh request_id. */
enum { REQUEST_ID_BYTES = 40 };
const char *cli_request_id(char out[REQUEST_ID_BYTES]);
/* Status of a command that printed to stdout: EXIT_BANGER with a message when it could not be. */
int cli_end_output(struct cli *cli);

/* print.c */
/* True for -o table (the default), unless --format is given. */
bool cli_is_table(const struct cli *cli);
/* Prints a message as -o json, -o yaml or --format says. 0 or EXIT_BANGER. */
int cli_print_message(struct cli *cli, const ProtobufCMessage *message);
/* The same with JSON on one line: for what comes one by one, without an end. */
int cli_print_line(struct cli *cli, const ProtobufCMessage *message);
/* As --format says; stdout is not flushed. */
int cli_print_formatted(struct cli *cli, const ProtobufCMessage *message);
/* A document that is no message, such as {"context": "box", "result": "removed"}. */
struct cli_pair {
    const char *name, *value; /* NULL ends */
};
int cli_print_pairs(struct cli *cli, const struct cli_pair *pairs);
/* That something was done: its reference, or such a document. */
int cli_print_done(struct cli *cli, const char *kind, const char *ref, const char *done);
/* A line with texts of others in it, whose control characters are left out (utf8_tame). -1: not
 * written. */
int cli_say(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* JSON, or YAML of ours, without control characters that it could leave as they are. */
void cli_write_document(FILE *out, const char *text);
/* A JSON string, which YAML takes, too. */
void cli_write_quoted(FILE *out, const char *text);

struct table;
/* Prints and frees a table. */
int cli_print_table(struct cli *cli, struct table *t);
/* A "Name: value" line of a description; nothing for an empty value. */
void cli_print_field(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Operations of several things at once: start one for each reference, then follow all. what is the
 * verb for messages. Prints each reference when its operation has succeeded. */
typedef Banger__V1__Operation *cli_start_fn(struct cli *cli, const char *ref, const void *values,
                                            struct banger_error *error);
int cli_run_operations(struct cli *cli, const char *what, cli_start_fn *start, const void *values,
                       const struct opt_args *args);
/* Follows one operation with progress shown; takes it. A signal ends the program and says that the
 * operation goes on, unless the command takes signals itself (has_signals). The ended operation, or
 * NULL with error: its own error where it failed. */
Banger__V1__Operation *cli_follow(struct cli *cli, const char *label,
                                  Banger__V1__Operation *operation, struct banger_error *error);

/* The part of "vm/ID" behind the slash. */
const char *resource_id(const char *resource);
/* "VM_STATE_RUNNING" -> "running", by the enum's descriptor. */
enum { WORD_BYTES = 32 };
const char *enum_word(char out[WORD_BYTES], const ProtobufCEnumDescriptor *type, int value);
long long timestamp_seconds(const Google__Protobuf__Timestamp *t);
/* Splits "key=value" in a copy; NULL when there is no = or the key is empty. */
char *split_pair(const char *text, char **value);

#define FREE_MESSAGE(m) banger_message_free((m) ? &(m)->base : NULL)

#endif
