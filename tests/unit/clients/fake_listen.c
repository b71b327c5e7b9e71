/* A Unix socket, or TCP on the loopback interface with certificates made on the spot. */
#include "tests/unit/clients/fake_listen.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/fs.h"
#include "rpc/event/server.h"
#include "rpc/wire/tls.h"
#include "tests/support/certs.h"
#include "tests/unit/clients/fake_server.h"

static int write_text(const char *path, const char *text, struct err *err)
{
    return fs_write_atomic(path, text, strlen(text), 0600, err);
}

static int write_files(const struct fake *f, const struct cert *ca, const struct cert *client,
                       struct err *err)
{
    char both[8192];
    snprintf(both, sizeof(both), "%s%s", client->certificate, client->key);
    return write_text(f->ca_file, ca->certificate, err) < 0
               ? -1
               : write_text(f->identity_file, both, err);
}

static int listen_tls(struct fake *f, struct err *err)
{
    struct cert ca = cert_make(NULL, &(struct cert_spec){.common_name = "test CA", .ca = true});
    struct cert server = cert_make(&ca, &(struct cert_spec){.names = "IP:127.0.0.1"});
    struct cert client =
        cert_make(&ca, &(struct cert_spec){.names = "URI:banger://principal/alice"});
    const struct tls_config config = {.server = true,
                                      .certificate_pem = server.certificate,
                                      .key_pem = server.key,
                                      .ca_pem = ca.certificate};
    struct tls_context *context = tls_context_new(&config, err);
    int rv = context ? write_files(f, &ca, &client, err) : -1;
    if (rv == 0)
        rv = rpc_server_listen_tls(f->server, "127.0.0.1:0", context, &f->port, err);
    tls_context_unref(context);
    cert_done(&ca);
    cert_done(&server);
    cert_done(&client);
    snprintf(f->target, sizeof(f->target), "tls:127.0.0.1:%u", f->port);
    f->options.ca_file = f->ca_file;
    f->options.certificate_file = f->options.key_file = f->identity_file;
    return rv;
}

int fake_listen(struct fake *f, struct err *err)
{
    snprintf(f->socket, sizeof(f->socket), "%s/server", f->dir);
    snprintf(f->proxy_socket, sizeof(f->proxy_socket), "%s/proxy", f->dir);
    snprintf(f->ca_file, sizeof(f->ca_file), "%s/ca.pem", f->dir);
    snprintf(f->identity_file, sizeof(f->identity_file), "%s/identity.pem", f->dir);
    if (f->tls)
        return listen_tls(f, err);
    snprintf(f->target, sizeof(f->target), "unix:%s", f->socket);
    snprintf(f->proxy_target, sizeof(f->proxy_target), "unix:%s", f->proxy_socket);
    return rpc_server_listen_unix(f->server, f->socket, 0600, err);
}
