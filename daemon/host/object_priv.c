/* See object_priv.h. */
#include "daemon/host/object_priv.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "daemon/host/object_file.h"
#include "daemon/priv/priv_call.h"

int object_priv_name(const char *state_dir, const char *vm_id, enum object_role role,
                     char name[VM_PATH_BYTES], struct err *err)
{
    struct priv_owner owner;
    char folder[VM_PATH_BYTES];
    if (object_folder_name(state_dir, vm_id, folder, err) < 0 ||
        priv_owner_of(state_dir, &owner, err) < 0)
        return -1;
    int n = role == OBJECT_TAP_RULES ? snprintf(name, VM_PATH_BYTES, "inet banger ") : 0;
    priv_tap_name(&owner, vm_id, name + n);
    return 0;
}

/* A list as messages: their room is the caller's. */
struct allowed {
    Banger__Priv__V1__Allowed at[EGRESS_ENTRIES_MAX + EGRESS_OWN_ENTRIES];
    Banger__Priv__V1__Allowed *pointers[EGRESS_ENTRIES_MAX + EGRESS_OWN_ENTRIES];
};

static void fill_egress(Banger__Priv__V1__Request *request, const struct object *o,
                        struct allowed *a)
{
    request->egress = o->egress == EGRESS_NONE   ? BANGER__PRIV__V1__EGRESS__EGRESS_NONE
                      : o->egress == EGRESS_LIST ? o->allow.names
                                                       ? BANGER__PRIV__V1__EGRESS__EGRESS_NAMES
                                                       : BANGER__PRIV__V1__EGRESS__EGRESS_LIST
                                                 : BANGER__PRIV__V1__EGRESS__EGRESS_ALL;
    for (uint32_t i = 0; o->egress == EGRESS_LIST && i < o->allow.n; i++) {
        const struct egress_entry *e = &o->allow.at[i];
        banger__priv__v1__allowed__init(&a->at[i]);
        a->at[i].address = e->address;
        a->at[i].prefix = e->prefix;
        a->at[i].protocol = e->protocol;
        a->at[i].port = e->port;
        a->at[i].port_last = e->port_last;
        a->pointers[i] = &a->at[i];
        request->n_allow = i + 1;
    }
    request->allow = a->pointers;
}

static int ask(const struct object *o, Banger__Priv__V1__Operation operation,
               Banger__Priv__V1__Kind kind, struct err *err)
{
    Banger__Priv__V1__Request request = BANGER__PRIV__V1__REQUEST__INIT;
    struct allowed allowed;
    request.operation = operation;
    request.kind = kind;
    if (o) {
        request.vm = (char *)o->vm_id;
        request.address = o->address;
        fill_egress(&request, o, &allowed);
    }
    return priv_call(&request, NULL, NULL, err);
}

int object_priv_probe(Banger__Priv__V1__Kind kind, struct err *err)
{
    return ask(NULL, BANGER__PRIV__V1__OPERATION__OPERATION_PROBE, kind, err);
}

int object_priv_make(const struct object *o, Banger__Priv__V1__Kind kind, struct err *err)
{
    return ask(o, BANGER__PRIV__V1__OPERATION__OPERATION_MAKE, kind, err);
}

int object_priv_find(const struct object *o, Banger__Priv__V1__Kind kind, struct err *err)
{
    return ask(o, BANGER__PRIV__V1__OPERATION__OPERATION_FIND, kind, err);
}

int object_priv_remove(const struct object *o, Banger__Priv__V1__Kind kind, struct err *err)
{
    return ask(o, BANGER__PRIV__V1__OPERATION__OPERATION_REMOVE, kind, err);
}

/* Of device-mapper's, which nothing but the helper lists by other means than this. */
static bool has_disks(void)
{
    glob_t files;
    bool any = false;
    if (glob("/sys/block/dm-*/dm/name", GLOB_NOSORT, NULL, &files) != 0)
        return false;
    for (size_t i = 0; !any && i < files.gl_pathc; i++) {
        auto_free char *name = NULL;
        if (fs_read(files.gl_pathv[i], 256, &name, NULL, NULL) < 0)
            continue;
        name[strcspn(name, "\n")] = '\0';
        any = priv_is_dm_name(name);
    }
    globfree(&files);
    return any;
}

/* Kept until the helper has said all: what is found may be removed by asking it again. */
struct object_priv_list {
    struct object_found *at; /* owned */
    size_t n, room;
    struct object_found as;
    const char *state_dir;
    bool failed;
};

static void object_priv_found(void *arg, const char *vm_id)
{
    struct object_priv_list *l = arg;
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        void *more = realloc(l->at, room * sizeof(*l->at));
        if (!more) {
            l->failed = true;
            return;
        }
        l->at = more;
        l->room = room;
    }
    struct object_found *f = &l->at[l->n++];
    *f = l->as;
    snprintf(f->vm_id, sizeof(f->vm_id), "%s", vm_id);
    if (f->kind->derive_name(l->state_dir, vm_id, f->role, f->name, NULL) < 0)
        l->n--;
}

int object_priv_list(const char *state_dir, const struct object_found *as,
                     Banger__Priv__V1__Kind kind, object_found_fn *found, void *arg,
                     struct err *err)
{
    Banger__Priv__V1__Request request = BANGER__PRIV__V1__REQUEST__INIT;
    struct object_priv_list l = {.as = *as, .state_dir = state_dir};
    bool any = kind == BANGER__PRIV__V1__KIND__KIND_DM ? has_disks()
                                                       : priv_is_open() || priv_may_have_made();
    if (!any)
        return 0; /* nobody is asked by those who have none */
    request.operation = BANGER__PRIV__V1__OPERATION__OPERATION_LIST;
    request.kind = kind;
    int rc = priv_call(&request, object_priv_found, &l, err);
    for (size_t i = 0; rc == 0 && i < l.n; i++)
        found(arg, &l.at[i]);
    free(l.at);
    return rc == 0 && l.failed ? err_sys(err, ENOMEM, "cannot list what banger-priv has made") : rc;
}
