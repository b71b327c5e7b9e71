/* The agent's way into the guest, over SFTP; see ssh.h.
 *
 * Its file is named by its digest, and gets that name when all of it is there: so one that is there
 * is the right one, and whole, and another version of banger puts its own beside it and removes the
 * old file, which may run on. Nothing that the guest says of its files is believed for more than
 * that. */
#include "daemon/guest/ssh/ssh.h"

#include <fcntl.h>
#include <libssh/sftp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/relay.h"

enum {
    AGENT_BYTES = 64 << 20,
    DIGEST_CHARS = 32, /* of the 64 */
    PIECE_BYTES = 32 * 1024,
    NAME_BYTES = 300, /* folder and file */
    ENTRIES_MAX = 64, /* of the folder, looked at */
    NOISE_BYTES = 64 * 1024,
    WORDS_BYTES = 256,
};

#define AGENT_PREFIX "banger-agent-"

static int sftp_fail(sftp_session sftp, const char *what, const char *path, struct err *err)
{
    return err_set(err, ERR_UNAVAILABLE, "%s %.200s in the guest: SFTP error %d (%.100s)", what,
                   path, sftp_get_error(sftp), ssh_get_error(sftp->session));
}

static int digest_of(const void *data, size_t len, char out[DIGEST_CHARS + 1], struct err *err)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (EVP_Digest(data, len, hash, &n, EVP_sha256(), NULL) != 1 || n * 2 < DIGEST_CHARS)
        return err_set(err, ERR_INTERNAL, "no digest of the agent");
    for (size_t i = 0; i < DIGEST_CHARS / 2; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
    return 0;
}

/* It goes into a command line, and into names. */
static int check_folder(const char *folder, struct err *err)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
    if (folder[0] == '/' && folder[strspn(folder, plain)] == '\0' && strlen(folder) < 200)
        return 0;
    return err_set(err, ERR_INVALID, "no folder for the agent in the guest: %.200s", folder);
}

static int put(sftp_session sftp, const char *path, const char *data, size_t len, struct err *err)
{
    char temp[NAME_BYTES + 8];
    snprintf(temp, sizeof(temp), "%s.new", path);
    sftp_unlink(sftp, temp); /* of an earlier one that was cut off */
    sftp_file f = sftp_open(sftp, temp, O_WRONLY | O_CREAT | O_EXCL, 0700);
    if (!f)
        return sftp_fail(sftp, "cannot make", temp, err);
    size_t done = 0;
    while (done < len) {
        size_t piece = len - done < PIECE_BYTES ? len - done : PIECE_BYTES;
        ssize_t n = sftp_write(f, data + done, piece);
        if (n <= 0 || (size_t)n > piece)
            break;
        done += (size_t)n;
    }
    int rc = sftp_close(f);
    if (done < len || rc != SSH_NO_ERROR)
        return sftp_fail(sftp, "cannot write", temp, err);
    if (sftp_chmod(sftp, temp, 0700) < 0 || sftp_rename(sftp, temp, path) < 0)
        return sftp_fail(sftp, "cannot rename", temp, err);
    return 0;
}

static bool is_there(sftp_session sftp, const char *path, size_t len)
{
    sftp_attributes a = sftp_lstat(sftp, path);
    bool there = a && a->type == SSH_FILEXFER_TYPE_REGULAR && a->size == len;
    sftp_attributes_free(a);
    return there;
}

/* Agents of other versions: their processes keep what they run. */
static void remove_others(sftp_session sftp, const char *folder, const char *digest)
{
    char path[NAME_BYTES + 256];
    sftp_dir dir = sftp_opendir(sftp, folder);
    for (int i = 0; dir && i < ENTRIES_MAX; i++) {
        sftp_attributes a = sftp_readdir(sftp, dir);
        if (!a)
            break;
        const char *name = a->name ? a->name : "";
        size_t prefix = strlen(AGENT_PREFIX);
        if (strncmp(name, AGENT_PREFIX, prefix) == 0 && strlen(name) < 200 && !strchr(name, '/') &&
            strcmp(name + prefix, digest) != 0) {
            snprintf(path, sizeof(path), "%s/%s", folder, name);
            sftp_unlink(sftp, path);
        }
        sftp_attributes_free(a);
    }
    if (dir)
        sftp_closedir(dir);
}

