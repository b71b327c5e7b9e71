/* Where the daemon keeps its things and listens; the one place that decides it, so that daemon and
 * clients always agree. Everything here only computes: no folder is made. */
#ifndef BANGER_BASE_PATHS_H
#define BANGER_BASE_PATHS_H

struct err;

enum { PATHS_BYTES = 4096 };

struct paths {
    /* BANGER_STATE_DIR, else for root /var/lib/banger, else XDG_STATE_HOME/banger, else
     * HOME/.local/state/banger. */
    char state_dir[PATHS_BYTES];
    /* BANGER_RUNTIME_DIR, else with BANGER_STATE_DIR set <state_dir>/run, else for root
     * /run/banger, else XDG_RUNTIME_DIR/banger, else <state_dir>/run. */
    char runtime_dir[PATHS_BYTES];
    char socket[PATHS_BYTES]; /* BANGER_SOCKET, else <runtime_dir>/bangerd.sock */
    char log[PATHS_BYTES];    /* <state_dir>/bangerd.log: of a daemon that a client started */
};

/* Fills all of it from the environment and the user's id. ERR_INVALID for a relative path or when
 * no home is known, ERR_LIMIT for one too long. */
int paths_default(struct paths *paths, struct err *err);

#endif
