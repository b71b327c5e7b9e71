/* What the files of the file noun share. */
#ifndef BANGER_SHELL_FILE_H
#define BANGER_SHELL_FILE_H

#include "cli.h"
#include "guest_path.h"

struct file_options {
    const char *user, *mode;
    bool follow, recursive, parents, force;
};

#define FILE_USER_OPT                                                                              \
    {                                                                                              \
        "user", 'u', OPT_STRING, offsetof(struct file_options, user), "USER",                      \
            "user of the guest who does it (default: root)", NULL, NAMES_NONE                      \
    }

/* 0, or EXIT_BANGER with the error printed. guest_path_done is due in any case. */
int file_parse(struct guest_path *p, const char *text);

/* file_content.c */
extern const struct command file_read_command, file_write_command, file_watch_command;

#endif
