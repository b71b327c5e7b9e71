/* The tables of the command line: one letter has one meaning, one name one kind, wherever they are;
 * and docs/cli.md has the letters as they are. */
#include "cli.h"
#include "letters.h"

#include "base/fs.h"
#include "tests/support/check.h"

typedef void row_fn(const char *where, const struct opt *row);

static void each_row(const char *where, const struct opt *table, row_fn *fn)
{
    for (const struct opt *o = table; o && o->name; o++)
        fn(where, o);
}

static void each_option(row_fn *fn)
{
    char where[96];
    each_row("banger", global_opts, fn);
    for (size_t i = 0; nouns[i]; i++)
        for (const struct command *const *c = nouns[i]->commands; *c; c++) {
            snprintf(where, sizeof(where), "%s %s", nouns[i]->name, (*c)->name);
            each_row(where, (*c)->opts, fn);
        }
}

static void check_letter(const char *where, const struct opt *row)
{
    for (const struct letter *l = letter_table; l->letter; l++) {
        bool same_letter = l->letter == row->letter;
        bool same_name = l->name && strcmp(l->name, row->name) == 0;
        if (same_letter == same_name)
            continue;
        fprintf(stderr, "%s: --%s has the letter '%c', and -%c is \"%s\"\n", where, row->name,
                row->letter ? row->letter : ' ', l->letter, l->name ? l->name : l->meaning);
        check_failures++;
    }
    if (row->letter && !letter_find(row->letter)) {
        fprintf(stderr, "%s: -%c of --%s is not in letters.c\n", where, row->letter, row->name);
        check_failures++;
    }
}

static void test_a_letter_is_one_option_everywhere(void)
{
    each_option(check_letter);
}

/* Names that were seen, with the first of their rows. */
static struct {
    const struct opt *row;
    char where[96];
} seen[512];
static size_t n_seen;

static void check_kind(const char *where, const struct opt *row)
{
    for (size_t i = 0; i < n_seen; i++) {
        const struct opt *other = seen[i].row;
        if (strcmp(other->name, row->name) != 0)
            continue;
        /* What vm create says, vm update can take back. */
        bool flag_or_word = strcmp(row->name, "autostart") == 0;
        /* Where to begin: at a byte of a stream, at a commit of a history. */
        flag_or_word |= strcmp(row->name, "from") == 0;
        bool listed = (row->kind == OPT_LIST && other->kind == OPT_STRING) ||
                      (row->kind == OPT_STRING && other->kind == OPT_LIST);
        if (other->kind != row->kind && !flag_or_word && !listed) {
            fprintf(stderr, "--%s is one thing in \"%s\" and another in \"%s\"\n", row->name,
                    seen[i].where, where);
            check_failures++;
        }
        return;
    }
    snprintf(seen[n_seen].where, sizeof(seen[0].where), "%s", where);
    seen[n_seen++].row = row;
}

static void test_a_name_is_one_kind_everywhere(void)
{
    each_option(check_kind);
    CHECK(n_seen > 50);
}

static const struct opt *global_row(const char *name)
{
    for (const struct opt *o = global_opts; o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static void check_not_global(const char *where, const struct opt *row)
{
    if (strcmp(where, "banger") == 0 || !global_row(row->name))
        return;
    fprintf(stderr, "%s: --%s hides an option of every command\n", where, row->name);
    check_failures++;
}

static void test_no_command_hides_what_every_command_takes(void)
{
    each_option(check_not_global);
}

static void test_every_letter_of_the_table_is_used(void)
{
    for (const struct letter *l = letter_table; l->letter; l++) {
        bool used = !l->name;
        for (size_t i = 0; i < n_seen && !used; i++)
            used = strcmp(seen[i].row->name, l->name) == 0;
        if (!used)
            fprintf(stderr, "-%c, --%s: no command has it\n", l->letter, l->name);
        CHECK(used);
    }
}

static void test_the_manual_has_the_letters(void)
{
    char *text = NULL, row[256];
    size_t len;
    CHECK_INT(fs_read(BANGER_TEST_MANUAL, 1 << 20, &text, &len, NULL), 0);
    for (const struct letter *l = letter_table; text && l->letter; l++) {
        if (l->name)
            snprintf(row, sizeof(row), "| `-%c` | `--%s` | %s |\n", l->letter, l->name, l->meaning);
        else
            snprintf(row, sizeof(row), "| `-%c` | | none: %s |\n", l->letter, l->meaning);
        if (!strstr(text, row))
            fprintf(stderr, "the manual lacks: %s", row);
        CHECK(strstr(text, row));
    }
    free(text);
}

int main(void)
{
    RUN(test_a_letter_is_one_option_everywhere);
    RUN(test_a_name_is_one_kind_everywhere);
    RUN(test_no_command_hides_what_every_command_takes);
    RUN(test_every_letter_of_the_table_is_used);
    RUN(test_the_manual_has_the_letters);
    return check_end();
}
