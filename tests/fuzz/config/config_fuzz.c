/* The configuration file: any text is read or refused, each error with a line that it has. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config_internal.h"
#include "daemon/core/access/access_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct daemon_config config;
    static struct config_errors errors;
    unsigned long n_lines = 2; /* the end of the text is on a line of its own */
    for (size_t i = 0; i < size; i++)
        n_lines += data[i] == '\n' || data[i] == '\r' || data[i] >= 0x80;
    errors.n = 0;
    config = (struct daemon_config){.rules = access_rules_new(NULL)};
    if (!config.rules)
        abort();
    config_read_text(&config, "f", (const char *)data, size, &errors);
    for (size_t i = 0; i < errors.n && i < CONFIG_ERRORS_MAX; i++) {
        unsigned long line = strtoul(errors.text[i] + 2, NULL, 10);
        if (strncmp(errors.text[i], "f:", 2) != 0 || line < 1 || line > n_lines)
            abort();
    }
    config_done(&config);
    return 0;
}
