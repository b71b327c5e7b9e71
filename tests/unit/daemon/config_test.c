/* The configuration's file, environment and options: values, bounds, what goes over what, and each
 * error with its place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "daemon/config_internal.h"
#include "daemon/core/access/access_rules.h"
#include "tests/support/check.h"

static char dir[] = "/tmp/banger-config.XXXXXX", file[64];
static struct daemon_config config;
static struct config_errors errors;

static void write_file(const char *text)
{
    CHECK_INT(fs_write_atomic(file, text, strlen(text), 0600, NULL), 0);
}

/* Reads with these options behind --config file. */
static int read_with(const char *const *options)
{
    char *argv[16] = {(char *)"bangerd", (char *)"--config", file};
    int argc = 3;
    for (; options && *options; options++)
        argv[argc++] = (char *)(uintptr_t)*options;
    errors.n = 0;
    return config_read(&config, argc, argv, &errors);
}

/* Reads a file that is wrong; lines: what must be told, as it follows the file's name and a colon,
 * in that order. */
static void check_errors(const char *text, const char *const *lines)
{
    size_t n = 0;
    write_file(text);
    CHECK_INT(read_with(NULL), -1);
    for (; lines[n] && n < errors.n; n++) {
        char want[CONFIG_ERROR_BYTES];
        snprintf(want, sizeof(want), "%s:%s", file, lines[n]);
        CHECK_STR(errors.text[n], want);
    }
    CHECK(!lines[n]);
    CHECK_INT(errors.n, n);
}

static void test_values(void)
{
    write_file("# a comment\n"
               "max_vms: 12   # another\n"
               "listen: '[::]:7443'\n"
               "debug: on\n"
               "socket_mode: 0660\n"
               "socket_group: 4321\n"
               "ca_file: /x/ca.pem\n"
               "\"driver\": \"sim\"\n");
    if (!CHECK_INT(read_with(NULL), 0))
        config_print_errors(&errors, stderr);
    CHECK_INT(config.max_vms, 12);
    CHECK_STR(config.listen, "[::]:7443");
    CHECK(config.debug);
    CHECK_INT(config.socket_mode, 0660);
    CHECK_INT(config.socket_gid, 4321);
    CHECK_STR(config.ca_file, "/x/ca.pem");
    CHECK_STR(config.driver, "sim");
    CHECK_INT(config.max_connections, 512); /* a default */
    config_done(&config);
}

static void test_all_errors_with_lines(void)
{
    check_errors("# comment\n"
                 "max_vms: 0\n"
                 "driver: [qemu, sim]\n"
                 "\n"
                 "max_vms: 10\n"
                 "maxvms: 3\n"
                 "debug: perhaps\n"
                 "listen: nowhere\n"
                 "driver: sim\n"
                 "state_dir: relative\n"
                 "default_image:\n"
                 "socket_mode: 0777\n"
                 "socket_group: nogroupatall\n"
                 "drain_ms: 99999999999999999999999\n"
                 "workers: 3 4\n"
                 "key_file: /x\n"
                 "[a]: b\n",
                 (const char *const[]){
                     "2: max_vms: \"0\" is not a number from 1 to 100000",
                     "3: driver: needs one value, not several",
                     "5: max_vms: stands in line 2 already",
                     "6: maxvms: there is no such key",
                     "7: debug: \"perhaps\" is neither yes nor no",
                     "8: listen: \"nowhere\" is no address: write 0.0.0.0:PORT, 192.0.2.1:PORT or "
                     "\"[::]:PORT\"",
                     "9: driver: stands in line 3 already",
                     "10: state_dir: \"relative\" is no absolute path",
                     "11: default_image: needs 1 to 127 characters",
                     "12: socket_mode: \"0777\" is no mode of a socket: octal, from 0600 to 0666, "
                     "without execution",
                     "13: socket_group: there is no group \"nogroupatall\"",
                     "14: drain_ms: \"99999999999999999999999\" is not a number from 0 to 60000",
                     "15: workers: \"3 4\" is not a number from 1 to 64",
                     "17: that is no name of a key",
                     "16: key_file: needs certificate_file beside it",
                     NULL,
                 });
}

