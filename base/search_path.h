/* Looking for a program as a shell does. */
#ifndef BANGER_BASE_SEARCH_PATH_H
#define BANGER_BASE_SEARCH_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Path of the program in the first folder of PATH that has it, or else of `more` (folders between
 * colons; NULL: none); where PATH is not set, /usr/bin and /bin are looked through. A file that is
 * no plain one, or cannot be executed, is passed over, and so is an empty folder: what runs does
 * not hang on where the caller stands. False: nowhere, or the path does not fit. Blocks as long as
 * stat(2). */
bool search_path(const char *program, const char *more, char *path, size_t size);

#endif
