/* `show` of a noun: what each reference stands for, as -q, -o and --format want it. */
#ifndef BANGER_SHELL_SHOW_H
#define BANGER_SHELL_SHOW_H

#include "cli.h"

struct show {
    const char *what; /* "image", for messages */
    /* The message, for banger_message_free; or NULL with error. It has a field "id". */
    ProtobufCMessage *(*get)(struct cli *cli, const char *ref, struct banger_error *error);
    void (*describe)(const ProtobufCMessage *message);
};

/* All the references; the worst status counts. */
int show_each(struct cli *cli, const struct show *show, const struct opt_args *args);
/* Frees the message. */
int show_message(struct cli *cli, const struct show *show, ProtobufCMessage *message);
/* Follows an operation (taken) that makes one (NULL with error: it did not start), and shows it. */
int show_made(struct cli *cli, const struct show *show, const char *label,
              Banger__V1__Operation *op, struct banger_error *error);

#endif
