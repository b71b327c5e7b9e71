/* How the system's ssh is told to reach VMs. */
#ifndef BANGER_SHELL_SSH_H
#define BANGER_SHELL_SSH_H

#include "cli.h"

enum { SSH_TEXT_BYTES = 4096 + 512 };

/* Options of ssh that every connection to a VM has, but for its ProxyCommand. */
struct ssh_option {
    const char *name;
    const char *value; /* NULL: the path of our known_hosts, quoted */
};
extern const struct ssh_option ssh_options[]; /* ends with a NULL name */

/* A file below the folder for ssh of the user's configuration; "" the folder. 0, or EXIT_BANGER
 * with the error printed. */
int ssh_file(char path[SSH_TEXT_BYTES], const char *name);
/* Such an option's value as ssh wants it; into text where it has to be made. */
const char *ssh_option_value(const struct ssh_option *option, char text[SSH_TEXT_BYTES]);
/* A ProxyCommand: this program with its own options for where the daemon is, then name, which ssh
 * expands. Its length, or -1 with the error printed. */
int ssh_proxy_command(const struct cli *cli, const char *name, char text[SSH_TEXT_BYTES]);

#endif
