/* qemu's command line for a machine, and what it is recognised by. Pure: no I/O. */
#ifndef BANGER_DAEMON_VMM_QEMU_ARGS_H
#define BANGER_DAEMON_VMM_QEMU_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/vmm/monitor.h"

/* qemu's own user network, where there is one: the way in for qemu_dial.h. */
#define QEMU_NETDEV "net0"
/* The event of another network that has ended. */
#define QEMU_NETDEV_OUT "out"
/* Of the argument of -name, before the VM's id. */
#define QEMU_NAME_PREFIX "guest=banger-"

enum {
    QEMU_RING_BYTES = 65536,
    QEMU_MARK_ADDRESS = 0x472, /* where a PC's kernel says how it wants to be reset (16 bits) */
    QEMU_MARK_WARM = 0x1234,   /* what ours leaves there when it reboots as it was told to */
    QEMU_TB_MIB = 128,         /* of translated code under TCG; qemu's own bound is 1 GiB */
    QEMU_SELF_MIB = 64, /* of qemu itself: device models, ring, user-mode network, page tables */
    QEMU_NET_MIB = 24,  /* of passt and banger-net beside it: 20 measured, and 1 */
    QEMU_MARK_BYTES = 2 * SOCKET_PATH_BYTES + 32,
    QEMU_NAME_BYTES = 16 + ID_BYTES,
};

struct qemu_choice {
    const char *qemu; /* program */
    bool kvm;
    uint32_t tsc_khz;           /* 0: not known */
    bool has_net_fd;            /* the network is at MONITOR_FD: user_net.h; else qemu's own */
    const char *authorized_key; /* of a guest that boots its own way: root lets in; "": as it is */
};

/* Limits; ERR_INVALID. */
int qemu_args_check(const struct vmm_config *c, struct err *err);
/* Overflow shows in a. */
void qemu_args_build(struct monitor_argv *a, const struct vmm_config *c,
                     const struct qemu_choice *choice);
/* The argument of -qmp: it holds the VM's own api socket and so exists at most once on a host. */
void qemu_args_mark(const struct vmm_config *c, char mark[QEMU_MARK_BYTES]);
/* Stable per VM id. */
void qemu_args_uuid(const char *vm_id, char uuid[37]);

#endif
