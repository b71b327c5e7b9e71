/* Every field of a struct that the store keeps has a column. The structs are packed here, and the
 * tables with them, so that no field hides where the compiler would pad. */
#include <sqlite3.h>

#include "tests/support/check.h"

#pragma pack(push, 1)
#include "daemon/store/store.h"
#include "daemon/store/tables.c" /* NOLINT: packed */
#pragma pack(pop)

/* Prints what is left of the struct. */
static void check_all_is_kept(const struct table *t, size_t size)
{
    bool *kept = calloc(size, sizeof(*kept));
    for (size_t i = 0; kept && i < t->n_columns; i++) {
        const struct column *c = &t->columns[i];
        for (size_t n = 0; n < c->size; n++) {
            if (!CHECK(c->offset + n < size && !kept[c->offset + n])) {
                fprintf(stderr, "%s.%s is a part of another column\n", t->name, c->name);
                break;
            }
            kept[c->offset + n] = true;
        }
    }
    const char *before = "the beginning";
    for (size_t at = 0; kept && at < size; at++) {
        for (size_t i = 0; i < t->n_columns; i++)
            if (t->columns[i].offset + t->columns[i].size == at)
                before = t->columns[i].name;
        if (CHECK(kept[at]))
            continue;
        fprintf(
            stderr,
            "the struct of %s has a field behind %s that has no column in daemon/store/tables.c\n",
            t->name, before);
        break;
    }
    free(kept);
}

static void test_every_field_has_a_column(void)
{
    check_all_is_kept(&vm_table, sizeof(struct vm));
    check_all_is_kept(&session_table, sizeof(struct session));
    check_all_is_kept(&guest_service_table, sizeof(struct guest_service));
    check_all_is_kept(&operation_table, sizeof(struct operation));
    check_all_is_kept(&image_table, sizeof(struct image));
    check_all_is_kept(&kernel_table, sizeof(struct kernel));
    check_all_is_kept(&event_table, sizeof(struct event));
    check_all_is_kept(&request_table, sizeof(struct store_request));
    check_all_is_kept(&identity_table, sizeof(struct identity));
    check_all_is_kept(&token_table, sizeof(struct token));
    check_all_is_kept(&audit_table, sizeof(struct audit_entry));
    check_all_is_kept(&host_settings_table, sizeof(struct host_settings));
    check_all_is_kept(&vm_update_table, sizeof(struct vm_update_labels));
    check_all_is_kept(&session_deletion_table, sizeof(struct session_deletion));
}

int main(void)
{
    RUN(test_every_field_has_a_column);
    return check_end();
}
