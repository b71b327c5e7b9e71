/* See tap_check.h. */
#include "daemon/host/tap_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/host/object.h"
#include "daemon/priv/priv_call.h"

static bool tap_check_forwards(void)
{
    char now = '0';
    auto_fd int fd = open("/proc/sys/net/ipv4/ip_forward", O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &now, 1) == 1 && now != '0';
}

void tap_check_gather(struct tap_check *t)
{
    struct err err = ERR_INIT;
    Banger__Priv__V1__Request request = BANGER__PRIV__V1__REQUEST__INIT;
    *t = (struct tap_check){.forwards = tap_check_forwards()};
    if (object_tap.probe("", &err) < 0 || object_rules.probe("", &err) < 0) {
        snprintf(t->why_not, sizeof(t->why_not), "%s", err.message);
        return;
    }
    t->usable = true;
    request.operation = BANGER__PRIV__V1__OPERATION__OPERATION_CHECK;
    request.kind = BANGER__PRIV__V1__KIND__KIND_RULES;
    /* A helper of an older build does not know that. */
    if (priv_call(&request, NULL, NULL, &err) < 0 && err.code != ERR_UNIMPLEMENTED)
        snprintf(t->dropped, sizeof(t->dropped), "%s", err.message);
}
