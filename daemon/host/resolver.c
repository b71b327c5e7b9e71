/* resolv.conf(5); see resolver.h. */
#include "daemon/host/resolver.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"

enum { RESOLVER_FILE_BYTES = 64 * 1024 };

static bool resolver_read(const char *path, char address[16])
{
    auto_free char *text = NULL;
    if (fs_read(path, RESOLVER_FILE_BYTES, &text, NULL, NULL) < 0)
        return false;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        struct in_addr in;
        char word[16] = "";
        if (sscanf(line, "nameserver %15[0-9.]", word) == 1 && inet_pton(AF_INET, word, &in) == 1 &&
            ntohl(in.s_addr) >> 24 != 127) {
            snprintf(address, 16, "%s", word);
            return true;
        }
    }
    return false;
}

/* Where systemd-resolved answers on the loopback, it tells in a file of its own whom it asks. */
void resolver_find(char address[16])
{
    address[0] = '\0';
    if (!resolver_read("/etc/resolv.conf", address))
        resolver_read("/run/systemd/resolve/resolv.conf", address);
}
