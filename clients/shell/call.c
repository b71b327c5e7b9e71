/* The call noun: any method of the contract, with JSON in and out. What there is comes from
 * libbanger's table, so a new method needs nothing here. */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include <banger/json.h>

#include "nouns.h"
#include "suggest.h"
#include "table.h"

/* "/banger.v1.VMService/GetVM" -> "VMService/GetVM". */
const char *call_name(const struct banger_method *method)
{
    const char *path = banger_method_path(method), *name = path + 1;
    for (const char *c = name; *c && *c != '/'; c++)
        if (*c == '.')
            name = c + 1;
    return name;
}

static const char *last_word(const struct banger_method *method)
{
    return strrchr(banger_method_path(method), '/') + 1;
}

static bool is_named(const struct banger_method *method, const char *word)
{
    const char *path = banger_method_path(method);
    return strcmp(path, word) == 0 || strcmp(path + 1, word) == 0 ||
           strcmp(call_name(method), word) == 0 || strcmp(last_word(method), word) == 0;
}

/* How many methods a word names; *first: one of them. */
static size_t count_named(const char *word, const struct banger_method **first)
{
    const struct banger_method *method;
    size_t n = 0;
    *first = NULL;
    for (size_t i = 0; (method = banger_method_at(i)); i++)
        if (is_named(method, word) && n++ == 0)
            *first = method;
    return n;
}

const char *call_short_name(const struct banger_method *method)
{
    const struct banger_method *first;
    const char *words[] = {last_word(method), call_name(method)};
    for (size_t i = 0; i < 2; i++)
        if (count_named(words[i], &first) == 1)
            return words[i];
    return banger_method_path(method) + 1;
}

const struct banger_method *call_find(const char *word)
{
    const struct banger_method *method;
    size_t n = count_named(word, &method);
    if (n == 1)
        return method;
    if (n > 1) {
        cli_usage("call: there are %zu methods \"%.60s\", such as %s", n, word,
                  call_short_name(method));
        return NULL;
    }
    struct suggestion best = suggest_begin(word);
    for (size_t i = 0; (method = banger_method_at(i)); i++)
        suggest_offer(&best, strchr(word, '/') ? call_name(method) : last_word(method));
    if (best.word)
        cli_usage("call: no method \"%.60s\" in the contract; did you mean \"%s\"?", word,
                  best.word);
    else
        cli_usage("call: no method \"%.60s\" in the contract; see \"banger call\"", word);
    return NULL;
}

static int list_as_table(struct cli *cli)
{
    const struct banger_method *method;
    struct table t;
    table_init(&t, "METHOD|ROLE|WHAT IT DOES");
    for (size_t i = 0; (method = banger_method_at(i)); i++) {
        const char *summary = banger_method_summary(method);
        table_cell(&t, "%s", call_name(method));
        table_cell(&t, "%s", banger_method_role(method));
        table_cell(&t, "%s%s", banger_method_is_planned(method) ? "(not built) " : "", summary);
    }
    return cli_print_table(cli, &t);
}

static void put_text(const char *name, const char *text)
{
    printf(", \"%s\": ", name);
    cli_write_quoted(stdout, text);
}

/* JSON, which YAML takes. */
static int list_as_document(struct cli *cli)
{
    const struct banger_method *method;
    if (cli->options.format)
        return cli_usage("--format: this prints no message; see -o json");
    printf("{\"methods\": [");
    for (size_t i = 0; (method = banger_method_at(i)); i++) {
        printf("%s\n  {\"method\": ", i ? "," : "");
        cli_write_quoted(stdout, banger_method_path(method) + 1);
        put_text("request", banger_method_request(method)->name);
        put_text("response", banger_method_response(method)->name);
        printf(", \"clientStreams\": %s, \"serverStreams\": %s, \"planned\": %s",
               banger_method_client_streams(method) ? "true" : "false",
               banger_method_server_streams(method) ? "true" : "false",
               banger_method_is_planned(method) ? "true" : "false");
        put_text("role", banger_method_role(method));
        put_text("summary", banger_method_summary(method));
        printf("}");
    }
    puts("\n]}");
    return cli_end_output(cli);
}

static int call_unary(struct cli *cli, const struct banger_method *method, struct banger_call *call,
                      const struct call_text *text)
{
    struct banger_error error;
    ProtobufCMessage *request =
        banger_message_from_json(banger_method_request(method), text->data, text->len, &error);
    if (!request)
        return cli_fail(&error, "call %s", call_name(method));
    ProtobufCMessage *response =
        banger_invoke(cli->client, banger_method_path(method), request, call, &error);
    banger_message_free(request);
    if (!response)
        return cli_fail(&error, "call %s", call_name(method));
    int status = cli_print_message(cli, response);
    banger_message_free(response);
    return status;
}

static int call_with(struct cli *cli, const struct banger_method *method,
                     const struct call_text *text)
{
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct banger_call *call = banger_call_new();
    if (!call)
        return cli_usage("out of memory");
    if (cli->options.timeout.given)
        banger_call_set_timeout_ms(call, (int64_t)cli->options.timeout.value);
    bool streams = banger_method_client_streams(method) || banger_method_server_streams(method);
    int status =
        streams ? call_stream(cli, method, call, text) : call_unary(cli, method, call, text);
    banger_call_free(call);
    return status;
}

static int call_run(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    if (args->n_refs == 0)
        return cli_is_table(cli) ? list_as_table(cli) : list_as_document(cli);
    const struct banger_method *method = call_find(args->refs[0]);
    if (!method)
        return EXIT_BANGER;
    if (cli_is_table(cli))
        cli->options.output = "json";
    const char *given = args->n_refs > 1 ? args->refs[1] : NULL;
    bool from_stdin = given && strcmp(given, "-") == 0;
    bool streams = banger_method_client_streams(method);
    struct call_text text = {.data = given ? given : streams ? NULL : "{}"};
    char *all = NULL;
    if (from_stdin)
        text.data = streams ? NULL : (all = call_input_all(&text.len));
    else if (text.data)
        text.len = strlen(text.data);
    if (from_stdin && !streams && !all)
        return EXIT_BANGER;
    int status = call_with(cli, method, &text);
    free(all);
    return status;
}

static const struct command rows[] = {
    {"", NULL, "[METHOD [JSON|-]]", "call any method of the daemon's with JSON",
     "METHOD is such as GetVM or VMService/GetVM; alone, \"banger call\" lists them all, and "
     "\"banger\n"
     "call METHOD --help\" says what one takes and gives; docs/api.md says what it does. JSON is "
     "the\n"
     "request, \"-\" reads it from standard input; none is {}. Answers are JSON, those of streams "
     "a\n"
     "document a line. Methods whose client streams read documents from standard input, one after "
     "the\n"
     "other, unless they are given. --timeout is the call's.",
     NULL, 0, 0, 2, false, NAMES_METHOD, call_run},
};
static const struct command *const call_commands[] = {&rows[0], NULL};
const struct noun call_noun = {"call", "call any method of the daemon's with JSON", call_commands};
