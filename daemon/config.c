/* The command line, the environment, and what goes over what; see config.h. */
#include "daemon/config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/version.h"
#include "daemon/config_internal.h"
#include "daemon/core/access/access_rules.h"

/* Errors */

__attribute__((format(printf, 3, 0))) static void
add_error(struct config_errors *errors, const char *place, const char *fmt, va_list ap)
{
    if (errors->n < CONFIG_ERRORS_MAX) {
        char *text = errors->text[errors->n];
        int n = snprintf(text, CONFIG_ERROR_BYTES, "%.300s%s", place, *place ? ": " : "");
        vsnprintf(text + n, CONFIG_ERROR_BYTES - (size_t)n, fmt, ap);
    }
    errors->n++;
}

void config_wrong(struct config_errors *errors, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_error(errors, "", fmt, ap);
    va_end(ap);
}

void config_wrong_key(const struct daemon_config *config, const char *name,
                      struct config_errors *errors, const char *fmt, ...)
{
    const struct config_key *key = config_find_key(name, strlen(name));
    size_t i = (size_t)(key - config_keys);
    char place[CONFIG_ERROR_BYTES], text[CONFIG_NAME_BYTES];
    switch (config->source[i]) {
    case CONFIG_FILE:
        snprintf(place, sizeof(place), "%.250s:%u: %s", config->file, config->line[i], name);
        break;
    case CONFIG_ENVIRONMENT:
        config_variable_name(key, text);
        snprintf(place, sizeof(place), "%s", text);
        break;
    case CONFIG_OPTION:
        config_option_name(key, text);
        snprintf(place, sizeof(place), "--%s", text);
        break;
    default:
        snprintf(place, sizeof(place), "%s", name);
    }
    va_list ap;
    va_start(ap, fmt);
    add_error(errors, place, fmt, ap);
    va_end(ap);
}

void config_print_errors(const struct config_errors *errors, FILE *to)
{
    for (size_t i = 0; i < errors->n && i < CONFIG_ERRORS_MAX; i++)
        fprintf(to, "%s\n", errors->text[i]);
    if (errors->n > CONFIG_ERRORS_MAX)
        fprintf(to, "and %zu more\n", errors->n - CONFIG_ERRORS_MAX);
}

/* The three sources */

static void set_from(struct daemon_config *config, const struct config_key *key, const char *value,
                     enum config_source source, struct config_errors *errors)
{
    struct err err = ERR_INIT;
    config->source[key - config_keys] = (uint8_t)source;
    if (config_set(config, key, value, &err) < 0)
        config_wrong_key(config, key->name, errors, "%s", err.message);
}

static void set_defaults(struct daemon_config *config, struct config_errors *errors)
{
    for (size_t i = 0; i < n_config_keys; i++)
        if (config_keys[i].default_text)
            set_from(config, &config_keys[i], config_keys[i].default_text, CONFIG_DEFAULT, errors);
}

static void set_from_environment(struct daemon_config *config, struct config_errors *errors)
{
    for (size_t i = 0; i < n_config_keys; i++) {
        char name[CONFIG_NAME_BYTES];
        config_variable_name(&config_keys[i], name);
        const char *value = getenv(name);
        if (value && *value)
            set_from(config, &config_keys[i], value, CONFIG_ENVIRONMENT, errors);
    }
}

/* One option of the command line. */
struct option {
    char name[CONFIG_NAME_BYTES]; /* max_vms */
    const char *value;            /* NULL: none */
};

static bool takes_value(const char *name)
{
    const struct config_key *key = config_find_key(name, strlen(name));
    return key ? key->type != CONFIG_FLAG
               : strcmp(name, "config") == 0 || strcmp(name, "restore_backup") == 0;
}

/* Moves *at on to the option's last argument. False: told. */
static bool next_option(int argc, char **argv, int *at, struct option *o,
                        struct config_errors *errors)
{
    const char *arg = argv[*at];
    if (strncmp(arg, "--", 2) != 0) {
        config_wrong(errors, "bangerd takes options only, not \"%.100s\"; see --help", arg);
        return false;
    }
    size_t len = strcspn(arg + 2, "=");
    snprintf(o->name, sizeof(o->name), "%.*s", (int)len, arg + 2);
    for (char *c = o->name; *c; c++) /* --max_vms becomes max-vms, which is no key */
        *c = *c == '-' ? '_' : *c == '_' ? '-' : *c;
    o->value = arg[2 + len] ? arg + 2 + len + 1 : NULL;
    if (o->value || !takes_value(o->name))
        return true;
    if (*at + 1 == argc) {
        config_wrong(errors, "%s: needs a value", arg);
        return false;
    }
    o->value = argv[++*at];
    return true;
}

static void set_from_arguments(struct daemon_config *config, int argc, char **argv,
                               struct config_errors *errors)
{
    for (int i = 1; i < argc; i++) {
        struct option o;
        const char *arg = argv[i];
        if (!next_option(argc, argv, &i, &o, errors))
            continue;
        const struct config_key *key = config_find_key(o.name, strlen(o.name));
        if (key)
            set_from(config, key, o.value ? o.value : "yes", CONFIG_OPTION, errors);
        else if (strcmp(o.name, "restore_backup") == 0)
            config->restore_backup = o.value;
        else if (strcmp(o.name, "config") != 0)
            config_wrong(errors, "unknown option \"%.100s\"; see --help", arg);
    }
}

