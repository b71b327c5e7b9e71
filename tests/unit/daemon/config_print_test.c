/* What is made of the table of keys: help, default file, manual pages. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/config_internal.h"
#include "daemon/core/access/access_rules.h"
#include "tests/support/check.h"

static struct daemon_config defaults, config;
static struct config_errors errors;

static char *print_default(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    config_print_default_file(to);
    fclose(to);
    return text;
}

static char *print_manual(int section)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    config_print_manual(to, section);
    fclose(to);
    return text;
}

static char *print_help(void)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    config_print_help(to);
    fclose(to);
    return text;
}

static void set_defaults(struct daemon_config *c)
{
    *c = (struct daemon_config){.rules = access_rules_new(NULL)};
    for (size_t i = 0; i < n_config_keys; i++)
        if (config_keys[i].default_text)
            CHECK_INT(config_set(c, &config_keys[i], config_keys[i].default_text, NULL), 0);
}

static void note_difference(void *arg, const char *key, bool reloads)
{
    (void)reloads;
    char *text = arg;
    snprintf(text + strlen(text), 200 - strlen(text), "%s ", key);
}

static void test_default_file_as_it_is(void)
{
    char *text = print_default(), differences[200] = "";
    set_defaults(&config);
    errors.n = 0;
    config_read_text(&config, "default", text, strlen(text), &errors);
    CHECK_INT(errors.n, 0);
    config_compare(&defaults, &config, note_difference, differences);
    CHECK_STR(differences, "");
    access_rules_free(config.rules);
    free(text);
}

/* Without the #s that stand before keys and examples: every key is there and has its default. */
static void test_default_file_uncommented(void)
{
    char *text = print_default(), differences[200] = "";
    for (char *line = text; line;) {
        bool key = line[0] == '#' && islower((unsigned char)line[1]);
        bool example = strncmp(line, "#  ", 3) == 0;
        if (key || example)
            line[0] = ' ';
        if (key) { /* to the left margin, without moving what follows */
            size_t len = strcspn(line, "\n");
            memmove(line, line + 1, len - 1);
            line[len - 1] = ' ';
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    set_defaults(&config);
    errors.n = 0;
    config_read_text(&config, "default", text, strlen(text), &errors);
    /* The users and groups of the examples are hardly here. */
    for (size_t i = 0; i < errors.n; i++)
        CHECK(strstr(errors.text[i], "there is no user \"alice\"") ||
              strstr(errors.text[i], "there is no group \"builders\""));
    config_compare(&defaults, &config, note_difference, differences);
    CHECK_STR(differences, "state_dir socket "); /* that depend on who asks */
    for (size_t i = 0; i < n_config_keys; i++)
        if (!CHECK_INT(config.source[i], CONFIG_FILE))
            fprintf(stderr, "%s is not in the default file\n", config_keys[i].name);
    CHECK_INT(config.rules->n_peers, 1);
    access_rules_free(config.rules);
    free(text);
}

/* roff as plain text: \- is a minus. */
static void strip_roff(char *text)
{
    char *to = text;
    for (const char *c = text; *c; c++)
        if (!(c[0] == '\\' && c[1] == '-'))
            *to++ = *c;
    *to = '\0';
}

static void test_all_keys_are_told(void)
{
    char *help = print_help(), *file = print_manual(5), *program = print_manual(8);
    strip_roff(file);
    strip_roff(program);
    CHECK(strncmp(strchr(file, '\n') + 1, ".TH bangerd.conf 5", 18) == 0);
    CHECK(strncmp(strchr(program, '\n') + 1, ".TH bangerd 8", 13) == 0);
    for (size_t i = 0; i < n_config_keys; i++) {
        char option[CONFIG_NAME_BYTES], text[CONFIG_NAME_BYTES + 8];
        config_option_name(&config_keys[i], option);
        snprintf(text, sizeof(text), "--%s ", option);
        CHECK_CONTAINS(help, text);
        snprintf(text, sizeof(text), ".B %s\n", config_keys[i].name);
        CHECK_CONTAINS(file, text);
        snprintf(text, sizeof(text), ".B --%s", option);
        CHECK_CONTAINS(program, text);
    }
    for (size_t i = 0; i < n_config_sections; i++)
        CHECK_CONTAINS(file, config_sections[i].name);
    free(help);
    free(file);
    free(program);
}

/* Names, defaults and bounds of the table itself. */
static void test_table(void)
{
    for (size_t i = 0; i < n_config_keys; i++) {
        const struct config_key *key = &config_keys[i];
        struct err err = ERR_INIT;
        CHECK(config_find_key(key->name, strlen(key->name)) == key); /* no name twice */
        CHECK(key->default_text || key->default_remark);
        CHECK(key->type == CONFIG_FLAG || key->argument);
        CHECK(strlen(key->help) > 5 && key->help[strlen(key->help) - 1] == '.');
        if (key->default_text && config_set(&config, key, key->default_text, &err) < 0)
            CHECK_STR(err.message, "");
    }
}

/* No key and no option makes the daemon listen on TCP without TLS: there is one address, and it is
 * for TLS. The other is of UDP, for names, and of the loopback alone. */
static void test_no_plaintext_tcp(void)
{
    static const char *const words[] = {"insecure", "plain", "notls", "no_tls", "http", "tcp"};
    size_t n_addresses = 0;
    for (size_t i = 0; i < n_config_keys; i++) {
        const struct config_key *key = &config_keys[i];
        for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
            CHECK(!strstr(key->name, words[k]));
        n_addresses +=
            key->argument && strstr(key->argument, "PORT") && strcmp(key->name, "dns") != 0;
    }
    CHECK_INT(n_addresses, 1);
    static const char *const refused[] = {
        "0.0.0.0:53",      "192.0.2.1:53", "127.0.0.1", "127.0.0.1:0",
        "127.0.0.1:65536", "[::1]:53",     ""};
    const struct config_key *dns = config_find_key("dns", 3);
    for (size_t i = 0; CHECK(dns) && i < sizeof(refused) / sizeof(refused[0]); i++)
        CHECK_INT(config_set(&config, dns, refused[i], NULL), -1);
    CHECK_INT(config_set(&config, dns, "127.0.0.53:53", NULL), 0);
}

int main(void)
{
    set_defaults(&defaults);
    RUN(test_table);
    RUN(test_default_file_as_it_is);
    RUN(test_default_file_uncommented);
    RUN(test_all_keys_are_told);
    RUN(test_no_plaintext_tcp);
    access_rules_free(defaults.rules);
    return check_end();
}
