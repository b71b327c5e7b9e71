/* Makes the certificates of the TLS rows: bench_certs FOLDER.
 *
 * ca.pem; server.pem and server.key for 127.0.0.1 and localhost; client.pem and client.key. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fs.h"
#include "tests/support/certs.h"

static int write_one(const char *folder, const char *name, const char *text, struct err *err)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >= sizeof(path))
        return err_set(err, ERR_INVALID, "%s is too long", folder);
    return fs_write_atomic(path, text, strlen(text), 0600, err);
}

static int write_all(const char *folder, struct err *err)
{
    const struct cert_spec ca_spec = {.common_name = "bench CA", .ca = true};
    const struct cert_spec server_spec = {.common_name = "server",
                                          .names = "IP:127.0.0.1,DNS:localhost"};
    const struct cert_spec client_spec = {.common_name = "client",
                                          .names = "URI:banger://principal/bench"};
    struct cert ca = cert_make(NULL, &ca_spec);
    struct cert server = cert_make(&ca, &server_spec);
    struct cert client = cert_make(&ca, &client_spec);
    int rv = write_one(folder, "ca.pem", ca.certificate, err);
    if (rv == 0)
        rv = write_one(folder, "server.pem", server.certificate, err);
    if (rv == 0)
        rv = write_one(folder, "server.key", server.key, err);
    if (rv == 0)
        rv = write_one(folder, "client.pem", client.certificate, err);
    if (rv == 0)
        rv = write_one(folder, "client.key", client.key, err);
    cert_done(&ca);
    cert_done(&server);
    cert_done(&client);
    return rv;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc != 2) {
        fprintf(stderr, "usage: bench_certs FOLDER\n");
        return 2;
    }
    if (write_all(argv[1], &err) < 0) {
        fprintf(stderr, "bench_certs: %s\n", err.message);
        return 1;
    }
    return 0;
}
