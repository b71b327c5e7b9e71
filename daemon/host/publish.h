/* Folders that appear whole or not at all: work goes on in PARENT/.tmp-ID, and a rename to
 * PARENT/ID publishes it. For workers. */
#ifndef BANGER_DAEMON_HOST_PUBLISH_H
#define BANGER_DAEMON_HOST_PUBLISH_H

#include "daemon/model/model.h"

struct err;

struct publish {
    char id[ID_BYTES];
    char temp[PATH_BYTES];   /* parent/.tmp-ID */
    char folder[PATH_BYTES]; /* parent/ID */
};

extern const char publish_prefix[]; /* ".tmp-" */

/* Takes the id, or picks one (NULL); makes nothing yet. ERR_INVALID when the paths are too long. */
int publish_init(struct publish *p, const char *parent, const char *id, struct err *err);
/* Creates the temporary folder, empty whatever an earlier try has left in it, and parent where
 * missing. */
int publish_begin(struct publish *p, struct err *err);
/* Syncs every file below temp, then renames and syncs the parent. */
int publish_commit(struct publish *p, struct err *err);
/* Removes the temporary folder. Missing is fine. */
int publish_abort(struct publish *p, struct err *err);

#endif
