/* The tables as manual pages, made when banger is built; see config_internal.h. */
#include "base/roff.h"
#include "base/version.h"
#include "daemon/config_internal.h"

static void put_values(FILE *to, const struct config_key *key)
{
    char values[128];
    config_describe_values(key, values, sizeof(values));
    fputs(".br\n", to);
    roff_text(to, "Values: ");
    roff_text(to, values);
    roff_text(to, ". Default: ");
    roff_text(to, key->default_remark ? key->default_remark : key->default_text);
    roff_line(to, key->reloads ? ". Reloads." : ". Needs a restart.");
}

static void put_key(FILE *to, const struct config_key *key)
{
    fputs(".TP\n.B ", to);
    roff_line(to, key->name);
    roff_line(to, key->help);
    put_values(to, key);
}

static void put_section(FILE *to, const struct config_section *section)
{
    fputs(".TP\n.B ", to);
    roff_line(to, section->name);
    roff_line(to, section->help);
    fputs(".RS\n", to);
    for (const struct config_field *f = section->fields; f->name; f++) {
        fputs(".TP\n.I ", to);
        roff_line(to, f->name);
        roff_line(to, f->help);
    }
    fputs(".PP\n.nf\n", to);
    roff_text(to, section->name);
    fputs(":\n    ", to);
    roff_line(to, section->example);
    fputs(".fi\n.RE\n", to);
}

static void put_keys(FILE *to, void (*put_one)(FILE *, const struct config_key *))
{
    for (size_t i = 0; i < n_config_keys; i++) {
        const char *heading = config_heading(&config_keys[i]);
        if (heading)
            fprintf(to, ".SS %s\n", heading);
        put_one(to, &config_keys[i]);
    }
}

static void print_file_manual(FILE *to)
{
    roff_head(to, "bangerd.conf", 5, BANGER_VERSION, "what bangerd is told");
    fputs(".SH SYNOPSIS\n"
          ".I /etc/banger/bangerd.conf\n.br\n"
          ".I \\(ti/.config/banger/bangerd.conf\n"
          ".SH DESCRIPTION\n"
          "A daemon of root reads the first file, one of another user the second (in\n"
          ".B $XDG_CONFIG_HOME\nif that is set);\n"
          ".B bangerd \\-\\-config \\fIFILE\\fP\nor\n.B BANGER_CONFIG\nnames another one.\n"
          "It is YAML: a key a line, then a colon, a blank and its value; # begins a comment.\n"
          "There need not be a file.\n"
          ".PP\n"
          "Each key below is also an option of\n.BR bangerd (8)\n"
          "(max_vms is \\-\\-max\\-vms) and a variable of its environment (BANGER_MAX_VMS).\n"
          "An option goes over the environment, that over the file, that over the default.\n"
          ".PP\n"
          "A key that does not exist, that stands there twice or has a value that it cannot have\n"
          "is an error, told with file and line, and the daemon does not start.\n"
          ".B bangerd \\-\\-check\\-config\ntells all of them.\n"
          "The file must belong to root or to the daemon's user, and not everyone may write to\n"
          "it.\n"
          ".PP\n"
          "SIGHUP makes the daemon read the file again. Keys that reload take effect, others are\n"
          "named in the log. A file with an error changes nothing.\n"
          ".SH KEYS\n",
          to);
    put_keys(to, put_key);
    fputs(".SH WHO MAY COME\n"
          "Three keys have names below them, and what these may do. Connections of those who may\n"
          "do it no more, or something else now, are cut when the file is read again.\n",
          to);
    for (size_t i = 0; i < n_config_sections; i++)
        put_section(to, &config_sections[i]);
    fputs(".SH SEE ALSO\n.BR bangerd (8)\n", to);
}

static void put_option(FILE *to, const struct config_key *key)
{
    char name[CONFIG_NAME_BYTES];
    config_option_name(key, name);
    fputs(".TP\n.B ", to);
    roff_text(to, "--");
    roff_text(to, name);
    if (key->argument)
        fprintf(to, " \\fI%s\\fP", key->argument);
    fputc('\n', to);
    roff_line(to, key->help);
    put_values(to, key);
}

static void print_program_manual(FILE *to)
{
    roff_head(to, "bangerd", 8, BANGER_VERSION,
              "runs microVMs and commands in them, and serves them as gRPC");
    fputs(".SH SYNOPSIS\n"
          ".B bangerd\n"
          "[\\fIoptions\\fP]\n"
          ".SH DESCRIPTION\n"
          ".B bangerd\n"
          "runs microVMs and long-lived commands in them. Clients reach it over a Unix socket, on\n"
          "other machines over TCP with TLS 1.3 and certificates on both sides; no option makes\n"
          "it listen on TCP without. When it ends, VMs run on, and the next one finds them.\n"
          ".SH OPTIONS\n"
          "What options say can also stand in the environment and in\n.BR bangerd.conf (5),\n"
          "which options go over.\n"
          ".TP\n.B \\-\\-config \\fIFILE\\fP\n"
          "Configuration to read instead of the usual file.\n"
          ".TP\n.B \\-\\-check\\-config \\fR[\\fIFILE\\fR]\\fP\n"
          "Says what is wrong with the configuration, each error with file and line. Ends with 0\n"
          "if there is nothing, else with 1.\n"
          ".TP\n.B \\-\\-print\\-config\n"
          "Prints a configuration in which every key stands at its default, as a comment.\n"
          ".TP\n.B \\-\\-help\nA short help.\n"
          ".TP\n.B \\-\\-version\nThe version.\n",
          to);
    put_keys(to, put_option);
    fputs(
        ".SH SIGNALS\n"
        ".TP\n.B SIGHUP\n"
        "Reads the configuration, certificates, authorities and revocation lists again, and opens\n"
        "the log anew.\n"
        ".TP\n.BR SIGTERM ,\\  SIGINT\n"
        "Ends the daemon: calls have\n.B drain_ms\nto end, VMs run on.\n"
        ".SH EXIT STATUS\n"
        "0 after a signal, 1 when it cannot go on, 2 when the configuration is wrong.\n"
        ".SH SEE ALSO\n.BR bangerd.conf (5)\n",
        to);
}

void config_print_manual(FILE *to, int section)
{
    fputs(".\\\" Made by bangerd from its table of keys.\n", to);
    if (section == 5)
        print_file_manual(to);
    else
        print_program_manual(to);
}
