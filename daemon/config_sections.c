/* The sections of the file: who may come, and as what; see config_internal.h. */
#include <string.h>

#include "base/err.h"
#include "daemon/config_internal.h"
#include "daemon/core/access/access_rules.h"

#define ROLE_HELP "viewer (reads), operator (VMs and sessions), admin (the host, too) or fleet."

static int parse_role(const char *text, enum rpc_role *role, struct err *err)
{
    *role = access_role_of(text);
    if (*role != RPC_ROLE_NONE)
        return 0;
    return err_set(err, ERR_INVALID, "role: \"%s\" is not viewer, operator, admin or fleet", text);
}

static int add_user(struct access_rules *rules, const char *title,
                    const char *const values[CONFIG_FIELDS_MAX], struct err *err)
{
    enum rpc_role role;
    return parse_role(values[0], &role, err) < 0 ? -1
                                                 : access_rules_add_user(rules, title, role, err);
}

static int add_group(struct access_rules *rules, const char *title,
                     const char *const values[CONFIG_FIELDS_MAX], struct err *err)
{
    enum rpc_role role;
    return parse_role(values[0], &role, err) < 0 ? -1
                                                 : access_rules_add_group(rules, title, role, err);
}

static int add_peer(struct access_rules *rules, const char *title,
                    const char *const values[CONFIG_FIELDS_MAX], struct err *err)
{
    struct access_peer peer = {.kind = TLS_NAME_DNS};
    const char *principal = values[1] ? values[1] : title, *match = values[2];
    if (parse_role(values[0], &peer.role, err) < 0)
        return -1;
    if (match && strcmp(match, "cn") == 0)
        peer.kind = TLS_NAME_COMMON;
    else if (match && strcmp(match, "dns") != 0)
        return err_set(err, ERR_INVALID, "match: \"%s\" is neither dns nor cn", match);
    if (!*title || strlen(title) >= sizeof(peer.name))
        return err_set(err, ERR_INVALID, "a name has 1 to %zu characters", sizeof(peer.name) - 1);
    if (!tls_principal_is_valid(principal))
        return err_set(err, ERR_INVALID,
                       "principal: \"%s\" has not 1 to 127 letters, digits and ._@-", principal);
    strcpy(peer.name, title);
    strcpy(peer.principal, principal);
    return access_rules_add_peer(rules, &peer, err);
}

const struct config_section config_sections[] = {
    {"users",
     "USER",
     "What Unix users may do, by name or number. The daemon's own user and root may do everything; "
     "who is in neither section nothing. A user goes before its groups.",
     "alice: {role: operator}",
     {{"role", true, ROLE_HELP}},
     add_user},
    {"groups",
     "GROUP",
     "What members of Unix groups may do, supplementary groups included; of several the most "
     "counts.",
     "builders: {role: viewer}",
     {{"role", true, ROLE_HELP}},
     add_group},
    {"peers",
     "NAME",
     "TLS clients whose certificates name no banger://principal/NAME: by a DNS name or the common "
     "name in a certificate that an authority of ca_file signed.",
     "build.example.org: {role: operator, principal: ci, match: dns}",
     {{"role", true, ROLE_HELP},
      {"principal", false, "What it is called here; no two are the same. Default: its name."},
      {"match", false, "dns (the default) or cn: where the certificate must have the name."}},
     add_peer},
};

const size_t n_config_sections = sizeof(config_sections) / sizeof(config_sections[0]);
