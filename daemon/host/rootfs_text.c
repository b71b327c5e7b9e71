/* The image's recipe; see rootfs_text.h and rootfs.h. */
#include "daemon/host/rootfs_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/host/rootfs.h"

const char rootfs_text_packages[] = "ca-certificates,iproute2,netbase,procps";

const char *const rootfs_text_dpkg_options[] = {
    "--dpkgopt=path-exclude=/usr/share/man/*",           "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",        "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
};
const size_t rootfs_text_n_dpkg_options =
    sizeof(rootfs_text_dpkg_options) / sizeof(rootfs_text_dpkg_options[0]);

const char rootfs_text_subids[] =
    "subordinate ids (as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "
    "USER), and uidmap installed";

/* The files lie in the working folder, whose path could hold anything. */
const char rootfs_text_options_hook[] =
    "--setup-hook=upload apt.conf /etc/apt/apt.conf.d/" ROOTFS_HOST_OPTIONS;
const char rootfs_text_sources_hook[] =
    "--customize-hook=upload debian.sources /etc/apt/sources.list.d/debian.sources";

/* mmdebstrap copies the host's resolv.conf and hostname into the tree so that packages can be
 * installed; the agent sets both for each VM. */
const char rootfs_text_clean_hook[] =
    "--customize-hook=set -e; r=\"$1\"; "
    "rm -f \"$r/etc/apt/sources.list\" \"$r\"/etc/apt/sources.list.d/* "
    "\"$r/etc/apt/apt.conf.d/" ROOTFS_HOST_OPTIONS "\" \"$r\"/var/lib/dpkg/*-old "
    "\"$r\"/var/cache/debconf/*-old \"$r/var/lib/dbus/machine-id\"; "
    "rm -f \"$r/etc/resolv.conf\"; : >\"$r/etc/resolv.conf\"; : >\"$r/etc/machine-id\"; "
    "echo debian >\"$r/etc/hostname\"; "
    "printf '127.0.0.1 localhost debian\\n::1 localhost ip6-localhost\\n' >\"$r/etc/hosts\"; "
    "find \"$r/var/log\" -type f -delete";

/* A root filesystem for a guest that is often thrown away: small journal, no space kept for root,
 * inode tables left as holes. */
const char rootfs_text_mke2fs[] =
    "set -e; mkdir tree; "
    "tar --numeric-owner --xattrs --xattrs-include='*' -C tree -xpf root.tar; rm root.tar; "
    "cat tree/usr/lib/os-release >os-release; "
    "truncate -s \"$1\" root.raw; "
    "mke2fs -q -F -t ext4 -L root -m 0 -J size=16 "
    "-E lazy_itable_init=1,nodiscard,root_owner=0:0 -d tree root.raw; "
    "chmod 0644 root.raw; rm -rf tree";

void rootfs_text_sources(const char *suite, char *text, size_t size)
{
    snprintf(text, size,
             "Types: deb\n"
             "URIs: http://deb.debian.org/debian\n"
             "Suites: %s %s-updates\n"
             "Components: main\n"
             "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
             "\n"
             "Types: deb\n"
             "URIs: http://deb.debian.org/debian-security\n"
             "Suites: %s-security\n"
             "Components: main\n"
             "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
             suite, suite, suite);
}

static bool rootfs_option_wanted(const char *line)
{
    static const char *const wanted[] = {
        "Acquire::http::",  "Acquire::https::",  "Acquire::ftp::",         "Acquire::Check-",
        "Acquire::Retries", "Acquire::ForceIPv", "Acquire::Max-ValidTime",
    };
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (strncmp(line, wanted[i], strlen(wanted[i])) == 0)
            return !strstr(line, " \"\";"); /* a node without a value */
    return false;
}

int rootfs_text_apt_options(const char *dump, char **options, struct err *err)
{
    char *copy = strdup(dump), *out = malloc(strlen(dump) + 2), *rest = NULL;
    size_t n = 0;
    if (!copy || !out) {
        free(copy);
        free(out);
        return err_set(err, ERR_LIMIT, "out of memory");
    }
    for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (rootfs_option_wanted(line))
            n += (size_t)sprintf(out + n, "%s\n", line);
    out[n] = '\0';
    free(copy);
    *options = out;
    return 0;
}

int rootfs_parse_progress(const char *line)
{
    static const struct {
        const char *begins;
        int percent;
    } known[] = {
        {"running apt-get update", 8},    {"downloading packages with apt", 12},
        {"extracting archives", 25},      {"installing essential packages", 30},
        {"downloading apt", 38},          {"installing remaining packages", 45},
        {"running --customize-hook", 70}, {"cleaning package lists", 73},
        {"creating tarball", 76},         {"success in", 80},
    };
    if (strncmp(line, "I: ", 3) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strncmp(line + 3, known[i].begins, strlen(known[i].begins)) == 0)
            return known[i].percent;
    return -1;
}

void rootfs_parse_os(const char *os_release, char *os, size_t os_bytes)
{
    static const char key[] = "PRETTY_NAME=";
    snprintf(os, os_bytes, "Linux");
    for (const char *line = os_release; line && *line;) {
        size_t len = strcspn(line, "\n");
        if (strncmp(line, key, sizeof(key) - 1) == 0) {
            const char *value = line + sizeof(key) - 1;
            size_t n = len - (sizeof(key) - 1);
            if (n >= 2 && (*value == '"' || *value == '\'') && value[n - 1] == *value) {
                value++;
                n -= 2;
            }
            if (n > 0)
                snprintf(os, os_bytes, "%.*s", (int)(n < os_bytes ? n : os_bytes - 1), value);
            return;
        }
        line = line[len] ? line + len + 1 : NULL;
    }
}
