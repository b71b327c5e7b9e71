/* The command line's parsers: options, sizes, durations, suggestions, tables. */
#include "tests/support/check.h"

#include "clients/shell/opt.h"
#include "clients/shell/suggest.h"
#include "clients/shell/table.h"

struct values {
    const char *name;
    bool flag, other;
    struct opt_list list;
    struct opt_number size, count, time;
};

static const struct opt table[] = {
    {"name", 'n', OPT_STRING, offsetof(struct values, name), "NAME", "", NULL, NAMES_NONE},
    {"flag", 'f', OPT_FLAG, offsetof(struct values, flag), NULL, "", NULL, NAMES_NONE},
    {"other", 'o', OPT_FLAG, offsetof(struct values, other), NULL, "", NULL, NAMES_NONE},
    {"list", 'l', OPT_LIST, offsetof(struct values, list), "WORD", "", NULL, NAMES_NONE},
    {"memory", 'm', OPT_SIZE, offsetof(struct values, size), "SIZE", "", NULL, NAMES_NONE},
    {"cpus", 'c', OPT_COUNT, offsetof(struct values, count), "N", "", NULL, NAMES_NONE},
    {"grace", 'g', OPT_DURATION, offsetof(struct values, time), "TIME", "", NULL, NAMES_NONE},
    {"net", 0, OPT_STRING, offsetof(struct values, name), "MODE", "", "user|none", NAMES_NONE},
    {.name = NULL},
};

static struct values v;
static struct opt_args args;
static char error[OPT_ERROR_BYTES];
static struct opt_set set = {table, &v};

/* Parses the words of line, which are separated by blanks. */
static int parse(struct opt_rules rules, const char *line)
{
    static char copy[256];
    static char *words[32];
    int n = 0;
    opt_done(&set, 1, &args);
    memset(&v, 0, sizeof(v));
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
        words[n++] = w;
    error[0] = '\0';
    return opt_parse(&set, 1, &rules, n, words, &args, error);
}

static const struct opt_rules refs_only = {.max_refs = -1};

static void test_forms(void)
{
    CHECK_INT(parse(refs_only, "a --name x b -fo -lone --list=two -l three -m512M --cpus 2"), 0);
    CHECK_STR(v.name, "x");
    CHECK(v.flag && v.other);
    CHECK_INT(v.list.n, 3);
    CHECK_STR(v.list.items[1], "two");
    CHECK_STR(v.list.items[2], "three");
    CHECK_INT(v.size.value, 512 << 20);
    CHECK_INT(v.count.value, 2);
    CHECK_INT(args.n_refs, 2);
    CHECK_STR(args.refs[1], "b");
    CHECK_INT(parse(refs_only, "-- --name"), 0);
    CHECK_STR(args.refs[0], "--name");
    CHECK_INT(parse(refs_only, "-"), 0);
    CHECK_STR(args.refs[0], "-");
    CHECK_INT(parse(refs_only, "--name="), 0);
    CHECK_STR(v.name, "");
}

static void test_command_lines(void)
{
    struct opt_rules run = {.max_refs = 0, .rest = true}, exec = {.max_refs = 1, .rest = true};
    CHECK_INT(parse(run, "-f ls -l --name x"), 0);
    CHECK_INT(args.n_rest, 4);
    CHECK(v.flag && !v.name);
    CHECK_INT(parse(run, "-f -- -x"), 0);
    CHECK_INT(args.n_rest, 1);
    CHECK_STR(args.rest[0], "-x");
    CHECK_INT(parse(exec, "box -f ls -f"), 0);
    CHECK_STR(args.refs[0], "box");
    CHECK_INT(args.n_rest, 2);
    CHECK_INT(parse(exec, "box -- a -- b"), 0);
    CHECK_INT(args.n_rest, 3);
    CHECK_STR(args.rest[1], "--");
    CHECK_INT(parse(exec, "box"), 0);
    CHECK_INT(args.n_rest, 0);
}

