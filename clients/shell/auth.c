/* The auth noun: who may reach a daemon from other hosts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <banger/remote.h>

#include "list.h"
#include "nouns.h"
#include "vm.h"

enum { SCOPE_TEXT_BYTES = 512 };

struct init_values {
    const char *listen;
    struct opt_list names;
};

struct token_values {
    const char *role;
    struct opt_list selector;
    struct opt_number ttl;
};

struct enroll_values {
    const char *token, *name;
};

static int auth_init(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)args;
    const struct init_values *v = values;
    struct banger_error error;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__InitAuthRequest request = BANGER__V1__INIT_AUTH_REQUEST__INIT;
    request.listen = (char *)(v->listen ? v->listen : "");
    request.n_names = v->names.n;
    request.names = (char **)v->names.items;
    Banger__V1__InitAuthResponse *response = banger_init_auth(cli->client, &request, NULL, &error);
    if (!response)
        return cli_fail(&error, "set up certificates");
    int status = 0;
    if (cli_is_table(cli)) {
        cli_print_field("CA:", "sha256:%s", response->ca_sha256);
        if (*response->problem)
            cli_print_field("Listens on:", "nothing: %s", response->problem);
        else
            cli_print_field("Listens on:", "%s",
                            *response->listen ? response->listen
                                              : "nothing: say --listen HOST:PORT");
    } else {
        status = cli_print_message(cli, &response->base);
    }
    FREE_MESSAGE(response);
    return status ? status : cli_end_output(cli);
}

static const char *const roles[] = {"viewer", "operator", "admin", "fleet"};

static int auth_token(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct token_values *v = values;
    struct banger_error error;
    if (strcmp(args->refs[0], "create") != 0)
        return cli_usage("usage: banger auth token create NAME --role ROLE");
    if (!v->role)
        return cli_usage("--role is needed: viewer, operator, admin or fleet");
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    struct label_set *labels = label_set_new("--selector", &v->selector);
    if (!labels)
        return EXIT_BANGER;
    Banger__V1__LabelSelector scope = BANGER__V1__LABEL_SELECTOR__INIT;
    scope.n_match = labels->n;
    scope.match = labels->list;
    Banger__V1__CreateTokenRequest request = BANGER__V1__CREATE_TOKEN_REQUEST__INIT;
    request.scope = labels->n > 0 ? &scope : NULL;
    request.principal = args->refs[1];
    request.ttl_ms = v->ttl.value;
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        if (strcmp(roles[i], v->role) == 0)
            request.role = (Banger__V1__Role)(BANGER__V1__ROLE__ROLE_VIEWER + (int)i);
    Banger__V1__CreateTokenResponse *response =
        banger_create_token(cli->client, &request, NULL, &error);
    label_set_free(labels);
    if (!response)
        return cli_fail(&error, "create a token for %s", args->refs[1]);
    int status = 0;
    if (cli_is_table(cli))
        cli_say(stdout, "%s", response->token);
    else
        status = cli_print_message(cli, &response->base);
    FREE_MESSAGE(response);
    return status ? status : cli_end_output(cli);
}

/* The context's name where none is given: the host, without what names may not have. */
static void name_of_host(char name[BANGER_CONTEXT_NAME_BYTES], const char *address)
{
    if (strncmp(address, "tls:", 4) == 0)
        address += 4;
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : strlen(address), len = 0;
    for (size_t i = 0; i < n && len < BANGER_CONTEXT_NAME_BYTES - 1; i++) {
        char c = address[i] == ':' ? '-' : address[i];
        if (c != '[' && c != ']' && !(len == 0 && (c == '.' || c == '-')))
            name[len++] = c;
    }
    name[len] = '\0';
}

static int auth_enroll(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct enroll_values *v = values;
    struct banger_error error;
    char name[BANGER_CONTEXT_NAME_BYTES];
    if (!v->token)
        return cli_usage("--token is needed: \"banger auth token create\" on the other host "
                         "prints one");
    name_of_host(name, args->refs[0]);
    const char *context = v->name ? v->name : name;
    if (banger_context_enroll(args->refs[0], v->token, context, &error) < 0)
        return cli_fail(&error, "enroll with %s", args->refs[0]);
    if (!cli_is_table(cli))
        return cli_print_done(cli, "context", context, "enrolled");
    if (!cli->options.quiet)
        printf("%s is the current context; \"banger context use local\" goes back.\n", context);
    return cli_end_output(cli);
}

