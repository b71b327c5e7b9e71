/* The handle cache and its scratch copy, handles.json in the VM's folder.
 *
 * The copy is a hint that makes adopting quick. It may be missing, cut, from another boot or about
 * a stranger: vmm_adopt believes evidence only. After a crash of the host no process is left that
 * it could be about, so it is not synced. */
#ifndef BANGER_DAEMON_CORE_VM_VM_HANDLES_H
#define BANGER_DAEMON_CORE_VM_VM_HANDLES_H

#include <stddef.h>

#include "daemon/model/model.h"

struct core;
struct err;
struct vm_entry;

/* Text for the file; NULL when out of memory. Caller frees. */
char *handles_to_json(const struct vm_handles *handles);
/* Anything odd (not JSON, wrong types, absurd values) is -1 and leaves zeros. */
int handles_from_json(const char *text, size_t len, struct vm_handles *handles, struct err *err);

/* vm_dir/handles.json; zeros where there is nothing to be learned. Blocking, bounded: for workers,
 * as vmm_host.load_hint. */
void handles_load(const char *vm_dir, struct vm_handles *handles);
/* Writes entry->handles on a worker, or removes the file when there is no process. The last of
 * several quick calls wins; failures are logged and harm nothing. */
void handles_save(struct vm_entry *e);

#endif
