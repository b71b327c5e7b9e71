/* What host objects that need privileges have in common: the helper makes them (daemon/priv), by
 * the VM's id alone, and they are called after its tap. */
#ifndef BANGER_DAEMON_HOST_OBJECT_PRIV_H
#define BANGER_DAEMON_HOST_OBJECT_PRIV_H

#include "banger/priv/v1/priv.pb-c.h"
#include "daemon/host/object.h"

int object_priv_name(const char *state_dir, const char *vm_id, enum object_role role,
                     char name[VM_PATH_BYTES], struct err *err);
int object_priv_probe(Banger__Priv__V1__Kind kind, struct err *err);
int object_priv_make(const struct object *o, Banger__Priv__V1__Kind kind, struct err *err);
int object_priv_find(const struct object *o, Banger__Priv__V1__Kind kind, struct err *err);
int object_priv_remove(const struct object *o, Banger__Priv__V1__Kind kind, struct err *err);
/* Nothing where nobody was asked yet and this host has no interface (of disks: no device) that is
 * called as ours are: no helper is started for a host without taps. */
int object_priv_list(const char *state_dir, const struct object_found *as,
                     Banger__Priv__V1__Kind kind, object_found_fn *found, void *arg,
                     struct err *err);

/* Another user than the daemon's may open the VM's tap: the daemon is root, and the tap is there.
 */
int object_tap_give(const char *vm_id, uint32_t uid, struct err *err);

#endif
