/* The wire layout: one line of text for each thing that a peer in the field depends on, and the
 * rule that lines may come but never go. Lines look like
 *
 *   enum banger.v1.Role 1 ROLE_ANYONE
 *   field banger.v1.VM 2 name string singular
 *   field banger.v1.AttachRequest 1 open banger.v1.AttachOpen oneof(kind)
 *   rpc banger.v1.VMService.GetVM banger.v1.GetVMRequest returns banger.v1.VM
 */
#ifndef BANGER_TESTS_COMPAT_LAYOUT_H
#define BANGER_TESTS_COMPAT_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct err;

struct layout {
    char **lines; /* owned; sorted, numbers by value */
    size_t n_lines, cap;
};

void layout_init(struct layout *l);
void layout_done(struct layout *l);
int layout_add(struct layout *l, const char *line, struct err *err);
void layout_sort(struct layout *l);
/* From a FileDescriptorSet: what is in package banger and below. */
int layout_read_set(struct layout *l, const uint8_t *data, size_t len, struct err *err);
/* From text; empty lines and those that start with # do not count. */
int layout_read_text(struct layout *l, const char *text, struct err *err);

struct layout_change {
    size_t gone, added;
};

/* Both sorted. Writes a line to report for each difference. */
struct layout_change layout_compare(const struct layout *before, const struct layout *now,
                                    FILE *report);

#endif