/* "env=ci,team=a"; "" where the role holds for everything. */
static const char *scope_text(char text[SCOPE_TEXT_BYTES], const Banger__V1__LabelSelector *scope)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; scope && i < scope->n_match && used < SCOPE_TEXT_BYTES; i++)
        used += (size_t)snprintf(text + used, SCOPE_TEXT_BYTES - used, "%s%s=%s", i ? "," : "",
                                 scope->match[i]->key, scope->match[i]->value);
    return text;
}

static void cell_scope(struct table *t, const ProtobufCMessage *item)
{
    char text[SCOPE_TEXT_BYTES];
    table_cell(t, "%s", scope_text(text, ((const Banger__V1__Identity *)item)->scope));
}

static void cell_state(struct table *t, const ProtobufCMessage *item)
{
    table_cell(t, "%s", ((const Banger__V1__Identity *)item)->revoked ? "revoked" : "active");
}

static void cell_expires(struct table *t, const ProtobufCMessage *item)
{
    char text[FORMAT_BYTES] = "";
    time_t at = (time_t)timestamp_seconds(((const Banger__V1__Identity *)item)->expires);
    struct tm tm;
    if (at && gmtime_r(&at, &tm))
        strftime(text, sizeof(text), "%Y-%m-%d", &tm);
    table_cell(t, "%s", text);
}

static const struct list_column columns[] = {
    {"PRINCIPAL", NULL, "principal", false},
    {"ROLE", NULL, "role", false},
    {"SELECTOR", cell_scope, "scope.match", false},
    {"STATE", cell_state, "revoked", false},
    {"EXPIRES", cell_expires, "expires", false},
    {"SERIAL", NULL, "serial", false},
    {.head = NULL},
};

static const struct list_view view = {
    .what = "identities",
    .method = "/banger.v1.AuthService/ListIdentities",
    .items = "identities",
    .id = "principal",
    .columns = columns,
};

static int auth_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)args;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__ListIdentitiesRequest request = BANGER__V1__LIST_IDENTITIES_REQUEST__INIT;
    return list_run(cli, &view, &request.base, values);
}

static int auth_revoke(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    struct banger_error error;
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    for (int i = 0; i < args->n_refs; i++) {
        Banger__V1__RevokeIdentityRequest request = BANGER__V1__REVOKE_IDENTITY_REQUEST__INIT;
        request.principal = args->refs[i];
        Banger__V1__Identity *identity =
            banger_revoke_identity(cli->client, &request, NULL, &error);
        if (!identity)
            return cli_fail(&error, "revoke %s", args->refs[i]);
        int status = 0;
        if (cli_is_table(cli))
            cli_say(stdout, "%s", identity->principal);
        else
            status = cli_print_message(cli, &identity->base);
        FREE_MESSAGE(identity);
        if (status != 0)
            return status;
    }
    return cli_end_output(cli);
}

static int auth_rotate(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    struct banger_error error;
    struct banger_context current;
    const char *name = args->n_refs ? args->refs[0] : cli->options.context;
    if (!name && banger_context_current(&current, &error) == 1)
        name = current.name;
    if (!name)
        return cli_usage("which context? There is no current one");
    if (banger_context_rotate(name, &error) < 0)
        return cli_fail(&error, "rotate the certificate of %s", name);
    if (!cli_is_table(cli))
        return cli_print_done(cli, "context", name, "rotated");
    return cli_end_output(cli);
}

