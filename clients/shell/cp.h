/* vm cp: a source of an archive, a sink for it, and a place in between where both go on after a
 * loss (tree/tar_read.h). Either is a local tree, a guest's, or our standard stream. */
#ifndef BANGER_SHELL_CP_H
#define BANGER_SHELL_CP_H

#include <sys/types.h>

#include "cli.h"
#include "tree/unpack.h"

enum { CP_BLOCK_BYTES = 128 * 1024, CP_PATH_BYTES = 4096, CP_TOKEN_BYTES = 48 };

struct cp_options {
    const char *user, *owners;
    bool archive, follow, devices;
};

/* One end, as it was typed. */
struct cp_end {
    char *vm;         /* owned; NULL: here */
    const char *path; /* "-": a standard stream, where vm is NULL */
};

enum cp_kind { CP_MISSING, CP_FILE, CP_FOLDER };

/* What the two ends have come to by the rules of cp_paths.c. */
struct cp_plan {
    struct cp_end from, to;
    char root[CP_PATH_BYTES]; /* the folder that is written to */
    char name[256];           /* in it; "": the content of the source */
    const struct cp_options *options;
    /* Of a tree of ours: what of it goes along (pack.h); NULL: all. */
    bool (*wanted)(void *arg, const char *path);
    void *arg;
    int interrupt_fd; /* readable: it ends, as INTERRUPTED; 0: none */
    bool into_folder; /* what it is copied to has to be one, and there */
    /* What the source is; and the guest that is written to has still to say what the destination
     * is, as the copy begins: root and name come of it. */
    enum cp_kind kind;
    bool asks;
};

enum cp_result { CP_ALL, CP_NOT_ALL, CP_INTERRUPTED, CP_FAILED };

/* Copies, and goes on after losses. What went wrong is printed, but for an interruption. */
enum cp_result cp_copy(struct cli *cli, struct cp_plan *plan);

bool cp_is_pipe(const struct cp_end *end);
/* With error. */
bool cp_is_interrupted(const struct cp_plan *plan, struct banger_error *error);
/* Looks at what has to be known before the copy begins and fills in root and name, or has it asked.
 * 0, or an exit status with the error printed. */
int cp_plan_paths(struct cli *cli, struct cp_plan *plan);
/* The same when the destination is known; it asks no more. */
int cp_plan_decide(struct cp_plan *plan, enum cp_kind to);
/* The same where the guest does not say so itself. */
int cp_plan_look(struct cli *cli, struct cp_plan *plan);

struct cp_source {
    const struct cp_plan *plan;
    struct cli *cli;
    struct pack *pack;            /* a tree of ours */
    struct banger_stream *stream; /* a guest's */
    ProtobufCMessage *message;    /* owned: what data points into */
    const uint8_t *data;
    size_t left;
};

/* From the last whole block before a place; -1 with error. */
int cp_source_open(struct cp_source *s, struct tar_place place, struct banger_error *error);
/* Some bytes, borrowed until the next call; 0: the end; -1 with error. */
ssize_t cp_source_read(struct cp_source *s, const uint8_t **data, struct banger_error *error);
void cp_source_close(struct cp_source *s);

struct cp_sink {
    const struct cp_plan *plan;
    struct cli *cli;
    struct unpack *unpack;    /* a tree of ours */
    struct tar_reader reader; /* standard output: knows where the archive is */
    bool has_reader;
    size_t drop;                  /* of what comes: standard output has it */
    struct banger_stream *stream; /* a guest's */
    struct tar_place place;       /* where another would go on */
    uint64_t files, bytes;        /* that arrived */
    bool done;                    /* the guest has all */
    enum cp_kind to;              /* what the guest said of the destination, if it was asked */
    uint64_t troubles;            /* of what could not be written */
    char trouble[512];
};

int cp_sink_open(struct cp_sink *s, struct tar_place place, struct banger_error *error);
int cp_sink_write(struct cp_sink *s, const uint8_t *data, size_t len, struct banger_error *error);
/* All was given: waits until all is there. */
int cp_sink_finish(struct cp_sink *s, struct banger_error *error);
/* It is not gone on with: what the guest has of a file that is not whole is removed there. Waits
 * for that, for some seconds. */
void cp_sink_abandon(struct cp_sink *s);
/* keep: it may go on. */
void cp_sink_close(struct cp_sink *s, bool keep);

/* An error of ours in the library's clothes; -1. */
int cp_error(struct banger_error *error, const struct err *err);
void cp_token(char text[CP_TOKEN_BYTES], struct tar_place place);

#endif
