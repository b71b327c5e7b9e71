/* The session suite's guest, reached by a real sshd: with BANGER_TEST_CHANNEL=ssh. */
#ifndef BANGER_TESTS_WORLD_SSH_H
#define BANGER_TESTS_WORLD_SSH_H

#include <stdbool.h>

#include "daemon/guest/channel.h"

/* Before the first link of a program: true where that is asked for. Ends it with 77 where there is
 * no sshd. */
bool world_ssh_wanted(void);
/* Makes the channel one over SSH to whatever listens at its socket_path. */
void world_ssh_use(struct channel_config *channel);
void world_ssh_end(void);

#endif
