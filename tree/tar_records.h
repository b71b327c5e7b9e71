/* What the headers of an entry say; for tar_read.c. */
#ifndef BANGER_TREE_TAR_RECORDS_H
#define BANGER_TREE_TAR_RECORDS_H

#include "tree/tar_read.h"

bool tar_checksum_is_right(const struct tar_header *h);
bool tar_parse_size(const struct tar_header *h, uint64_t *size);
bool tar_parse_decimal(const char *text, size_t len, uint64_t *value);
/* Makes r->entry of r->header and the texts in r->head. entry.body_bytes is the size that the
 * header has, map included. */
int tar_records_read(struct tar_reader *r, struct err *err);

#endif
