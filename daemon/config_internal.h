/* The tables of the configuration, and what its files share; see config.h. */
#ifndef BANGER_DAEMON_CONFIG_INTERNAL_H
#define BANGER_DAEMON_CONFIG_INTERNAL_H

#include "daemon/config.h"

struct err;

enum config_type {
    CONFIG_TEXT,
    CONFIG_PATH, /* absolute */
    CONFIG_NUMBER,
    CONFIG_MODE, /* octal, of a socket */
    CONFIG_FLAG,
};

struct config_key {
    const char *name; /* max_vms in the file, --max-vms, BANGER_MAX_VMS */
    enum config_type type;
    size_t offset, size;        /* of the field in struct daemon_config */
    const char *default_text;   /* as in the file; NULL: base/paths.h finds it */
    const char *default_remark; /* where the text does not say it all, or NULL */
    const char *argument;       /* what the help calls the value; NULL for flags */
    uint64_t min, max;          /* of numbers */
    bool reloads;               /* takes effect with SIGHUP */
    int (*check)(struct daemon_config *config, const char *value, struct err *err); /* or NULL */
    const char *help;
};

/* A mapping of names to fields. */
enum { CONFIG_FIELDS_MAX = 3 };

struct config_field {
    const char *name;
    bool required;
    const char *help;
};

struct config_section {
    const char *name;  /* users */
    const char *title; /* what stands for a name in the help: USER */
    const char *help;
    const char *example; /* a line of the default file, below the name */
    struct config_field fields[CONFIG_FIELDS_MAX + 1]; /* ends with a NULL name */
    /* values by field, NULL where not given. */
    int (*add)(struct access_rules *rules, const char *title,
               const char *const values[CONFIG_FIELDS_MAX], struct err *err);
};

/* config_keys.c */
extern const struct config_key config_keys[];
extern const size_t n_config_keys;
const struct config_key *config_find_key(const char *name, size_t len);
/* The heading that begins with this key, or NULL. */
const char *config_heading(const struct config_key *key);
/* "max-vms" and "BANGER_MAX_VMS" for max_vms. */
enum { CONFIG_NAME_BYTES = 64 };
void config_option_name(const struct config_key *key, char name[CONFIG_NAME_BYTES]);
void config_variable_name(const struct config_key *key, char name[CONFIG_NAME_BYTES]);

/* config_sections.c */
extern const struct config_section config_sections[];
extern const size_t n_config_sections;

/* config_value.c */
/* Converts and checks; the error says what is wrong, not where. */
int config_set(struct daemon_config *config, const struct config_key *key, const char *value,
               struct err *err);
/* What concerns several keys. */
void config_check_whole(const struct daemon_config *config, struct config_errors *errors);
/* "1 to 1000 milliseconds" and the like. */
void config_describe_values(const struct config_key *key, char *text, size_t size);

/* config_file.c */
/* A missing file is an error only if it must_exist. */
void config_read_file(struct daemon_config *config, const char *path, bool must_exist,
                      struct config_errors *errors);
/* The same for a text that came from path. */
void config_read_text(struct daemon_config *config, const char *path, const char *text, size_t len,
                      struct config_errors *errors);

/* config.c */
void config_wrong(struct config_errors *errors, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, behind the place where the key's value came from. */
void config_wrong_key(const struct daemon_config *config, const char *key,
                      struct config_errors *errors, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* config_print.c */
void config_print_help(FILE *to);
void config_print_default_file(FILE *to);
/* config_man.c: section 5 or 8. */
void config_print_manual(FILE *to, int section);

#endif
