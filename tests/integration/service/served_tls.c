/* Identities over mutual TLS, for tests of the services; see served.h. */
#include "tests/integration/service/served.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "banger/remote.h"
#include "tests/support/told.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static void fatal(const char *what, const struct banger_error *error)
{
    fprintf(stderr, "FATAL %s: %s\n", what, error->message);
    exit(EXIT_FAILURE);
}

void served_listen_tls(struct served *s, struct banger_client *local)
{
    struct banger_error error = {0};
    char config[PATH_BYTES + 16];
    snprintf(config, sizeof(config), "%s/config", s->dir);
    setenv("BANGER_CONFIG_DIR", config, 1);
    Banger__V1__InitAuthRequest init = BANGER__V1__INIT_AUTH_REQUEST__INIT;
    init.listen = TEXT("127.0.0.1:0");
    Banger__V1__InitAuthResponse *response = banger_init_auth(local, &init, NULL, &error);
    if (!response || strstr(response->listen, ":0"))
        fatal("no TLS", &error);
    snprintf(s->address, sizeof(s->address), "%s", response->listen);
    banger_message_free(&response->base);
}

struct banger_client *served_connect_tls(const char *name)
{
    const struct told_client options = {.retry_ms = -1};
    struct banger_error error = {0};
    struct banger_client *client = told_connect_context(name, &options, &error);
    if (!client)
        fatal(name, &error);
    return client;
}

struct banger_client *served_enroll(const struct served *s, struct banger_client *local,
                                    const char *name, int role, bool scoped)
{
    struct banger_error error = {0};
    Banger__V1__CreateTokenRequest create = BANGER__V1__CREATE_TOKEN_REQUEST__INIT;
    Banger__V1__LabelSelector scope = BANGER__V1__LABEL_SELECTOR__INIT;
    Banger__V1__Label label = BANGER__V1__LABEL__INIT, *labels[] = {&label};
    label.key = TEXT("env");
    label.value = TEXT("ci");
    scope.match = labels;
    scope.n_match = 1;
    create.principal = TEXT(name);
    create.role = (Banger__V1__Role)role;
    create.scope = scoped ? &scope : NULL;
    Banger__V1__CreateTokenResponse *made = banger_create_token(local, &create, NULL, &error);
    if (!made || banger_context_enroll(s->address, made->token, name, &error) < 0)
        fatal(name, &error);
    banger_message_free(&made->base);
    return served_connect_tls(name);
}
