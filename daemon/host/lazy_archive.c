/* libarchive's functions under their own names, loaded when the first of them is called.
 *
 * Linked the usual way libarchive brings libxml2, ICU and libstdc++ with it: a quarter of what an
 * idle daemon has in memory, for a library that works when a kernel or an image is made. So host
 * includes <archive.h> as ever, but links this file instead. A function that is missing in the
 * table is an undefined symbol; one whose type is wrong does not compile. Any thread. */
#include <archive.h>
#include <archive_entry.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/log.h"

#define LAZY_LIBRARY "libarchive.so.13"

/* clang-format off */
/* X(result, name, parameters, arguments, result when libarchive cannot be loaded) */
#define LAZY_FUNCTIONS(X)                                                                          \
    X(struct archive *, read_new, (void), (), NULL)                                                \
    X(int, read_free, (struct archive *a), (a), ARCHIVE_FATAL)                                     \
    X(int, read_open, (struct archive *a, void *arg, archive_open_callback *o,                     \
                       archive_read_callback *r, archive_close_callback *c),                       \
      (a, arg, o, r, c), ARCHIVE_FATAL)                                                            \
    X(int, read_open_filename, (struct archive *a, const char *path, size_t block),                \
      (a, path, block), ARCHIVE_FATAL)                                                             \
    X(int, read_open_memory, (struct archive *a, const void *data, size_t len), (a, data, len),    \
      ARCHIVE_FATAL)                                                                               \
    X(int, read_next_header, (struct archive *a, struct archive_entry **e), (a, e), ARCHIVE_FATAL) \
    X(la_ssize_t, read_data, (struct archive *a, void *to, size_t len), (a, to, len),              \
      ARCHIVE_FATAL)                                                                               \
    X(int, read_support_filter_all, (struct archive *a), (a), ARCHIVE_FATAL)                       \
    X(int, read_support_filter_bzip2, (struct archive *a), (a), ARCHIVE_FATAL)                     \
    X(int, read_support_filter_gzip, (struct archive *a), (a), ARCHIVE_FATAL)                      \
    X(int, read_support_filter_lz4, (struct archive *a), (a), ARCHIVE_FATAL)                       \
    X(int, read_support_filter_lzma, (struct archive *a), (a), ARCHIVE_FATAL)                      \
    X(int, read_support_filter_xz, (struct archive *a), (a), ARCHIVE_FATAL)                        \
    X(int, read_support_filter_zstd, (struct archive *a), (a), ARCHIVE_FATAL)                      \
    X(int, read_support_format_ar, (struct archive *a), (a), ARCHIVE_FATAL)                        \
    X(int, read_support_format_raw, (struct archive *a), (a), ARCHIVE_FATAL)                       \
    X(int, read_support_format_tar, (struct archive *a), (a), ARCHIVE_FATAL)                       \
    X(struct archive *, write_new, (void), (), NULL)                                               \
    X(int, write_free, (struct archive *a), (a), ARCHIVE_FATAL)                                    \
    X(int, write_close, (struct archive *a), (a), ARCHIVE_FATAL)                                   \
    X(int, write_open_memory, (struct archive *a, void *to, size_t size, size_t *used),            \
      (a, to, size, used), ARCHIVE_FATAL)                                                          \
    X(int, write_header, (struct archive *a, struct archive_entry *e), (a, e), ARCHIVE_FATAL)      \
    X(la_ssize_t, write_data, (struct archive *a, const void *data, size_t len), (a, data, len),   \
      ARCHIVE_FATAL)                                                                               \
    X(int, write_set_bytes_per_block, (struct archive *a, int bytes), (a, bytes), ARCHIVE_FATAL)   \
    X(int, write_set_format_cpio_newc, (struct archive *a), (a), ARCHIVE_FATAL)                    \
    X(const char *, error_string, (struct archive *a), (a), NULL)                                  \
    X(struct archive_entry *, entry_new, (void), (), NULL)                                         \
    X(__LA_MODE_T, entry_filetype, (struct archive_entry *e), (e), 0)                              \
    X(const char *, entry_pathname, (struct archive_entry *e), (e), NULL)

/* X(name, parameters, arguments) */
#define LAZY_PROCEDURES(X)                                                                         \
    X(entry_free, (struct archive_entry *e), (e))                                                  \
    X(entry_set_gid, (struct archive_entry *e, la_int64_t gid), (e, gid))                          \
    X(entry_set_mode, (struct archive_entry *e, __LA_MODE_T mode), (e, mode))                      \
    X(entry_set_mtime, (struct archive_entry *e, time_t s, long ns), (e, s, ns))                   \
    X(entry_set_nlink, (struct archive_entry *e, unsigned n), (e, n))                              \
    X(entry_set_pathname, (struct archive_entry *e, const char *path), (e, path))                  \
    X(entry_set_rdev, (struct archive_entry *e, dev_t dev), (e, dev))                              \
    X(entry_set_size, (struct archive_entry *e, la_int64_t size), (e, size))                       \
    X(entry_set_uid, (struct archive_entry *e, la_int64_t uid), (e, uid))
/* clang-format on */

#define LAZY_MEMBER(type, name, params, args, otherwise) type(*name) params;
#define LAZY_MEMBER_VOID(name, params, args)             void(*name) params;

static struct {
    LAZY_FUNCTIONS(LAZY_MEMBER)
    LAZY_PROCEDURES(LAZY_MEMBER_VOID)
    void (*set_error)(struct archive *a, int number, const char *fmt, ...);
} lazy;
static bool lazy_there;
static pthread_once_t lazy_once = PTHREAD_ONCE_INIT;

static bool lazy_find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    *(void **)function = symbol;
    return symbol != NULL;
}

#define LAZY_FIND(type, name, params, args, otherwise)                                             \
    there = there && lazy_find(library, "archive_" #name, &lazy.name);
#define LAZY_FIND_VOID(name, params, args) LAZY_FIND(void, name, params, args, )

/* Never unloaded: a second image is likely to follow. */
static void lazy_load(void)
{
    void *library = dlopen(LAZY_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    bool there = library != NULL;
    LAZY_FUNCTIONS(LAZY_FIND)
    LAZY_PROCEDURES(LAZY_FIND_VOID)
    there = there && lazy_find(library, "archive_set_error", &lazy.set_error);
    if (!there)
        log_error("host", "cannot load %s: %s", LAZY_LIBRARY, dlerror());
    lazy_there = there;
}

static bool lazy_ready(void)
{
    pthread_once(&lazy_once, lazy_load);
    return lazy_there;
}

#define LAZY_DEFINE(type, name, params, args, otherwise)                                           \
    type archive_##name params                                                                     \
    {                                                                                              \
        return lazy_ready() ? lazy.name args : (otherwise);                                        \
    }
#define LAZY_DEFINE_VOID(name, params, args)                                                       \
    void archive_##name params                                                                     \
    {                                                                                              \
        if (lazy_ready())                                                                          \
            lazy.name args;                                                                        \
    }
LAZY_FUNCTIONS(LAZY_DEFINE)
LAZY_PROCEDURES(LAZY_DEFINE_VOID)

void archive_set_error(struct archive *a, int number, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (lazy_ready())
        lazy.set_error(a, number, "%s", text);
}
