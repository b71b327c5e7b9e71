/* Writes certificates for servers and clients of other languages.
 *
 *   interop_certs FOLDER
 *
 * FOLDER, which must be there, gets ca.pem, and .pem and .key of "server" (127.0.0.1, localhost)
 * and of "client" (the principal "interop"). They are good for an hour. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fs.h"
#include "tests/support/certs.h"

static int write_file(const char *folder, const char *name, const char *text, struct err *err)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return fs_write_atomic(path, text, strlen(text), 0600, err);
}

static int write_pair(const char *folder, const char *name, const struct cert *cert,
                      struct err *err)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.pem", name);
    if (write_file(folder, file, cert->certificate, err) < 0)
        return -1;
    snprintf(file, sizeof(file), "%s.key", name);
    return write_file(folder, file, cert->key, err);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    struct err err = ERR_INIT;
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "interop CA", .ca = true});
    struct cert server = cert_make(&ca, &(struct cert_spec){.names = "IP:127.0.0.1,DNS:localhost"});
    struct cert client =
        cert_make(&ca, &(struct cert_spec){.names = "URI:banger://principal/interop"});
    int rc = 0;
    if (write_file(argv[1], "ca.pem", ca.certificate, &err) < 0 ||
        write_pair(argv[1], "server", &server, &err) < 0 ||
        write_pair(argv[1], "client", &client, &err) < 0) {
        fprintf(stderr, "interop_certs: %s\n", err.message);
        rc = 1;
    }
    cert_done(&client);
    cert_done(&server);
    cert_done(&ca);
    return rc;
}
