/* Keys: the guest's, and ours; see ssh.h. */
#include "daemon/guest/ssh/ssh.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    LOGIN_STEP_S = 20, /* libssh's own patience with each step; the daemon's is for all */
    GREETING_MS = 10000,
};

int ssh_fail(ssh_session session, enum err_code code, const char *what, struct err *err)
{
    return err_set(err, code, "%s: %.300s", what, ssh_get_error(session));
}

/* As OpenSSH has it in known_hosts and as a server is asked for it. */
static const char *type_of(ssh_key key)
{
    const char *type = ssh_key_type_to_char(ssh_key_type(key));
    switch (ssh_key_type(key)) {
    case SSH_KEYTYPE_ECDSA_P256:
        return "ecdsa-sha2-nistp256";
    case SSH_KEYTYPE_ECDSA_P384:
        return "ecdsa-sha2-nistp384";
    case SSH_KEYTYPE_ECDSA_P521:
        return "ecdsa-sha2-nistp521";
    default:
        return type ? type : "?";
    }
}

static int fingerprint(ssh_key key, char out[SSH_PRINT_BYTES])
{
    unsigned char *hash = NULL;
    size_t len = 0;
    char *text = NULL;
    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == 0)
        text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, len);
    int n = text ? snprintf(out, SSH_PRINT_BYTES, "%s %s", type_of(key), text) : -1;
    ssh_string_free_char(text);
    ssh_clean_pubkey_hash(&hash);
    return n > 0 && n < SSH_PRINT_BYTES ? 0 : -1;
}

/* A server has keys of several types, and shows the one that is asked for. */
static void ask_for_type(ssh_session session, const char *host_key)
{
    char type[64];
    snprintf(type, sizeof(type), "%.*s", (int)strcspn(host_key, " "), host_key);
    ssh_options_set(session, SSH_OPTIONS_HOSTKEYS,
                    strcmp(type, "ssh-rsa") == 0 ? "rsa-sha2-512,rsa-sha2-256" : type);
}

static int check_host_key(ssh_session session, const struct ssh_options *o,
                          char host_key[SSH_PRINT_BYTES], struct err *err)
{
    ssh_key key = NULL;
    if (ssh_get_server_publickey(session, &key) != SSH_OK)
        return ssh_fail(session, ERR_UNAVAILABLE, "the guest's SSH host key", err);
    int rc = fingerprint(key, host_key);
    ssh_key_free(key);
    if (rc < 0)
        return err_set(err, ERR_UNAVAILABLE, "the guest's SSH host key cannot be read");
    if (!*o->host_key || strcmp(host_key, o->host_key) == 0)
        return 0;
    return err_set(err, ERR_UNAUTHENTICATED, "another host key");
}

int ssh_login(ssh_session session, const struct ssh_options *o, struct err *err)
{
    ssh_key key = NULL;
    /* "": one with a passphrase is refused, not asked for. */
    if (ssh_pki_import_privkey_file(o->key, "", NULL, NULL, &key) != SSH_OK)
        return err_set(err, ERR_PRECONDITION, "cannot read the SSH key %.300s", o->key);
    int rc = ssh_userauth_publickey(session, NULL, key);
    ssh_key_free(key);
    if (rc == SSH_AUTH_SUCCESS)
        return 0;
    if (rc == SSH_AUTH_ERROR)
        return ssh_fail(session, ERR_UNAVAILABLE, "logging in", err);
    return err_set(err, ERR_DENIED,
                   "the guest does not let user %.60s in with the SSH key %.300s: its public half "
                   "has to be in that user's ~/.ssh/authorized_keys",
                   o->user, o->key);
}

/* A guest that boots has no server yet, and the connection to it may hang. */
static int await_greeting(struct err *err)
{
    struct pollfd p = {.fd = SSH_TCP_FD, .events = POLLIN};
    if (poll(&p, 1, GREETING_MS) > 0)
        return 0;
    return err_set(err, ERR_UNAVAILABLE, "no SSH server answers in the guest");
}

int ssh_meet(ssh_session session, const struct ssh_options *o, char host_key[SSH_PRINT_BYTES],
             struct err *err)
{
    int fd = SSH_TCP_FD, no = 0, yes = 1;
    long patience = LOGIN_STEP_S;
    if (await_greeting(err) < 0)
        return -1;
    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no);
    ssh_options_set(session, SSH_OPTIONS_HOST, "guest");
    ssh_options_set(session, SSH_OPTIONS_USER, o->user);
    ssh_options_set(session, SSH_OPTIONS_FD, &fd);
    ssh_options_set(session, SSH_OPTIONS_NODELAY, &yes);
    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &patience);
    if (*o->host_key)
        ask_for_type(session, o->host_key);
    if (ssh_connect(session) != SSH_OK)
        return ssh_fail(session, ERR_UNAVAILABLE, "no SSH server answers in the guest", err);
    return check_host_key(session, o, host_key, err);
}
