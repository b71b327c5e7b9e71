/* See image_params.h. */
#include "daemon/core/image/image_params.h"

#include <stdio.h>
#include <string.h>

json_t *image_params_read(const struct operation_entry *op)
{
    return json_loads(text_get(operation_row(op)->params), 0, NULL);
}

void image_params_text(const json_t *params, const char *key, char *out, size_t size)
{
    const char *value = json_string_value(json_object_get(params, key));
    snprintf(out, size, "%s", value ? value : "");
}

const char *image_params_made(const json_t *params, const char *type, char id[ID_BYTES])
{
    size_t at, n = strlen(type);
    const json_t *each;
    json_array_foreach(json_object_get(params, "makes"), at, each)
    {
        const char *made = json_string_value(each);
        if (!made || strncmp(made, type, n) != 0 || made[n] != '/' || !id_is_valid(made + n + 1))
            continue;
        snprintf(id, ID_BYTES, "%s", made + n + 1);
        return id;
    }
    return NULL;
}
