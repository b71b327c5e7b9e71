/* What we read of apt's answers. Sans I/O; the texts come from child processes. */
#ifndef BANGER_DAEMON_HOST_APT_H
#define BANGER_DAEMON_HOST_APT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum { APT_NAME_BYTES = 256 };

/* The package named pattern-with-one-* in the Depends: of `apt-cache show`, such as
 * linux-image-*-cloud-amd64. ERR_NOT_FOUND where there is none. */
int apt_find_depends(const char *show, const char *prefix, const char *suffix,
                     char package[APT_NAME_BYTES], struct err *err);

/* One line of `apt-get download --print-uris`: 'URI' FILE BYTES HASH. The file name is checked to
 * be a plain .deb. ERR_NOT_FOUND without such a line. */
int apt_parse_uris(const char *text, char file[APT_NAME_BYTES], uint64_t *bytes, struct err *err);

/* The format for `apt-get indextargets --format`, and what becomes of its answer: one-line sources
 * for mmdebstrap, those of this Debian suite and its -updates and -security, component main. Empty
 * text: the host has no such sources. Caller frees *sources. */
extern const char apt_targets_format[];
int apt_sources_of_targets(const char *targets, const char *suite, char **sources, struct err *err);

#endif
