/* The image's recipe as texts, and the texts that a build reads. Sans I/O. */
#ifndef BANGER_DAEMON_HOST_ROOTFS_TEXT_H
#define BANGER_DAEMON_HOST_ROOTFS_TEXT_H

#include <stddef.h>

struct err;

/* Name of the file with the host's apt options while packages are installed. */
#define ROOTFS_HOST_OPTIONS "00host"

/* Comma-separated: what every image has besides minbase. */
extern const char rootfs_text_packages[];
/* mmdebstrap's options that leave out documentation and translations. */
extern const char *const rootfs_text_dpkg_options[];
extern const size_t rootfs_text_n_dpkg_options;
/* What mode unshare needs, for an error. */
extern const char rootfs_text_subids[];
/* Put apt.conf and debian.sources of the current folder into the tree. */
extern const char rootfs_text_options_hook[], rootfs_text_sources_hook[];
/* Takes everything of this host out of the tree again ("$1"), before it is packed. */
extern const char rootfs_text_clean_hook[];
/* Shell: root.tar in the current folder -> root.raw of $1 bytes and os-release. */
extern const char rootfs_text_mke2fs[];

/* The image's own debian.sources: the public address, whatever this host uses. */
void rootfs_text_sources(const char *suite, char *text, size_t size);
/* The lines of `apt-config dump` that say how to reach a mirror (proxies, checks, retries). Caller
 * frees *options; "" for none. */
int rootfs_text_apt_options(const char *dump, char **options, struct err *err);

#endif
