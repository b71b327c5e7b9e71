/* How sessions are shown: session list and session show. */
#ifndef BANGER_SHELL_SESSION_TABLE_H
#define BANGER_SHELL_SESSION_TABLE_H

#include "cli.h"

extern const struct command session_list_command;
void session_print_description(const Banger__V1__GuestSession *session);

#endif
