/* SSH keys: what we make is what OpenSSH reads, and the other way round. */
#include "daemon/host/ssh_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "tests/support/check.h"

static char folder[] = "/tmp/banger-ssh-key-XXXXXX";

/* First line of what it prints, or "". */
static void run(char *out, size_t size, const char *command)
{
    FILE *f = popen(command, "re"); /* NOLINT: a test's */
    out[0] = '\0';
    if (f && !fgets(out, (int)size, f))
        out[0] = '\0';
    if (f)
        pclose(f);
    out[strcspn(out, "\n")] = '\0';
}

static bool has_openssh(void)
{
    char path[64];
    run(path, sizeof(path), "command -v ssh-keygen");
    if (!path[0])
        fprintf(stderr, "ssh-keygen is not installed\n");
    return path[0] != '\0';
}

static void test_openssh_reads_what_is_made(void)
{
    static char text[SSH_KEY_BYTES], line[SSH_PUBLIC_BYTES], theirs[SSH_PUBLIC_BYTES + 64];
    char path[64], command[128];
    struct err err = ERR_INIT;
    CHECK_INT(ssh_key_make("banger-0123456789abcdef", text, &err), 0);
    CHECK_INT(ssh_key_public(text, line, &err), 0);
    CHECK(strncmp(line, "ssh-ed25519 AAAA", 16) == 0);
    snprintf(path, sizeof(path), "%s/made", folder);
    CHECK_INT(fs_write_scratch(path, text, strlen(text), 0600, &err), 0);
    snprintf(command, sizeof(command), "ssh-keygen -y -f %s", path);
    run(theirs, sizeof(theirs), command);
    CHECK(strncmp(theirs, line, strlen(line)) == 0);
    CHECK_CONTAINS(theirs, " banger-0123456789abcdef");
}

static void test_two_keys_differ(void)
{
    static char text[SSH_KEY_BYTES], one[SSH_PUBLIC_BYTES], other[SSH_PUBLIC_BYTES];
    CHECK_INT(ssh_key_make("a", text, NULL), 0);
    CHECK_INT(ssh_key_public(text, one, NULL), 0);
    CHECK_INT(ssh_key_make("a", text, NULL), 0);
    CHECK_INT(ssh_key_public(text, other, NULL), 0);
    CHECK(strcmp(one, other) != 0);
}

static char *theirs(const char *type, const char *passphrase)
{
    char command[256], path[64], *text = NULL;
    snprintf(path, sizeof(path), "%s/theirs", folder);
    unlink(path);
    snprintf(command, sizeof(command), "ssh-keygen -q -t %s -N '%s' -C '' -f %s", type, passphrase,
             path);
    CHECK_INT(system(command), 0); /* NOLINT: a test's */
    CHECK_INT(fs_read(path, SSH_KEY_BYTES, &text, NULL, NULL), 0);
    return text;
}

static void test_keys_of_openssh(void)
{
    static const char *const types[] = {"ed25519", "ecdsa", "rsa"};
    static char line[SSH_PUBLIC_BYTES];
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        auto_free char *text = theirs(types[i], "");
        auto_free char *public = NULL;
        struct err err = ERR_INIT;
        snprintf(path, sizeof(path), "%s/theirs.pub", folder);
        CHECK_INT(fs_read(path, SSH_PUBLIC_BYTES, &public, NULL, &err), 0);
        if (!CHECK_INT(ssh_key_public(text, line, &err), 0))
            fprintf(stderr, "     %s: %s\n", types[i], err.message);
        CHECK(public && strncmp(public, line, strlen(line)) == 0);
    }
}

static void test_a_passphrase_is_told(void)
{
    static char line[SSH_PUBLIC_BYTES];
    struct err err = ERR_INIT;
    auto_free char *text = theirs("ed25519", "secret");
    CHECK_INT(ssh_key_public(text, line, &err), -1);
    CHECK_CONTAINS(err.message, "passphrase");
}

/* Cut off anywhere, or with another byte anywhere: an error or a line, and nothing else. */
static void test_damaged_files(void)
{
    static char text[SSH_KEY_BYTES], damaged[SSH_KEY_BYTES], line[SSH_PUBLIC_BYTES];
    struct err err = ERR_INIT;
    CHECK_INT(ssh_key_public("", line, &err), -1);
    CHECK_INT(err.code, ERR_INVALID);
    CHECK_INT(ssh_key_public("-----BEGIN OPENSSH PRIVATE KEY-----\n-----END", line, &err), -1);
    CHECK_INT(ssh_key_make("a", text, NULL), 0);
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        memcpy(damaged, text, len + 1);
        damaged[i] = '\0';
        CHECK(ssh_key_public(damaged, line, NULL) < 0 || i > len - 36);
        memcpy(damaged, text, len + 1);
        damaged[i] = damaged[i] == '~' ? 'A' : '~';
        ssh_key_public(damaged, line, NULL);
        damaged[i] = '/';
        ssh_key_public(damaged, line, NULL);
    }
}

int main(void)
{
    if (!mkdtemp(folder))
        return EXIT_FAILURE;
    RUN(test_two_keys_differ);
    RUN(test_damaged_files);
    if (has_openssh()) {
        RUN(test_openssh_reads_what_is_made);
        RUN(test_keys_of_openssh);
        RUN(test_a_passphrase_is_told);
    }
    fs_remove_tree(folder, NULL);
    return check_end();
}
