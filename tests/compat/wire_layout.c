/* Keeps tests/compat/wire_layout.txt.
 *
 *   wire_layout check SET FILE     the file must list exactly what the descriptor set has
 *   wire_layout update SET FILE    adds what is new; refuses when something is gone or changed
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "tests/compat/layout.h"

enum { MAX_FILE_BYTES = 16 << 20 };

static int read_layouts(const char *set_path, const char *text_path, struct layout *now,
                        struct layout *before, struct err *err)
{
    auto_free char *set = NULL;
    auto_free char *text = NULL;
    size_t set_len, text_len;
    if (fs_read(set_path, MAX_FILE_BYTES, &set, &set_len, err) < 0 ||
        layout_read_set(now, (const uint8_t *)set, set_len, err) < 0)
        return -1;
    if (now->n_lines == 0)
        return err_set(err, ERR_INVALID, "%s: nothing in package banger", set_path);
    if (access(text_path, F_OK) < 0 && errno == ENOENT)
        return 0; /* all of it is new */
    return fs_read(text_path, MAX_FILE_BYTES, &text, &text_len, err) < 0 ||
                   layout_read_text(before, text, err) < 0
               ? -1
               : 0;
}

static int write_layout(const char *path, const struct layout *l, struct err *err)
{
    auto_free char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return err_sys(err, errno, "%s", path);
    fputs("# What peers in the field depend on; lines may come, never go. Written by ./dev gen.\n",
          f);
    for (size_t i = 0; i < l->n_lines; i++)
        fprintf(f, "%s\n", l->lines[i]);
    if (fclose(f) != 0)
        return err_sys(err, ENOMEM, "%s", path);
    return fs_write_atomic(path, text, len, 0644, err);
}

static int run(bool update, const char *set_path, const char *text_path, struct err *err)
{
    struct layout now, before;
    layout_init(&now);
    layout_init(&before);
    int rc = read_layouts(set_path, text_path, &now, &before, err);
    struct layout_change change = {0, 0};
    if (rc == 0)
        change = layout_compare(&before, &now, stderr);
    if (change.gone > 0)
        rc = err_set(err, ERR_PRECONDITION,
                     "%zu lines of %s are gone: peers in the field depend on them. Keep the old "
                     "field, value or method and add a new one; delete a line by hand only if it "
                     "was never released",
                     change.gone, text_path);
    else if (change.added > 0 && !update)
        rc = err_set(err, ERR_PRECONDITION,
                     "%zu lines are missing in %s: run ./dev gen and commit it", change.added,
                     text_path);
    else if (change.added > 0)
        rc = write_layout(text_path, &now, err);
    layout_done(&now);
    layout_done(&before);
    return rc;
}

int main(int argc, char **argv)
{
    bool update = argc == 4 && strcmp(argv[1], "update") == 0;
    if (argc != 4 || (!update && strcmp(argv[1], "check") != 0)) {
        fprintf(stderr, "usage: wire_layout check|update SET FILE\n");
        return 2;
    }
    struct err err = ERR_INIT;
    if (run(update, argv[2], argv[3], &err) < 0) {
        fprintf(stderr, "wire_layout: %s\n", err.message);
        return 1;
    }
    return 0;
}
