/* The log as a file with a bound: at max_bytes PATH becomes PATH.1 (replacing the one before) and a
 * new one begins. The file is this process's stderr, so that what a library or the runtime says
 * before an abort is in it, too.
 *
 * Opening again (SIGHUP) is for those who move it away themselves. The functions are for one
 * thread; entries may be written by any meanwhile. */
#ifndef BANGER_BASE_LOG_FILE_H
#define BANGER_BASE_LOG_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum { LOG_FILE_MIN_BYTES = 4096 };

/* Made with mode 0600 where there is none; appended to. -1: what was in use stays in use. */
int log_file_use(const char *path, uint64_t max_bytes, struct err *err);
/* Opens the path again; 0 too where no file is in use. -1: the one in use stays. */
int log_file_reopen(struct err *err);
/* True if stderr is that file already. */
bool log_file_is_stderr(const char *path);

#endif