static int install(sftp_session sftp, const struct ssh_options *o, const char *digest,
                   const char *data, size_t len, struct err *err)
{
    char path[NAME_BYTES];
    snprintf(path, sizeof(path), "%s/" AGENT_PREFIX "%s", o->folder, digest);
    if (is_there(sftp, path, len))
        return 0;
    sftp_mkdir(sftp, o->folder, 0700); /* it may be there */
    sftp_attributes a = sftp_lstat(sftp, o->folder);
    bool fine = a && a->type == SSH_FILEXFER_TYPE_DIRECTORY && (a->permissions & 022) == 0;
    sftp_attributes_free(a);
    if (!fine)
        return err_set(err, ERR_PRECONDITION,
                       "%s in the guest is no folder that only user %.60s writes to", o->folder,
                       o->user);
    sftp_unlink(sftp, path); /* of another size */
    if (put(sftp, path, data, len, err) < 0)
        return -1;
    remove_others(sftp, o->folder, digest);
    return 0;
}

/* "~/…" is where the server begins, as it calls that itself. */
static int find_folder(sftp_session sftp, const char *folder, char out[NAME_BYTES], struct err *err)
{
    if (strncmp(folder, "~/", 2) != 0) {
        snprintf(out, NAME_BYTES, "%.*s", NAME_BYTES - 1, folder);
        return check_folder(out, err);
    }
    char *home = sftp_canonicalize_path(sftp, ".");
    if (!home)
        return sftp_fail(sftp, "cannot find", "the user's home", err);
    snprintf(out, NAME_BYTES, "%.150s%.40s", home, folder + 1);
    ssh_string_free_char(home);
    return check_folder(out, err);
}

int ssh_install(ssh_session session, const struct ssh_options *o, char command[SSH_COMMAND_BYTES],
                struct err *err)
{
    auto_free char *data = NULL;
    size_t len = 0;
    char digest[DIGEST_CHARS + 1], folder[NAME_BYTES];
    struct ssh_options here = *o;
    if (fs_read(o->agent, AGENT_BYTES, &data, &len, err) < 0 ||
        digest_of(data, len, digest, err) < 0)
        return -1;
    sftp_session sftp = sftp_new(session);
    if (!sftp || sftp_init(sftp) != SSH_OK) {
        if (sftp)
            sftp_free(sftp);
        return ssh_fail(session, ERR_UNAVAILABLE, "the guest's SSH server has no SFTP", err);
    }
    here.folder = folder;
    int rc = find_folder(sftp, o->folder, folder, err);
    if (rc == 0)
        rc = install(sftp, &here, digest, data, len, err);
    sftp_free(sftp);
    snprintf(command, SSH_COMMAND_BYTES,
             "exec %s/" AGENT_PREFIX "%s --relay %s/agent.sock --spool %s/spool%s", folder, digest,
             folder, folder, o->no_system ? " --no-system" : " --of-machine");
    return rc;
}

/* What it printed on its standard error, for people. */
static void last_words(ssh_channel channel, char out[WORDS_BYTES])
{
    int n = ssh_channel_read_timeout(channel, out, WORDS_BYTES - 1, 1, 200);
    out[n > 0 ? n : 0] = '\0';
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            *c = ' ';
}

/* A shell's noise may come first. Byte by byte, so that none of what follows is taken. */
static int await_greeting(ssh_channel channel, struct err *err)
{
    static const char greeting[] = RELAY_GREETING;
    char words[WORDS_BYTES];
    size_t matched = 0;
    for (int i = 0; i < NOISE_BYTES && greeting[matched]; i++) {
        char c;
        if (ssh_channel_read(channel, &c, 1, 0) != 1)
            break;
        if (c != greeting[matched])
            matched = 0;
        if (c == greeting[matched])
            matched++;
    }
    if (!greeting[matched])
        return 0;
    last_words(channel, words);
    return err_set(err, ERR_UNAVAILABLE, "the agent could not be started in the guest%s%s",
                   *words ? ": " : "", words);
}

ssh_channel ssh_relay(ssh_session session, const char *command, struct err *err)
{
    ssh_channel channel = ssh_channel_new(session);
    if (!channel || ssh_channel_open_session(channel) != SSH_OK ||
        ssh_channel_request_exec(channel, command) != SSH_OK) {
        ssh_fail(session, ERR_UNAVAILABLE, "no command can be run in the guest", err);
    } else if (await_greeting(channel, err) == 0) {
        return channel;
    }
    ssh_channel_free(channel);
    return NULL;
}
