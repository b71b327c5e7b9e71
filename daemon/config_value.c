/* Texts to values of the configuration and back; see config_internal.h. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/config_internal.h"

static int set_text(char *field, const struct config_key *key, const char *value, struct err *err)
{
    size_t n = strlen(value);
    /* What has an empty default can be set back to it. */
    bool may_be_empty = key->default_text && !*key->default_text;
    if ((n == 0 && !may_be_empty) || n >= key->size)
        return err_set(err, ERR_INVALID, "needs %d to %zu characters", may_be_empty ? 0 : 1,
                       key->size - 1);
    if (key->type == CONFIG_PATH && n > 0 && value[0] != '/')
        return err_set(err, ERR_INVALID, "\"%s\" is no absolute path", value);
    memset(field, 0, key->size);
    strcpy(field, value);
    return 0;
}

static int set_number(char *field, const struct config_key *key, const char *value, struct err *err)
{
    char *end = NULL;
    unsigned long long number = strtoull(value, &end, 10);
    /* A number that is too large comes back as the largest there is, above every maximum. */
    if (!isdigit((unsigned char)value[0]) || *end || number < key->min || number > key->max)
        return err_set(err, ERR_INVALID, "\"%s\" is not a number from %llu to %llu", value,
                       (unsigned long long)key->min, (unsigned long long)key->max);
    uint64_t wide = number;
    memcpy(field, &wide, sizeof(wide));
    return 0;
}

static int set_mode(char *field, const char *value, struct err *err)
{
    char *end = NULL;
    unsigned long mode = strtoul(value, &end, 8);
    if (!isdigit((unsigned char)value[0]) || *end || (mode & ~0666UL) || (mode & 0600) != 0600)
        return err_set(err, ERR_INVALID,
                       "\"%s\" is no mode of a socket: octal, from 0600 to 0666, without execution",
                       value);
    uint64_t wide = mode;
    memcpy(field, &wide, sizeof(wide));
    return 0;
}

static int set_flag(char *field, const char *value, struct err *err)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], value) == 0) {
            bool on = i % 2 == 1;
            memcpy(field, &on, sizeof(on));
            return 0;
        }
    return err_set(err, ERR_INVALID, "\"%s\" is neither yes nor no", value);
}

int config_set(struct daemon_config *config, const struct config_key *key, const char *value,
               struct err *err)
{
    char *field = (char *)config + key->offset;
    int rv = -1;
    switch (key->type) {
    case CONFIG_TEXT:
    case CONFIG_PATH:
        rv = set_text(field, key, value, err);
        break;
    case CONFIG_NUMBER:
        rv = set_number(field, key, value, err);
        break;
    case CONFIG_MODE:
        rv = set_mode(field, value, err);
        break;
    case CONFIG_FLAG:
        rv = set_flag(field, value, err);
        break;
    }
    return rv == 0 && key->check ? key->check(config, value, err) : rv;
}

void config_check_whole(const struct daemon_config *config, struct config_errors *errors)
{
    if (*config->certificate_file && !*config->key_file)
        config_wrong_key(config, "certificate_file", errors, "needs key_file beside it");
    if (*config->key_file && !*config->certificate_file)
        config_wrong_key(config, "key_file", errors, "needs certificate_file beside it");
}

void config_describe_values(const struct config_key *key, char *text, size_t size)
{
    const char *unit = "";
    size_t n = strlen(key->name);
    if (n > 3 && strcmp(key->name + n - 3, "_ms") == 0)
        unit = " milliseconds";
    else if (n > 6 && strcmp(key->name + n - 6, "_bytes") == 0)
        unit = " bytes";
    else if (n > 4 && strcmp(key->name + n - 4, "_mib") == 0)
        unit = " MiB";
    switch (key->type) {
    case CONFIG_NUMBER:
        snprintf(text, size, "%llu to %llu%s", (unsigned long long)key->min,
                 (unsigned long long)key->max, unit);
        break;
    case CONFIG_PATH:
        snprintf(text, size, "an absolute path");
        break;
    case CONFIG_MODE:
        snprintf(text, size, "an octal mode");
        break;
    case CONFIG_FLAG:
        snprintf(text, size, "yes or no");
        break;
    case CONFIG_TEXT:
        snprintf(text, size, "a text");
        break;
    }
}

static bool same(const struct config_key *key, const struct daemon_config *a,
                 const struct daemon_config *b)
{
    const char *of_a = (const char *)a + key->offset, *of_b = (const char *)b + key->offset;
    if (key->type == CONFIG_TEXT || key->type == CONFIG_PATH)
        return strcmp(of_a, of_b) == 0;
    return memcmp(of_a, of_b, key->size) == 0;
}

void config_compare(const struct daemon_config *now, const struct daemon_config *next,
                    void (*differs)(void *arg, const char *key, bool reloads), void *arg)
{
    for (size_t i = 0; i < n_config_keys; i++)
        if (!same(&config_keys[i], now, next))
            differs(arg, config_keys[i].name, config_keys[i].reloads);
}

void config_copy_key(struct daemon_config *to, const struct daemon_config *from, const char *name)
{
    const struct config_key *key = config_find_key(name, strlen(name));
    memcpy((char *)to + key->offset, (const char *)from + key->offset, key->size);
    to->source[key - config_keys] = from->source[key - config_keys];
    to->line[key - config_keys] = from->line[key - config_keys];
}
