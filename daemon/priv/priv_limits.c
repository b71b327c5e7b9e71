/* Capabilities and system calls; see priv_limits.h.
 *
 * A kind that needs another capability, call or ioctl has its row in the lists below; what has none
 * is gone for the whole of the process. Descriptors of files are opened by fixed paths of ours:
 * what a file is opened for is not the filter's to see. */
#include "daemon/priv/priv_limits.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/dm-ioctl.h>
#include <linux/if_tun.h>
#include <linux/loop.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

#if defined(__has_feature)
#define BUILT_WITH(sanitizer) __has_feature(sanitizer##_sanitizer)
#else
#define BUILT_WITH(sanitizer) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || BUILT_WITH(address) ||        \
    BUILT_WITH(thread)
#define WITH_SANITIZER
#endif

static const int kept_capabilities[] = {
    CAP_NET_ADMIN, /* interfaces, addresses, nf_tables, /proc/sys/net */
};

static const int disk_capabilities[] = {
    CAP_SYS_ADMIN, /* device-mapper, loop devices */
    CAP_MKNOD,     /* nodes of disks, */
    CAP_CHOWN,     /* which are their callers' */
};

static const int disk_calls[] = {
    /* workers */
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(gettid),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(waitid),
    /* files of callers, nodes of ours: libdevmapper */
    SCMP_SYS(semctl), /* whether there are semaphores, for udev's sake */
    SCMP_SYS(fstatfs),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(statfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat2),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(chown),
    SCMP_SYS(fchownat),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(mkdir),
    SCMP_SYS(getdents64),
    SCMP_SYS(umask),
    SCMP_SYS(uname),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
};

static const unsigned disk_ioctls[] = {
    LOOP_CTL_GET_FREE, LOOP_CONFIGURE, LOOP_GET_STATUS64, DM_VERSION,
    DM_LIST_DEVICES,   DM_DEV_CREATE,  DM_DEV_REMOVE,     DM_DEV_STATUS,
    DM_DEV_SUSPEND,    DM_TABLE_LOAD,  DM_TABLE_CLEAR,    DM_TABLE_STATUS,
};

static const int allowed_calls[] = {
    /* callers */
    SCMP_SYS(poll),
    SCMP_SYS(accept4),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setitimer),
    /* netlink: libmnl, libnftables */
    SCMP_SYS(bind),
    SCMP_SYS(getsockname),
    SCMP_SYS(setsockopt),
    SCMP_SYS(sendmsg),
    SCMP_SYS(fcntl),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    /* files: /dev/net/tun, /proc/sys/net, what libnftables reads of names */
    SCMP_SYS(openat),
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(lseek),
    /* the C library */
    SCMP_SYS(brk),
    SCMP_SYS(mmap),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(getrandom),
    SCMP_SYS(sysinfo), /* qsort(3) of more than a KiB, before glibc 2.37 */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit_group),
#ifdef BANGER_FAULTS
    SCMP_SYS(kill), /* priv_stop.h */
#endif
#if defined(BANGER_FAULTS) || defined(WITH_SANITIZER)
    SCMP_SYS(getpid),
#endif
#ifdef WITH_SANITIZER
    /* what looks for mistakes, to say what it has found */
    SCMP_SYS(sigaltstack),
    SCMP_SYS(readlink),
    SCMP_SYS(gettid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(mprotect),
#endif
};

static const unsigned allowed_ioctls[] = {
    TUNSETIFF, TUNSETOWNER, TUNSETPERSIST, /* taps */
    SIOCGIFNAME,                           /* the name of an interface */
};

/* AF_UNIX: glibc asks for an interface's name by one. */
static const int allowed_families[] = {AF_NETLINK, AF_UNIX, AF_INET};

#define COUNT(list)      (sizeof(list) / sizeof(*(list)))
#define HAS(list, value) has(list, COUNT(list), value)

static bool has(const int *list, size_t n, int value)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == value)
            return true;
    return false;
}

static int limit_capabilities(bool disks)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    for (int cap = 0; prctl(PR_CAPBSET_READ, cap) >= 0; cap++) {
        if (HAS(kept_capabilities, cap) || (disks && HAS(disk_capabilities, cap)))
            data[cap / 32].effective = data[cap / 32].permitted |= 1u << cap % 32;
        else if (prctl(PR_CAPBSET_DROP, cap) < 0 && errno != EPERM)
            return -1;
    }
    return syscall(SYS_capset, &header, data) < 0 ? -1 : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Of a call that is not allowed. The thread is stopped at it: nothing of ours is half done. */
static void on_refused(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    log_error("priv", "system call %d is not allowed to banger-priv (see priv_limits.c): it ends",
              info->si_syscall);
    _exit(1);
}

static int allow(scmp_filter_ctx filter, const int *calls, size_t n_calls, const unsigned *ioctls,
                 size_t n_ioctls)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n_calls; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    for (size_t i = 0; rc == 0 && i < n_ioctls; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                              SCMP_A1(SCMP_CMP_EQ, ioctls[i], 0));
    return rc;
}

static int allow_all(scmp_filter_ctx filter, bool disks)
{
    int rc =
        allow(filter, allowed_calls, COUNT(allowed_calls), allowed_ioctls, COUNT(allowed_ioctls));
    if (rc == 0 && disks)
        rc = allow(filter, disk_calls, COUNT(disk_calls), disk_ioctls, COUNT(disk_ioctls));
    for (size_t i = 0; rc == 0 && i < COUNT(allowed_families); i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)allowed_families[i], 0));
    return rc;
}

static int limit_calls(bool disks)
{
    struct sigaction refused = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGSYS, &refused, NULL) < 0)
        return -errno;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
    if (!filter)
        return -ENOMEM;
    int rc = allow_all(filter, disks);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc;
}

int priv_limit(bool disks, struct err *err)
{
    if (limit_capabilities(disks) < 0)
        return err_sys(err, errno, "cannot drop capabilities");
    int rc = limit_calls(disks);
    return rc < 0 ? err_sys(err, -rc, "cannot filter system calls") : 0;
}
