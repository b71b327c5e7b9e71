/* What commands share: connecting, errors, printing. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <banger/local.h>
#include <banger/remote.h>

/* The environment says which of this machine's daemons is meant. */
static bool env_names_local(void)
{
    static const char *const names[] = {"BANGER_SOCKET", "BANGER_STATE_DIR", "BANGER_RUNTIME_DIR"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return true;
    }
    return false;
}

/* Whom to talk to: --socket, --context, BANGER_HOST, a local daemon that the environment names, the
 * current context, the local daemon; the first that is given. "" is a local one. -1 with the
 * error. */
static int cli_host(const struct cli *cli, char name[BANGER_TARGET_BYTES],
                    struct banger_error *error)
{
    const char *host = getenv("BANGER_HOST");
    struct banger_context current;
    name[0] = '\0';
    if (cli->options.socket)
        return 0;
    if (cli->options.context)
        host = cli->options.context;
    if (host && *host) {
        if (strcmp(host, "local") != 0)
            snprintf(name, BANGER_TARGET_BYTES, "%s", host);
        return 0;
    }
    if (env_names_local())
        return 0;
    int rv = banger_context_current(&current, error);
    if (rv == 1)
        snprintf(name, BANGER_TARGET_BYTES, "%s", current.name);
    return rv < 0 ? -1 : 0;
}

static struct banger_client *connect_local(const struct cli *cli, bool start,
                                           struct banger_error *error)
{
    struct banger_client *client = NULL;
    struct banger_local *local = banger_local_new();
    if (!local) {
        *error = (struct banger_error){.code = BANGER_RESOURCE_EXHAUSTED, .message = "no memory"};
        return NULL;
    }
    banger_local_set_start(local, start);
    if (banger_local_set_socket(local, cli->options.socket, error) == 0)
        client = banger_connect_local(local, error);
    banger_local_free(local);
    return client;
}

static int cli_open(struct cli *cli, bool start, struct banger_error *error)
{
    char host[BANGER_TARGET_BYTES];
    if (!cli->client && cli_host(cli, host, error) < 0)
        return -1;
    if (!cli->client && host[0])
        cli->client = strncmp(host, "unix:", 5) == 0 || host[0] == '/'
                          ? banger_connect(host, error)
                          : banger_connect_context(host, error);
    if (!cli->client && host[0])
        return -1;
    if (!cli->client)
        cli->client = connect_local(cli, start, error);
    return cli->client ? 0 : -1;
}

int cli_where(const struct cli *cli, char target[CLI_TARGET_BYTES], struct banger_error *error)
{
    char host[BANGER_TARGET_BYTES];
    target[0] = '\0';
    if (cli_host(cli, host, error) < 0)
        return -1;
    if (cli->options.socket)
        snprintf(target, CLI_TARGET_BYTES, "%s", cli->options.socket);
    else if (strncmp(host, "unix:", 5) == 0)
        snprintf(target, CLI_TARGET_BYTES, "%s", host + 5);
    else
        snprintf(target, CLI_TARGET_BYTES, "%s", host);
    return 0;
}

void cli_tell_version(struct cli *cli, const char *version)
{
    if (cli->told_version || !*version || strcmp(version, banger_version()) == 0)
        return;
    cli->told_version = true;
    cli_say(stderr,
            "banger: the daemon is of another version (%s, this is %s); \"banger daemon stop\" and "
            "the next command renew it, VMs run on",
            version, banger_version());
}

int cli_connect(struct cli *cli)
{
    struct banger_error error;
    if (cli_open(cli, true, &error) == 0) {
        cli_tell_version(cli, banger_local_version(cli->client));
        return 0;
    }
    bool full = error.code == BANGER_RESOURCE_EXHAUSTED;
    cli_fail(&error, full ? "the daemon is full" : "no daemon");
    return -1;
}

int cli_connect_running(struct cli *cli, struct banger_error *error)
{
    return cli_open(cli, false, error);
}

const char *cli_request_id(char out[REQUEST_ID_BYTES])
{
    uint64_t random[2] = {0};
    (void)!getrandom(random, sizeof(random), 0);
    snprintf(out, REQUEST_ID_BYTES, "cli-%016llx%016llx", (unsigned long long)random[0],
             (unsigned long long)random[1]);
    return out;
}

const char *resource_id(const char *resource)
{
    const char *slash = strchr(resource, '/');
    return slash ? slash + 1 : resource;
}

const char *enum_word(char out[WORD_BYTES], const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);
    const ProtobufCEnumValue *zero = protobuf_c_enum_descriptor_get_value(type, 0);
    if (!known) {
        snprintf(out, WORD_BYTES, "%d", value);
        return out;
    }
    /* Every value begins as the zero one does: VM_STATE_UNSPECIFIED, VM_STATE_RUNNING. */
    const char *name = known->name;
    size_t prefix = 0;
    for (size_t i = 0; zero && zero->name[i] && zero->name[i] == name[i]; i++)
        if (name[i] == '_')
            prefix = i + 1;
    snprintf(out, WORD_BYTES, "%s", value == 0 ? "" : name + prefix);
    for (char *c = out; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return out;
}

long long timestamp_seconds(const Google__Protobuf__Timestamp *t)
{
    return t ? t->seconds : 0;
}

char *split_pair(const char *text, char **value)
{
    const char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return NULL;
    char *copy = strdup(text);
    if (!copy)
        return NULL;
    copy[equals - text] = '\0';
    *value = copy + (equals - text) + 1;
    return copy;
}
