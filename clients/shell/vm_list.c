/* vm list. */
#include "list.h"
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct vm_list_options {
    struct list_options list;
    struct opt_list labels, states;
};

static void cell_memory(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__VM *vm = (const Banger__V1__VM *)item;
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_size(text, vm->spec ? vm->spec->memory_bytes : 0));
}

static void cell_disk(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__VM *vm = (const Banger__V1__VM *)item;
    char text[FORMAT_BYTES];
    table_cell(t, "%s", format_size(text, vm->spec ? vm->spec->disk_bytes : 0));
}

static void cell_image(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__VM *vm = (const Banger__V1__VM *)item;
    table_cell(t, "%s", vm->spec && vm->spec->image[0] ? vm->spec->image : vm->image_id);
}

static void cell_published(struct table *t, const ProtobufCMessage *item)
{
    const Banger__V1__VMRuntime *runtime = ((const Banger__V1__VM *)item)->runtime;
    char text[PUBLISH_TEXT_BYTES], all[8 * PUBLISH_TEXT_BYTES] = "";
    size_t len = 0, n = runtime ? runtime->n_published : 0;
    for (size_t i = 0; i < n && len + PUBLISH_TEXT_BYTES + 1 < sizeof(all); i++)
        len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? "," : "",
                                publish_text(runtime->published[i], text));
    table_cell(t, "%s", all);
}

static const struct list_column columns[] = {
    {"ID", NULL, "id", false},
    {"NAME", NULL, "name", false},
    {"STATE", NULL, "runtime.state", false},
    {"IMAGE", cell_image, "spec.image", false},
    {"DRIVER", NULL, "spec.driver", false},
    {"CPUS", NULL, "spec.cpus", false},
    {"MEMORY", cell_memory, "spec.memory_bytes", false},
    {"DISK", cell_disk, "spec.disk_bytes", true},
    {"KERNEL", NULL, "kernel_id", true},
    {"ADDRESS", NULL, "runtime.guest_ip", false},
    {"PUBLISHED", cell_published, "runtime.published", false},
    {"LABELS", NULL, "labels", false},
    {"CREATED", list_cell_created, "created", false},
    {.head = NULL},
};

static const struct list_view view = {
    .what = "VMs",
    .method = "/banger.v1.VMService/ListVMs",
    .items = "vms",
    .id = "id",
    .time = "created",
    .columns = columns,
};

/* "running" -> VM_STATE_RUNNING; -1 for no state. */
static int vm_state_of_word(const char *word)
{
    char state[WORD_BYTES];
    for (int i = 1; i <= BANGER__V1__VMSTATE__VM_STATE_UNKNOWN; i++)
        if (strcasecmp(enum_word(state, &banger__v1__vmstate__descriptor, i), word) == 0)
            return i;
    return -1;
}

static int vm_list(struct cli *cli, const void *values, const struct opt_args *args)
{
    const struct vm_list_options *o = values;
    (void)args;
    enum { MOST_STATES = 16 };
    Banger__V1__VMState states[MOST_STATES];
    Banger__V1__ListVMsRequest request = BANGER__V1__LIST_VMS_REQUEST__INIT;
    const char *filtered = list_filter_value(&o->list, "state");
    if (filtered && o->states.n == 0 && vm_state_of_word(filtered) >= 0)
        states[request.n_states++] = (Banger__V1__VMState)vm_state_of_word(filtered);
    for (size_t i = 0; i < o->states.n; i++) {
        int state = vm_state_of_word(o->states.items[i]);
        if (state < 0 || request.n_states == MOST_STATES)
            return cli_usage("--state: \"%.40s\" is no state of a VM", o->states.items[i]);
        states[request.n_states++] = (Banger__V1__VMState)state;
    }
    request.states = states;
    struct label_set *labels = label_set_new("--label", &o->labels);
    if (!labels)
        return EXIT_BANGER;
    Banger__V1__LabelSelector selector = BANGER__V1__LABEL_SELECTOR__INIT;
    selector.match = labels->list;
    selector.n_match = labels->n;
    request.selector = labels->n ? &selector : NULL;
    int status = EXIT_BANGER;
    if (cli_connect(cli) == 0)
        status = list_run(cli, &view, &request.base, &o->list);
    label_set_free(labels);
    return status;
}

static const struct opt list_opts[] = {
    {"label", 'l', OPT_LIST, offsetof(struct vm_list_options, labels), "KEY=VALUE",
     "only VMs with this label; may be repeated", NULL, NAMES_NONE},
    {"state", 's', OPT_LIST, offsetof(struct vm_list_options, states), "STATE",
     "only VMs in this state; may be repeated", NULL, NAMES_NONE},
    LIST_OPTS,
    {.name = NULL},
};

const struct command vm_list_command = {
    "list", "ls", "",    "list VMs", NULL,    list_opts, sizeof(struct vm_list_options),
    0,      0,    false, NAMES_NONE, vm_list,
};