static void test_errors_of_sections(void)
{
    check_errors("users:\n"
                 "  root: {role: admin}\n"
                 "  nobodyatall: {role: admin}\n"
                 "  0: {role: viewer}\n"
                 "  5: {role: boss}\n"
                 "  6: {role: viewer, x: y}\n"
                 "  7: viewer\n"
                 "  4294967295: {role: admin}\n"
                 "  8: {role: viewer, role: admin}\n"
                 "groups: 3\n"
                 "peers:\n"
                 "  a.example: {match: dns}\n"
                 "  b.example: {role: viewer, principal: 'unix:0'}\n"
                 "  c.example: {role: viewer, match: x}\n"
                 "  d.example: {role: viewer}\n"
                 "  D.example:\n"
                 "    principal: other\n"
                 "    role: viewer\n"
                 "  e.example: {role: viewer, principal: d.example}\n"
                 "users: {}\n",
                 (const char *const[]){
                     "3: users: nobodyatall: there is no user \"nobodyatall\"",
                     "4: users: 0: user 0 is named twice",
                     "5: users: 5: role: \"boss\" is not viewer, operator, admin or fleet",
                     "6: users: 6: there is no such key: x",
                     "7: users: 7: write 7: {role: …}",
                     "8: users: 4294967295: 4294967295 is no number of a user",
                     "9: users: 8: role is said twice",
                     "10: groups: below it stand lines like builders: {role: viewer}",
                     "12: peers: a.example: role is missing",
                     "13: peers: b.example: principal: \"unix:0\" has not 1 to 127 letters, digits "
                     "and ._@-",
                     "14: peers: c.example: match: \"x\" is neither dns nor cn",
                     "16: peers: D.example: is named twice",
                     "19: peers: e.example: another peer is principal d.example already",
                     "20: users: stands in the file twice",
                     NULL,
                 });
}

static void test_what_is_no_yaml(void)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"max_vms: 0\na: \"x\n\n",
         "4: found unexpected end of stream while scanning a quoted scalar "
         "that began in line 2"},
        {"drain_ms: 3\n---\ndrain_ms: 3", "3: a second document begins"},
        {"drain_ms: 3\n x\n\n\001", "4: control characters are not allowed"},
        {"users: *x\n", "1: found undefined alias"},
        {"\n\nlisten: [::]:7443\n",
         "3: did not find expected node content while parsing a flow node"},
        {"- max_vms\n", "1: the file has lines like max_vms: 100"},
        {"max_vms 100\n", "1: the file has lines like max_vms: 100"},
        {"{{{{{{{{", "2: did not find expected node content while parsing a flow node"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_errors(rows[i].text, (const char *const[]){rows[i].want, NULL});
    for (size_t i = 0; i < 3; i++) {
        static const char *const empty[] = {"", "# nothing\n", "users:\ngroups: {}\n"};
        write_file(empty[i]);
        CHECK_INT(read_with(NULL), 0);
        config_done(&config);
    }
}

/* A value with a NUL in it is not cut to what stands before. */
static void test_nul_in_value(void)
{
    check_errors("driver: \"qemu\\0x\"\n\"max_vms\\0\": 3\n",
                 (const char *const[]){"1: driver: needs one value, not several",
                                       "2: that is no name of a key", NULL});
}

static void test_many_errors(void)
{
    char text[CONFIG_ERRORS_MAX * 2 * 16] = "", *out = NULL;
    size_t len = 0;
    for (int i = 0; i < CONFIG_ERRORS_MAX * 2; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "x%d: 1\n", i);
    write_file(text);
    CHECK_INT(read_with(NULL), -1);
    CHECK_INT(errors.n, CONFIG_ERRORS_MAX * 2);
    FILE *to = open_memstream(&out, &len);
    config_print_errors(&errors, to);
    fclose(to);
    CHECK_CONTAINS(out, ":1: x0: there is no such key\n");
    CHECK_CONTAINS(out, "and 50 more\n");
    free(out);
}

static void test_file_itself(void)
{
    errors.n = 0;
    CHECK_INT(unlink(file), 0);
    CHECK_INT(read_with(NULL), -1); /* it was named */
    CHECK_CONTAINS(errors.text[0], "No such file");
    errors.n = 0;
    memset(&config, 0, sizeof(config));
    config_read_file(&config, file, false, &errors);
    CHECK_INT(errors.n, 0);
    write_file("max_vms: 3\n");
    CHECK_INT(chmod(file, 0646), 0);
    CHECK_INT(read_with(NULL), -1);
    CHECK_CONTAINS(errors.text[0], "everyone may write to it");
    CHECK_INT(chmod(file, 0600), 0);
    if (geteuid() == 0) {
        CHECK_INT(chown(file, 4321, (gid_t)-1), 0);
        CHECK_INT(read_with(NULL), -1);
        CHECK_CONTAINS(errors.text[0], "belongs to user 4321");
        CHECK_INT(unlink(file), 0);
    }
}

