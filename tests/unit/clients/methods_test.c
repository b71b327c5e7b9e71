/* The table of banger/methods.h against the contract: every unary method once, with its types. */
#include "tests/support/check.h"

#include "banger/contract.rpc.h"
#include "banger/methods.h"

struct row {
    const char *path;
    size_t request_bytes, response_bytes;
    const char *request, *response;
};

#define ROW(name, service, method, request_type, response_type)                                    \
    {"/" service "/" #method, sizeof(request_type), sizeof(response_type), #request_type,          \
     #response_type},
static const struct row rows[] = {BANGER_UNARY_METHODS(ROW)};

static const struct row *find_row(const char *path)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].path, path) == 0)
            return &rows[i];
    return NULL;
}

static void test_every_unary_method(void)
{
    size_t n = 0;
    for (size_t s = 0; contract_services[s]; s++)
        for (size_t i = 0; i < contract_services[s]->n_methods; i++) {
            const struct rpc_method *m = &contract_services[s]->methods[i];
            const struct row *row = find_row(m->path);
            if (m->streams) {
                CHECK(row == NULL);
                continue;
            }
            n++;
            if (!row) {
                CHECK_STR("no row in BANGER_UNARY_METHODS", m->path);
                continue;
            }
            CHECK_STR(row->request, m->request->c_name);
            CHECK_STR(row->response, m->response->c_name);
            CHECK_INT(row->request_bytes, m->request->sizeof_message);
            CHECK_INT(row->response_bytes, m->response->sizeof_message);
        }
    CHECK_INT(sizeof(rows) / sizeof(rows[0]), n);
}

static void test_unknown_methods(void)
{
    struct banger_error error;
    struct banger_client *client = banger_connect("/nowhere", &error);
    Banger__V1__GetVMRequest request = BANGER__V1__GET_VMREQUEST__INIT;
    CHECK(banger_invoke(client, "/banger.v1.VMService/Nope", &request.base, NULL, &error) == NULL);
    CHECK_INT(error.code, BANGER_INVALID_ARGUMENT);
    CHECK(banger_invoke(client, "/banger.v1.VMService/ReadConsole", &request.base, NULL, &error) ==
          NULL);
    CHECK_CONTAINS(error.message, "streams");
    CHECK(banger_invoke(client, "/banger.v1.VMService/ListVMs", &request.base, NULL, &error) ==
          NULL);
    CHECK_CONTAINS(error.message, "another message");
    banger_close(client);
}

static void test_targets(void)
{
    struct banger_error error;
    CHECK(banger_connect("localhost:1", &error) == NULL);
    CHECK_CONTAINS(error.message, "unix:");
    char path[200] = "/";
    memset(path + 1, 'x', sizeof(path) - 2);
    path[sizeof(path) - 1] = '\0';
    CHECK(banger_connect(path, &error) == NULL);
    CHECK_CONTAINS(error.message, "longer");
    struct banger_client *client = banger_connect("unix:///tmp/x", &error);
    CHECK(client != NULL);
    banger_close(client);
    banger_close(NULL);
}

int main(void)
{
    RUN(test_every_unary_method);
    RUN(test_unknown_methods);
    RUN(test_targets);
    return check_end();
}
