/* Records outside the database: what a VM, an image or a kernel is, as JSON in its own folder, so
 * that a lost database can be made again from the folders.
 *
 * The tables (column.h) say which fields there are; paths and what changes with a state are left
 * out: they are derived again, or found out. A text that is read back is taken as a stranger's:
 * types and lengths are checked here, what the values mean is the caller's to check. No I/O. */
#ifndef BANGER_DAEMON_STORE_RECORD_H
#define BANGER_DAEMON_STORE_RECORD_H

#include <stddef.h>

struct err;
struct image;
struct kernel;
struct vm;

enum { RECORD_MAX_BYTES = 65536 };

/* JSON text, owned by the caller; NULL: out of memory. */
char *record_of_vm(const struct vm *vm);
char *record_of_image(const struct image *image);
char *record_of_kernel(const struct kernel *kernel);

/* ERR_INVALID: it is not such a record. What the text does not have is zero; what is in it and
 * unknown (from a newer program) is left alone. vm_done is due for the VM that was read. */
int record_read_vm(const char *text, size_t len, struct vm *vm, struct err *err);
int record_read_image(const char *text, size_t len, struct image *image, struct err *err);
int record_read_kernel(const char *text, size_t len, struct kernel *kernel, struct err *err);

#endif