static void test_bounds(void)
{
    write_file("");
    for (size_t i = 0; i < n_config_keys; i++) {
        const struct config_key *key = &config_keys[i];
        char option[CONFIG_NAME_BYTES], value[32], argument[128];
        struct err *none = NULL;
        if (key->type != CONFIG_NUMBER)
            continue;
        config_option_name(key, option);
        const uint64_t fine[] = {key->min, key->max};
        CHECK(key->min < key->max && key->max < UINT64_MAX);
        for (int k = 0; k < 2; k++) {
            snprintf(argument, sizeof(argument), "--%s=%llu", option, (unsigned long long)fine[k]);
            CHECK_INT(read_with((const char *const[]){argument, NULL}), 0);
            CHECK_INT(*(uint64_t *)((char *)&config + key->offset), fine[k]);
            config_done(&config);
        }
        memset(&config, 0, sizeof(config));
        snprintf(value, sizeof(value), "%llu", (unsigned long long)key->max + 1);
        CHECK_INT(config_set(&config, key, value, none), -1);
        snprintf(value, sizeof(value), "%llu", (unsigned long long)key->min - 1);
        CHECK_INT(config_set(&config, key, key->min > 0 ? value : "-1", none), -1);
        static const char *const nonsense[] = {"", " 1", "1 ", "0x10", "1e3", "ten", "+1"};
        for (size_t k = 0; k < sizeof(nonsense) / sizeof(nonsense[0]); k++)
            CHECK_INT(config_set(&config, key, nonsense[k], none), -1);
    }
}

static void test_precedence(void)
{
    write_file("max_vms: 2\nmax_streams: 2\nmax_handshakes: 2\ndebug: yes\n");
    setenv("BANGER_MAX_STREAMS", "3", 1);
    setenv("BANGER_MAX_HANDSHAKES", "3", 1);
    setenv("BANGER_DRAIN_MS", "", 1); /* as if it were not there */
    CHECK_INT(read_with((const char *const[]){"--max-handshakes", "4", "--debug=no", NULL}), 0);
    CHECK_INT(config.max_vms, 2);
    CHECK_INT(config.max_streams, 3);
    CHECK_INT(config.max_handshakes, 4);
    CHECK_INT(config.drain_ms, 2000);
    CHECK(!config.debug);
    config_done(&config);
    /* Each error names where the value came from. */
    setenv("BANGER_MAX_STREAMS", "x", 1);
    CHECK_INT(read_with((const char *const[]){"--max-handshakes", "y", "--max_vms=3", "stray",
                                              "--max-vms", NULL}),
              -1);
    CHECK_INT(errors.n, 5);
    CHECK_STR(errors.text[0], "BANGER_MAX_STREAMS: \"x\" is not a number from 1 to 10000");
    CHECK_STR(errors.text[1], "--max-handshakes: \"y\" is not a number from 1 to 10000");
    CHECK_STR(errors.text[2], "unknown option \"--max_vms=3\"; see --help");
    CHECK_STR(errors.text[3], "bangerd takes options only, not \"stray\"; see --help");
    CHECK_STR(errors.text[4], "--max-vms: needs a value");
    unsetenv("BANGER_MAX_STREAMS");
    unsetenv("BANGER_MAX_HANDSHAKES");
    unsetenv("BANGER_DRAIN_MS");
}

/* Which file, by option, variable, or place. */
static void test_which_file(void)
{
    char *argv[] = {(char *)"bangerd", NULL}, other[80];
    snprintf(other, sizeof(other), "%s/other", dir);
    CHECK_INT(fs_write_atomic(other, "max_vms: 77\n", 12, 0600, NULL), 0);
    setenv("BANGER_CONFIG", other, 1);
    errors.n = 0;
    CHECK_INT(config_read(&config, 1, argv, &errors), 0);
    CHECK_STR(config.file, other);
    CHECK_INT(config.max_vms, 77);
    config_done(&config);
    write_file("max_vms: 78\n");
    CHECK_INT(read_with(NULL), 0);
    CHECK_INT(config.max_vms, 78);
    config_done(&config);
    unsetenv("BANGER_CONFIG");
    unlink(other);
}

