/* A header block of tar, for the two that read and write it. */
#ifndef BANGER_TREE_TAR_HEADER_H
#define BANGER_TREE_TAR_HEADER_H

#define TAR_AGAIN_KEY "BANGER.again"

enum { TAR_XATTR_KEY_BYTES = 13 + 256 }; /* "SCHILY.xattr." and a name (xattr(7)) */

struct tar_header {
    char name[100];
    char mode[8], uid[8], gid[8];
    char size[12], mtime[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6], version[2];
    char user[32], group[32];
    char major[8], minor[8];
    char prefix[155];
    char nanoseconds[12]; /* spare; ours: 'n', octal digits, NUL */
};

_Static_assert(sizeof(struct tar_header) == 512, "a header is a block");

#endif
