/* Every noun, in the order of help. */
#ifndef BANGER_SHELL_NOUNS_H
#define BANGER_SHELL_NOUNS_H

#include "cli.h"

extern const struct noun service_noun, file_noun, vm_noun, session_noun, image_noun, kernel_noun,
    operation_noun, event_noun;
extern const struct noun call_noun, host_noun, context_noun, auth_noun, doctor_noun, daemon_noun,
    completion_noun, version_noun, ssh_config_noun, ssh_proxy_noun;
extern const struct noun help_noun_row, manual_noun_row;

/* Commands that have a file of their own, apart from their noun's. */
extern const struct command auth_audit_command, host_audit_command, host_connections_command,
    host_gc_command, host_kick_command, host_recover_command;

#endif