/* Who says another state folder means another daemon: its socket goes along. */
static void test_socket_follows_state_dir(void)
{
    static const struct {
        const char *text, *variable_state, *variable_socket, *option, *state, *socket;
    } rows[] = {
        {"state_dir: /f", NULL, NULL, NULL, "/f", "/f/run/bangerd.sock"},
        {"state_dir: /f\nsocket: /x/s", NULL, NULL, NULL, "/f", "/x/s"},
        {"state_dir: /f\nsocket: /x/s", "/v", NULL, NULL, "/v", "/v/run/bangerd.sock"},
        {"socket: /x/s", NULL, NULL, "--state-dir=/o", "/o", "/o/run/bangerd.sock"},
        {"", "/v", NULL, "--state-dir=/o", "/o", "/o/run/bangerd.sock"},
        {"", "/v", "/y/s", "--state-dir=/o", "/o", "/y/s"},
        {"state_dir: /f", NULL, "/y/s", NULL, "/f", "/y/s"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_file(rows[i].text);
        if (rows[i].variable_state)
            setenv("BANGER_STATE_DIR", rows[i].variable_state, 1);
        if (rows[i].variable_socket)
            setenv("BANGER_SOCKET", rows[i].variable_socket, 1);
        CHECK_INT(read_with((const char *const[]){rows[i].option, NULL}), 0);
        CHECK_STR(config.paths.state_dir, rows[i].state);
        CHECK_STR(config.paths.socket, rows[i].socket);
        config_done(&config);
        unsetenv("BANGER_STATE_DIR");
        unsetenv("BANGER_SOCKET");
    }
}

static void test_rules(void)
{
    write_file("users:\n  1001: {role: admin}\n  root: {role: viewer}\n"
               "groups: {2001: {role: viewer}, 2002: {role: operator}}\n"
               "peers:\n"
               "  build.example: {role: operator, principal: ci}\n"
               "  Some Name: {role: viewer, principal: some, match: cn}\n");
    if (!CHECK_INT(read_with(NULL), 0))
        config_print_errors(&errors, stderr);
    const struct access_rules *r = config.rules;
    const gid_t groups[] = {9, 2001, 2002};
    CHECK_INT(access_rules_of_unix(r, 1001, 9, groups, 3), RPC_ROLE_ADMIN);
    CHECK_INT(access_rules_of_unix(r, 0, 9, groups, 3), RPC_ROLE_VIEWER); /* before its groups */
    CHECK_INT(access_rules_of_unix(r, 1, 9, groups, 3), RPC_ROLE_OPERATOR);
    CHECK_INT(access_rules_of_unix(r, 1, 9, groups, 2), RPC_ROLE_VIEWER);
    CHECK_INT(access_rules_of_unix(r, 1, 2002, NULL, 0), RPC_ROLE_OPERATOR);
    CHECK_INT(access_rules_of_unix(r, 1, 9, groups, 1), RPC_ROLE_NONE);
    CHECK_INT(access_rules_of_unix(NULL, 1001, 2001, NULL, 0), RPC_ROLE_NONE);
    const struct access_peer *p = access_rules_peer(r, TLS_NAME_DNS, "BUILD.example");
    if (CHECK(p != NULL)) {
        CHECK_STR(p->principal, "ci");
        CHECK_INT(p->role, RPC_ROLE_OPERATOR);
    }
    CHECK(!access_rules_peer(r, TLS_NAME_COMMON, "build.example"));
    CHECK(!access_rules_peer(r, TLS_NAME_DNS, "Some Name"));
    CHECK(!access_rules_peer(r, TLS_NAME_COMMON, "some name"));
    p = access_rules_peer(r, TLS_NAME_COMMON, "Some Name");
    CHECK(p && p == access_rules_principal(r, "some"));
    CHECK(!access_rules_principal(r, "build.example"));
    config_done(&config);
}

struct differences {
    char reload[200], restart[200];
};

static void note(void *arg, const char *key, bool reloads)
{
    struct differences *d = arg;
    char *text = reloads ? d->reload : d->restart;
    snprintf(text + strlen(text), 200 - strlen(text), "%s ", key);
}

static void test_compare(void)
{
    static struct daemon_config before;
    struct differences d = {.reload = ""};
    write_file("max_vms: 3\nlisten: 192.0.2.100:7443\ndebug: yes\nworkers: 3\n");
    CHECK_INT(read_with(NULL), 0);
    before = config;
    config_compare(&before, &config, note, &d);
    CHECK_STR(d.reload, "");
    CHECK_STR(d.restart, "");
    write_file(
        "max_vms: 4\nlisten: 192.0.2.1:7443\nworkers: 3\nkey_file: /k\ncertificate_file: /c\n");
    config_done(&config);
    CHECK_INT(read_with(NULL), 0);
    config_compare(&before, &config, note, &d);
    CHECK_STR(d.reload, "debug certificate_file key_file max_vms ");
    CHECK_STR(d.restart, "listen ");
    config_copy_key(&before, &config, "max_vms");
    config_copy_key(&before, &config, "key_file");
    CHECK_INT(before.max_vms, 4);
    CHECK_STR(before.key_file, "/k");
    config_done(&config);
}

int main(void)
{
    extern char **environ;
    static char home[] = "HOME=/nonexistent", *clean[] = {home, NULL};
    environ = clean;
    if (!mkdtemp(dir))
        return 1;
    snprintf(file, sizeof(file), "%s/bangerd.conf", dir);
    RUN(test_values);
    RUN(test_all_errors_with_lines);
    RUN(test_errors_of_sections);
    RUN(test_what_is_no_yaml);
    RUN(test_nul_in_value);
    RUN(test_many_errors);
    RUN(test_file_itself);
    RUN(test_bounds);
    RUN(test_precedence);
    RUN(test_which_file);
    RUN(test_socket_follows_state_dir);
    RUN(test_rules);
    RUN(test_compare);
    fs_remove_tree(dir, NULL);
    return check_end();
}