static void test_errors(void)
{
    CHECK_INT(parse(refs_only, "--mmeory 3"), -1);
    CHECK_CONTAINS(error, "did you mean --memory");
    CHECK_INT(parse(refs_only, "-z"), -1);
    CHECK_CONTAINS(error, "-z");
    CHECK_INT(parse(refs_only, "--name"), -1);
    CHECK_CONTAINS(error, "needs a value");
    CHECK_INT(parse(refs_only, "--flag=1"), -1);
    CHECK_CONTAINS(error, "takes no value");
    CHECK_INT(parse(refs_only, "--cpus -1"), -1);
    CHECK_CONTAINS(error, "whole number");
    CHECK_INT(parse(refs_only, "--memory lots"), -1);
    CHECK_CONTAINS(error, "512M");
    CHECK_INT(parse(refs_only, "--net bridge"), -1);
    CHECK_CONTAINS(error, "user|none");
}

static void check_size(const char *text, bool good, uint64_t want)
{
    uint64_t got = 0;
    bool ok = opt_parse_size(text, &got);
    if (ok != good)
        fprintf(stderr, "size \"%s\"\n", text);
    CHECK_INT(ok, good);
    if (good)
        CHECK_INT(got, want);
}

static void test_sizes(void)
{
    check_size("0", true, 0);
    check_size("12", true, 12);
    check_size("1k", true, 1024);
    check_size("512M", true, 512ull << 20);
    check_size("2G", true, 2ull << 30);
    check_size("2GiB", true, 2ull << 30);
    check_size("2gb", true, 2000000000);
    check_size("1.5G", true, 3ull << 29);
    check_size("0.5k", true, 512);
    check_size("16777215T", true, 16777215ull << 40);
    check_size("16777216T", false, 0);
    check_size("99999999999999999999", false, 0);
    check_size("", false, 0);
    check_size("M", false, 0);
    check_size(".", false, 0);
    check_size("1.2.3M", false, 0);
    check_size("-1M", false, 0);
    check_size("1 M", false, 0);
    check_size("1Mx", false, 0);
    check_size("0x10", false, 0);
}

static void test_durations(void)
{
    uint64_t ms;
    CHECK(opt_parse_duration("10", &ms) && ms == 10000);
    CHECK(opt_parse_duration("250ms", &ms) && ms == 250);
    CHECK(opt_parse_duration("1.5s", &ms) && ms == 1500);
    CHECK(opt_parse_duration("5m", &ms) && ms == 300000);
    CHECK(opt_parse_duration("2h", &ms) && ms == 7200000);
    CHECK(!opt_parse_duration("soon", &ms));
    CHECK(!opt_parse_duration("10y", &ms));
}

static const char *nearest(const char *word)
{
    static const char *const words[] = {"start", "stop", "restart", "delete", "list", "show"};
    struct suggestion s = suggest_begin(word);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        suggest_offer(&s, words[i]);
    return s.word ? s.word : "";
}

static void test_suggestions(void)
{
    CHECK_STR(nearest("strat"), "start");
    CHECK_STR(nearest("lst"), "list");
    CHECK_STR(nearest("del"), "delete");
    CHECK_STR(nearest("xyzzy"), "");
    CHECK_STR(nearest(""), "");
}

static void test_table(void)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct table t;
    table_init(&t, "ID|NAME");
    table_cell(&t, "a");
    table_cell(&t, "%s", "b\x1b[31m\n");
    table_cell(&t, "l\xc3\xa4nger");
    table_cell(&t, "%s", "");
    CHECK_INT(table_print(&t, out), 0);
    fclose(out);
    CHECK_STR(text, "ID      NAME\na       b?[31m?\nl\xc3\xa4nger  -\n");
    free(text);
    table_done(&t);
}

static void test_formats(void)
{
    char out[FORMAT_BYTES];
    CHECK_STR(format_size(out, 0), "0");
    CHECK_STR(format_size(out, 1023), "1023 B");
    CHECK_STR(format_size(out, 256ull << 20), "256 MiB");
    CHECK_STR(format_size(out, 3ull << 29), "1.5 GiB");
    CHECK_STR(format_age(out, 0), "");
}

int main(void)
{
    RUN(test_forms);
    RUN(test_command_lines);
    RUN(test_errors);
    RUN(test_sizes);
    RUN(test_durations);
    RUN(test_suggestions);
    RUN(test_table);
    RUN(test_formats);
    opt_done(&set, 1, &args);
    return check_end();
}
