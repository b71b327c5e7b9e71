/* Rows as JSON; see record.h. */
#include "daemon/store/record.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "daemon/model/model.h"
#include "daemon/store/column.h"
#include "daemon/store/migrations.h"

/* What is no intent: derived from the id and the state folder, or true for a while only. */
static const char *const left_out[] = {
    "restarts",       "restart_streak", "restart_reason", "wanted",          "state",
    "failed_stage",   "last_error",     "guest_ip",       "dns_name",        "vm_dir",
    "api_sock_path",  "vsock_cid",      "log_path",       "agent_sock_path", "metrics_path",
    "system_overlay", "work_disk_path", "boot_id",        "updated_ns",      "started_ns",
    "stopped_ns",     "path",           "vmlinux_path",   "initramfs_path",  "lease_ms",
    "lease_holder",   "published",
};

static bool is_left_out(const char *name)
{
    for (size_t i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
        if (strcmp(left_out[i], name) == 0)
            return true;
    return false;
}

/* Writing */

static json_t *pack_labels(const struct label_list *labels)
{
    json_t *object = json_object();
    for (uint32_t i = 0; object && i < labels->n; i++)
        if (json_object_set_new(object, labels->at[i].key, json_string(labels->at[i].value)) < 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}

/* Of NUL-terminated strings, one after another: the only ones that a record has. */
static json_t *pack_strings(const struct blob *blob)
{
    json_t *array = json_array();
    const char *at = (const char *)blob->data, *end = at + blob->len;
    for (; array && at < end; at += strlen(at) + 1)
        if (json_array_append_new(array, json_string(at)) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *pack_column(const struct column *c, const void *row)
{
    const char *field = (const char *)row + c->offset;
    int32_t small;
    int64_t large;
    bool flag;
    switch (c->kind) {
    case COLUMN_TEXT:
        return json_stringn(field, strnlen(field, c->size));
    case COLUMN_BOOL:
        memcpy(&flag, field, sizeof(flag));
        return json_boolean(flag);
    case COLUMN_INT:
        memcpy(&small, field, sizeof(small));
        return json_integer(small);
    case COLUMN_LONG:
        memcpy(&large, field, sizeof(large));
        return json_integer(large);
    case COLUMN_LABEL_LIST:
        return pack_labels((const struct label_list *)(const void *)field);
    case COLUMN_BLOB:
        return pack_strings((const struct blob *)(const void *)field);
    case COLUMN_LABELS:
    case COLUMN_STRING:
        break; /* no record has one */
    }
    return NULL;
}

static char *record_write(const struct table *t, const char *kind, const void *row)
{
    json_t *fields = json_object();
    bool whole = fields != NULL;
    for (size_t i = 0; whole && i < t->n_columns; i++)
        if (!is_left_out(t->columns[i].name))
            whole = json_object_set_new(fields, t->columns[i].name,
                                        pack_column(&t->columns[i], row)) == 0;
    json_t *record =
        whole ? json_pack("{s:i, s:O}", "schema", migrations_newest(), kind, fields) : NULL;
    char *text = record ? json_dumps(record, JSON_INDENT(1) | JSON_SORT_KEYS) : NULL;
    json_decref(record);
    json_decref(fields);
    return text;
}

/* Reading */

static int read_text(const struct column *c, const json_t *value, char *field)
{
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    if (!text || n >= c->size)
        return -1;
    memcpy(field, text, n);
    field[n] = '\0';
    return 0;
}

static int read_labels(json_t *value, struct label_list *list)
{
    struct labels read = {.n = 0}, *labels = &read;
    const char *key;
    json_t *each;
    if (!json_is_object(value))
        return -1;
    json_object_foreach(value, key, each)
    {
        const char *text = json_string_value(each);
        if (labels->n == LABELS_MAX || !text || strlen(key) >= LABEL_KEY_BYTES ||
            strlen(text) >= LABEL_VALUE_BYTES)
            return -1;
        struct label *l = &labels->at[labels->n++];
        memcpy(l->key, key, strlen(key) + 1);
        memcpy(l->value, text, strlen(text) + 1);
    }
    return label_list_set(list, labels);
}

static int read_strings(const json_t *value, struct blob *blob)
{
    size_t total = 0, at = 0, i;
    json_t *each;
    if (!json_is_array(value))
        return -1;
    json_array_foreach(value, i, each)
    {
        if (!json_is_string(each) || strlen(json_string_value(each)) != json_string_length(each))
            return -1;
        total += json_string_length(each) + 1;
    }
    uint8_t *data = malloc(total + 1);
    if (!data)
        return -1;
    json_array_foreach(value, i, each)
    {
        memcpy(data + at, json_string_value(each), json_string_length(each) + 1);
        at += json_string_length(each) + 1;
    }
    free(blob->data);
    *blob = (struct blob){data, total};
    return 0;
}

static int read_column(const struct column *c, json_t *value, void *row)
{
    char *field = (char *)row + c->offset;
    int64_t large = json_integer_value(value);
    int32_t small = (int32_t)large;
    bool flag = json_is_true(value);
    switch (c->kind) {
    case COLUMN_TEXT:
        return read_text(c, value, field);
    case COLUMN_BOOL:
        if (!json_is_boolean(value))
            return -1;
        memcpy(field, &flag, sizeof(flag));
        return 0;
    case COLUMN_INT:
        if (!json_is_integer(value) || large != small)
            return -1;
        memcpy(field, &small, sizeof(small));
        return 0;
    case COLUMN_LONG:
        if (!json_is_integer(value))
            return -1;
        memcpy(field, &large, sizeof(large));
        return 0;
    case COLUMN_LABEL_LIST:
        return read_labels(value, (struct label_list *)(void *)field);
    case COLUMN_BLOB:
        return read_strings(value, (struct blob *)(void *)field);
    case COLUMN_LABELS:
    case COLUMN_STRING:
        break;
    }
    return -1;
}

/* row is zeroed by the caller. */
static int record_read(const struct table *t, const char *kind, const char *text, size_t len,
                       void *row, struct err *err)
{
    json_error_t why;
    json_t *record = len <= RECORD_MAX_BYTES
                         ? json_loadb(text, len, JSON_REJECT_DUPLICATES, &why)
                         : (snprintf(why.text, sizeof(why.text), "too long"), NULL);
    json_t *fields = json_object_get(record, kind);
    int rc = 0;
    if (!json_is_object(fields))
        rc = err_set(err, ERR_INVALID, "not a record of %s %s: %.100s", kind[0] == 'i' ? "an" : "a",
                     kind, record ? "there is none in it" : why.text);
    for (size_t i = 0; rc == 0 && i < t->n_columns; i++) {
        const struct column *c = &t->columns[i];
        json_t *value = is_left_out(c->name) ? NULL : json_object_get(fields, c->name);
        if (value && read_column(c, value, row) < 0)
            rc = err_set(err, ERR_INVALID, "a record whose %s makes no sense", c->name);
    }
    json_decref(record);
    return rc;
}

char *record_of_vm(const struct vm *vm)
{
    return record_write(&vm_table, "vm", vm);
}

char *record_of_image(const struct image *image)
{
    return record_write(&image_table, "image", image);
}

char *record_of_kernel(const struct kernel *kernel)
{
    return record_write(&kernel_table, "kernel", kernel);
}

int record_read_vm(const char *text, size_t len, struct vm *vm, struct err *err)
{
    *vm = (struct vm){.id = ""};
    int rc = record_read(&vm_table, "vm", text, len, vm, err);
    if (rc < 0)
        vm_done(vm);
    return rc;
}

int record_read_image(const char *text, size_t len, struct image *image, struct err *err)
{
    *image = (struct image){.id = ""};
    return record_read(&image_table, "image", text, len, image, err);
}

int record_read_kernel(const char *text, size_t len, struct kernel *kernel, struct err *err)
{
    *kernel = (struct kernel){.id = ""};
    return record_read(&kernel_table, "kernel", text, len, kernel, err);
}
