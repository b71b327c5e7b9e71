/* Where the program bangerd is. Not installed. */
#ifndef BANGER_CLIENT_DAEMON_PROGRAM_H
#define BANGER_CLIENT_DAEMON_PROGRAM_H

#include <stddef.h>

struct banger_error;

/* given, else BANGER_DAEMON, else where base/programs.h says: by the running program's folder, then
 * by that of libbanger.so; else in PATH. -1 with NOT_FOUND. */
int daemon_program_find(const char *given, char *out, size_t size, struct banger_error *error);

#endif
