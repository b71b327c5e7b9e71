/* resolv.conf(5); see resolver.h. */
#include "daemon/host/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"

enum { RESOLVER_FILE_BYTES = 64 * 1024, RESOLVER_PORT = 53 };

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

static bool resolver_address(const char *word, struct sockaddr_storage *at)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)at;
    memset(at, 0, sizeof(*at));
    if (inet_pton(AF_INET, word, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(RESOLVER_PORT);
        return true;
    }
    if (inet_pton(AF_INET6, word, &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(RESOLVER_PORT);
    return true;
}

int resolver_list(struct resolvers *r, struct err *err)
{
    auto_free char *text = NULL;
    struct err why = ERR_INIT;
    r->n = 0;
    if (fs_read("/etc/resolv.conf", RESOLVER_FILE_BYTES, &text, NULL, &why) < 0 &&
        why.sys != ENOENT) {
        if (err)
            *err = why;
        return err_wrap(err, "the host's name servers");
    }
    char *rest = text;
    for (char *line; r->n < RESOLVERS_MAX && (line = strsep(&rest, "\n"));) {
        char word[INET6_ADDRSTRLEN] = "";
        if (sscanf(line, "nameserver %45[0-9a-fA-F.:]", word) == 1 &&
            resolver_address(word, &r->at[r->n]))
            r->n++;
    }
    if (r->n == 0)
        r->n += resolver_address("127.0.0.1", &r->at[0]);
    return 0;
}

/* Where systemd-resolved answers on the loopback, it tells in a file of its own whom it asks. */
void resolver_find(char address[16])
{
    address[0] = '\0';
    if (!resolver_read("/etc/resolv.conf", address))
        resolver_read("/run/systemd/resolve/resolv.conf", address);
}