static int auth_whoami(struct cli *cli, const void *values, const struct opt_args *args)
{
    (void)values;
    (void)args;
    struct banger_error error;
    char word[WORD_BYTES], scope[SCOPE_TEXT_BYTES];
    if (cli_connect(cli) < 0)
        return EXIT_BANGER;
    Banger__V1__WhoAmIRequest request = BANGER__V1__WHO_AM_IREQUEST__INIT;
    Banger__V1__Identity *identity = banger_who_am_i(cli->client, &request, NULL, &error);
    if (!identity)
        return cli_fail(&error, "ask who we are");
    int status = 0;
    if (cli_is_table(cli)) {
        cli_print_field("Principal:", "%s", identity->principal);
        cli_print_field("Role:", "%s",
                        enum_word(word, &banger__v1__role__descriptor, (int)identity->role));
        cli_print_field("Selector:", "%s", scope_text(scope, identity->scope));
        cli_print_field("Address:", "%s", identity->address);
    } else {
        status = cli_print_message(cli, &identity->base);
    }
    FREE_MESSAGE(identity);
    return status ? status : cli_end_output(cli);
}

static const struct opt list_opts[] = {LIST_OPTS, {.name = NULL}};

static const struct opt init_opts[] = {
    {"listen", 0, OPT_STRING, offsetof(struct init_values, listen), "HOST:PORT",
     "serve TLS clients there, now and at every start", NULL, NAMES_NONE},
    {"name", 0, OPT_LIST, offsetof(struct init_values, names), "NAME",
     "a name or address by which clients know this host, besides its own", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt token_opts[] = {
    {"role", 0, OPT_STRING, offsetof(struct token_values, role), "ROLE",
     "viewer: reads; operator: runs VMs; admin: the host, too; fleet: controllers",
     "viewer|operator|admin|fleet", NAMES_NONE},
    {"selector", 0, OPT_LIST, offsetof(struct token_values, selector), "KEY=VALUE",
     "only VMs with that label, and what is in them; may be repeated", NULL, NAMES_NONE},
    {"ttl", 0, OPT_DURATION, offsetof(struct token_values, ttl), "TIME",
     "how long it can be used (1h)", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct opt enroll_opts[] = {
    {"token", 0, OPT_STRING, offsetof(struct enroll_values, token), "TOKEN",
     "as \"banger auth token create\" printed it", NULL, NAMES_NONE},
    {"name", 0, OPT_STRING, offsetof(struct enroll_values, name), "NAME",
     "of the new context (the host's)", NULL, NAMES_NONE},
    {.name = NULL},
};

static const struct command rows[] = {
    {"init", NULL, "", "make this host's CA and certificate, and serve other hosts",
     "The CA is made once, the server's certificate anew each time. The daemon renews both before "
     "they "
     "end; this is the cure when it could not, whatever has expired.",
     init_opts, sizeof(struct init_values), 0, 0, false, NAMES_NONE, auth_init},
    {"token", NULL, "create NAME", "create a one-time token with which NAME can enroll", NULL,
     token_opts, sizeof(struct token_values), 2, 2, false, NAMES_NONE, auth_token},
    {"enroll", NULL, "HOST:PORT", "get a certificate from another host's daemon",
     "Makes a key, has it signed, and keeps both as a new context, which becomes the current one.",
     enroll_opts, sizeof(struct enroll_values), 1, 1, false, NAMES_NONE, auth_enroll},
    {"list", "ls", "", "list who may reach the daemon from other hosts", NULL, list_opts,
     sizeof(struct list_options), 0, 0, false, NAMES_NONE, auth_list},
    {"revoke", NULL, "NAME...", "take that away, and cut live connections", NULL, NULL, 0, 1, -1,
     false, NAMES_NONE, auth_revoke},
    {"rotate", NULL, "[CONTEXT]", "replace our key and certificate by new ones", NULL, NULL, 0, 0,
     1, false, NAMES_NONE, auth_rotate},
    {"whoami", NULL, "", "say who the daemon takes us for", NULL, NULL, 0, 0, 0, false, NAMES_NONE,
     auth_whoami},
};
static const struct command *const commands[] = {&rows[0], &rows[1], &rows[2], &rows[3],
                                                 &rows[4], &rows[5], &rows[6], &auth_audit_command,
                                                 NULL};
const struct noun auth_noun = {"auth", "who may reach a daemon from other hosts", commands};