/* What --config, else BANGER_CONFIG says, else the usual place; true where it was said. */
static bool find_file(struct daemon_config *config, int argc, char **argv)
{
    struct config_errors *ignored = calloc(1, sizeof(*ignored));
    const char *said = getenv("BANGER_CONFIG");
    for (int i = 1; ignored && i < argc; i++) {
        struct option o;
        if (next_option(argc, argv, &i, &o, ignored) && strcmp(o.name, "config") == 0)
            said = o.value;
    }
    free(ignored);
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (said && *said)
        snprintf(config->file, sizeof(config->file), "%s", said);
    else if (geteuid() == 0)
        snprintf(config->file, sizeof(config->file), "/etc/banger/bangerd.conf");
    else if (xdg && *xdg)
        snprintf(config->file, sizeof(config->file), "%s/banger/bangerd.conf", xdg);
    else if (home && *home)
        snprintf(config->file, sizeof(config->file), "%s/.config/banger/bangerd.conf", home);
    return said && *said;
}

static enum config_source source_of(const struct daemon_config *config, const char *name)
{
    return (enum config_source)config->source[config_find_key(name, strlen(name)) - config_keys];
}

/* A state folder of one's own is a daemon of one's own: it must not take the socket of another. So
 * the socket goes along with a state folder that was said in a stronger way than it was itself. */
static void follow_state_dir(struct daemon_config *config, const struct paths *usual)
{
    enum config_source state = source_of(config, "state_dir"), socket = source_of(config, "socket");
    struct paths *paths = &config->paths;
    if (state <= socket || socket >= CONFIG_ENVIRONMENT)
        return;
    if (state == CONFIG_ENVIRONMENT) {
        *paths = *usual; /* base/paths.h has looked at the same variable */
        return;
    }
    snprintf(paths->runtime_dir, sizeof(paths->runtime_dir), "%.4000s/run", paths->state_dir);
    snprintf(paths->socket, sizeof(paths->socket), "%.4000s/run/bangerd.sock", paths->state_dir);
}

int config_read(struct daemon_config *config, int argc, char **argv, struct config_errors *errors)
{
    struct err err = ERR_INIT;
    *config = (struct daemon_config){.rules = access_rules_new(&err)};
    if (!config->rules) {
        config_wrong(errors, "%s", err.message);
        return -1;
    }
    bool said = find_file(config, argc, argv);
    set_defaults(config, errors);
    if (paths_default(&config->paths, &err) < 0)
        config_wrong(errors, "%s", err.message);
    struct paths usual = config->paths;
    if (*config->file)
        config_read_file(config, config->file, said, errors);
    set_from_environment(config, errors);
    set_from_arguments(config, argc, argv, errors);
    follow_state_dir(config, &usual);
    config_check_whole(config, errors);
    if (errors->n == 0)
        return 0;
    config_done(config);
    return -1;
}

void config_done(struct daemon_config *config)
{
    access_rules_free(config->rules);
    config->rules = NULL;
}

/* What is shown instead of run */

/* The file alone, as a daemon without options and variables would read it. */
static enum config_result check_file(struct daemon_config *config, int argc, char **argv,
                                     const char *path, struct config_errors *errors)
{
    *config = (struct daemon_config){.rules = access_rules_new(NULL)};
    bool said = find_file(config, argc, argv);
    if (path) {
        snprintf(config->file, sizeof(config->file), "%s", path);
        said = true;
    }
    set_defaults(config, errors);
    if (!config->rules)
        config_wrong(errors, "out of memory");
    else
        config_read_file(config, config->file, said, errors);
    config_check_whole(config, errors);
    config_done(config);
    if (errors->n > 0)
        return CONFIG_UNFIT;
    printf("%s: %s\n", config->file,
           said || access(config->file, F_OK) == 0 ? "fine" : "not there, which is fine");
    return CONFIG_SHOWN;
}

static enum config_result show(struct daemon_config *config, int argc, char **argv, int at,
                               struct config_errors *errors)
{
    const char *arg = argv[at];
    if (strcmp(arg, "--help") == 0)
        config_print_help(stdout);
    else if (strcmp(arg, "--version") == 0)
        printf("bangerd %s\n", BANGER_VERSION);
    else if (strcmp(arg, "--print-config") == 0)
        config_print_default_file(stdout);
    else if (strcmp(arg, "--print-manual=5") == 0 || strcmp(arg, "--print-manual=8") == 0)
        config_print_manual(stdout, arg[15] - '0');
    else if (strncmp(arg, "--check-config=", 15) == 0)
        return check_file(config, argc, argv, arg + 15, errors);
    else if (strcmp(arg, "--check-config") == 0)
        return check_file(config, argc, argv, argv[at + 1], errors); /* argv ends with NULL */
    else
        return CONFIG_RUN;
    return CONFIG_SHOWN;
}

enum config_result config_parse(struct daemon_config *config, int argc, char **argv,
                                struct config_errors *errors)
{
    for (int i = 1; i < argc; i++) {
        enum config_result result = show(config, argc, argv, i, errors);
        if (result != CONFIG_RUN)
            return result;
    }
    return config_read(config, argc, argv, errors) < 0 ? CONFIG_WRONG : CONFIG_RUN;
}
