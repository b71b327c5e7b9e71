/* See nouns.h. */
#include "nouns.h"

const struct noun *const nouns[] = {
    &vm_noun,     &session_noun,    &service_noun,    &file_noun,      &image_noun,
    &kernel_noun, &operation_noun,  &event_noun,      &host_noun,      &context_noun,
    &auth_noun,   &call_noun,       &ssh_config_noun, &ssh_proxy_noun, &doctor_noun,
    &daemon_noun, &completion_noun, &manual_noun_row, &version_noun,   &help_noun_row,
    NULL,
};
