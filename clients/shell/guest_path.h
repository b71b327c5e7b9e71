/* Files of guests as they are typed: VM:PATH. */
#ifndef BANGER_SHELL_GUEST_PATH_H
#define BANGER_SHELL_GUEST_PATH_H

#include <stdbool.h>

struct guest_path {
    char *vm;         /* owned */
    const char *path; /* in the text that it was made of; the user's home where none was given */
};

/* False: it names no guest's file; a path of ours with a colon in it is written ./a:b. vm is NULL
 * then, as it is, with true, where there is no memory. */
bool guest_path_parse(struct guest_path *p, const char *text);
void guest_path_done(struct guest_path *p);

#endif
