/* What other rooms may see of a session; see session.h. */
#include "daemon/core/session/session_internal.h"

struct core *session_core(const struct session_entry *e)
{
    return e->core;
}

bool session_vm_is_synced(struct core *core, const char *vm_id)
{
    const struct session_vm *v = session_vm_find(core, vm_id);
    return v && v->synced;
}

const struct session *session_record(const struct session_entry *e)
{
    return &e->session;
}

bool session_is_removed(const struct session_entry *e)
{
    return e->removed;
}

uint32_t session_attached_count(const struct session_entry *e)
{
    return e->n_attached;
}

bool session_has_writer(const struct session_entry *e)
{
    return e->writer != NULL;
}

uint32_t session_left_processes(const struct session_entry *e)
{
    return e->left;
}

uint64_t session_late_bytes(const struct session_entry *e)
{
    return e->late_bytes;
}
