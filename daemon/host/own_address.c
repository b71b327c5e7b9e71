/* What leads to an address of ours begins there: the kernel's table of routes says so, to whoever
 * connects. Nothing is sent. See own_address.h. */
#include "daemon/host/own_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { OWN_PORT = 53 }; /* any */

static int own_fail(uint32_t address, int error, struct err *err)
{
    const uint32_t bytes = htonl(address);
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &bytes, text, sizeof(text));
    return err_sys(err, error, "cannot tell whether %s is this host's", text);
}

/* No route leads there, or one that says so (blackhole, unreachable). */
static bool own_is_nowhere(int error)
{
    return error == ENETUNREACH || error == EHOSTUNREACH || error == EINVAL;
}

int own_address(uint32_t address, struct err *err)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(OWN_PORT),
                             .sin_addr.s_addr = htonl(address)},
                       from = {.sin_family = AF_UNSPEC};
    socklen_t len = sizeof(from);
    auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return own_fail(address, errno, err);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
        if (errno == EACCES) /* a broadcast, or a route that prohibits it */
            return 1;
        return own_is_nowhere(errno) ? 0 : own_fail(address, errno, err);
    }
    if (getsockname(fd, (struct sockaddr *)&from, &len) < 0)
        return own_fail(address, errno, err);
    return from.sin_addr.s_addr == to.sin_addr.s_addr;
}
