/* See vm_op_publish.h. */
#include "daemon/core/vm/vm_op_publish.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/core/vm/vm_internal.h"
#include "daemon/core/vm/vm_publisher.h"

json_t *vm_publish_change_pack(const struct vm_publish_change *c)
{
    json_t *list = c->given ? json_array() : NULL;
    for (size_t i = 0; list && i < c->n; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "address", c->list[i].address,
                                              "host", (json_int_t)c->list[i].host_port, "guest",
                                              (json_int_t)c->list[i].guest_port));
    return list;
}

static uint32_t publish_number(const json_t *o, const char *key)
{
    return (uint32_t)json_integer_value(json_object_get(o, key));
}

void vm_publish_change_read(struct vm_publish_change *c, const json_t *list)
{
    *c = (struct vm_publish_change){.given = json_is_array(list)};
    for (size_t i = 0; i < json_array_size(list) && i < VM_PUBLISH_MAX; i++) {
        const json_t *o = json_array_get(list, i);
        const char *address = json_string_value(json_object_get(o, "address"));
        struct vm_publish *p = &c->list[c->n++];
        snprintf(p->address, sizeof(p->address), "%s", address ? address : "");
        p->host_port = publish_number(o, "host");
        p->guest_port = publish_number(o, "guest");
    }
}

int vm_publish_change_check(const struct vm_publish_change *c, struct vm_entry *e, struct err *err)
{
    const struct vm_publisher *publisher = vm_publisher(e->core);
    struct blob publish = {0};
    if (!c->given)
        return 0;
    int rc = vm_publish_write(&publish, c->list, c->n, err);
    if (rc == 0)
        rc = vm_publish_check(&publish, err);
    if (rc == 0 && vm_has_vmm(e) && publisher)
        rc = publisher->check(e, &publish, err);
    free(publish.data);
    return rc;
}

int vm_publish_change_apply(const struct vm_publish_change *c, struct vm_entry *e)
{
    if (!c->given)
        return 0;
    if (!vm_has_machine(e)) /* else who listens for it says what it is */
        blob_set(&e->vm.runtime.published, NULL, 0);
    return vm_publish_write(&e->vm.spec.publish, c->list, c->n, NULL);
}
