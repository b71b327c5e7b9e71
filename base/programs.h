/* Where our own programs are that others of them start, or give on: by places relative to the
 * folder of the running program, first as they are installed, then as they are built. So an
 * installation works wherever it is moved. The one place that says so; the build tells what an
 * installation's places are (CMAKE_INSTALL_…). */
#ifndef BANGER_BASE_PROGRAMS_H
#define BANGER_BASE_PROGRAMS_H

#include <stddef.h>

struct err;

enum program {
    PROGRAM_DAEMON,            /* bangerd, by a program such as banger */
    PROGRAM_DAEMON_OF_LIBRARY, /* bangerd, by the folder of libbanger.so */
    PROGRAM_AGENT,             /* banger-agent, by bangerd */
    PROGRAM_SSH_PROXY,         /* banger-ssh-proxy, by banger */
    PROGRAM_SSH,               /* banger-ssh, by bangerd */
    PROGRAM_PRIV,              /* banger-priv, by bangerd */
    PROGRAM_PRIV_OF_CLI,       /* banger-priv, by banger */
    PROGRAM_NET,               /* banger-net, by bangerd */
};

enum { PROGRAM_PATH_BYTES = 4096 };

/* Its path, without links. folder: where to begin; NULL: that of the running program. -1 with
 * NOT_FOUND, which names the folder and all the places. Any thread. */
int program_find(enum program which, const char *folder, char out[PROGRAM_PATH_BYTES],
                 struct err *err);

#endif
