/* Firecracker in a jail: its jailer gives each process a root folder, a user and a mount namespace
 * of its own (Firecracker's docs/jailer.md), so that who gets out of a guest is nobody, nowhere;
 * and where its guest has no network, it has none either.
 *
 * All of it is in the VM's folder: jail/NAME/banger-ID/root is what the process sees as /, NAME its
 * program's, and jail/root leads there. What it opens are hard links in that folder, made before it
 * is: the kernel and initramfs, which it may only read, the disks, which its group may write, and
 * the FIFO of its console. Of a disk that is a device there is a node of its own instead. The
 * sockets that it makes are linked the other way, to where they are without a jail. So their paths
 * stay short, whoever connects follows no link that the jailed might make, and nobody beside this
 * file and firecracker.c knows of jails. */
#ifndef BANGER_DAEMON_VMM_FIRECRACKER_JAIL_H
#define BANGER_DAEMON_VMM_FIRECRACKER_JAIL_H

#include <stdint.h>

#include "daemon/vmm/monitor.h"
#include "daemon/vmm/vmm.h"

struct err;

/* User ids from vmm_host's firecracker_first_uid on: who has one is found by trying from a place
 * that the VM's id says. */
enum { FIRECRACKER_JAIL_UIDS = 1 << 24 };

/* The machine as the jailed process has to be told of it. */
void firecracker_jail_inside(const struct vmm_config *c, struct vmm_config *inside);
/* The jailer's path. ERR_NOT_FOUND (JAILER_NOT_FOUND), or ERR_PRECONDITION without root. */
int firecracker_jail_find(const struct vmm_host *host, char path[PATH_BYTES], struct err *err);

/* On a worker. */

/* The folders and what is linked into them, and the command line of the process. The console's FIFO
 * is there. On failure firecracker_jail_remove has been called. */
int firecracker_jail_make(struct monitor_launch *l, const char *program, struct err *err);
/* Missing is fine. The process is gone. */
void firecracker_jail_remove(const struct vmm_config *c);
/* What working in the VM's jail says of a process; folder is the VM's. */
enum evidence firecracker_jail_evidence(const struct process_info *info, const char *folder);

/* On any thread. */

/* Links a socket of the process, by its path outside, to that. Nothing happens where there is no
 * jail, or not yet a socket, or it was linked before. */
void firecracker_jail_show(const struct vmm_config *c, const char *path);

#endif
