#!/usr/bin/env bash
# The recipe "Add a kind of host object" of docs/HACKING.md, walked with a copy of the empty disk that
# is a work disk alone, of guests that are processes.
#
#   object_recipe_test.sh SOURCE BUILD
# shellcheck source=../../support/recipe.sh
. "$(dirname "$0")/../../support/recipe.sh" "Add a kind of host object" "$@"

tests=(host_object_test core_storage_test)

# ---- 1. The kind ----

kind=daemon/host/object_dummy.c
sed 's/empty_/dummy_/g; s/object_empty/object_dummy/g; s/"empty"/"dummy"/; s/\.empty"/.dummy"/g
    s/1u << OBJECT_SYSTEM_DISK | 1u << OBJECT_WORK_DISK/1u << OBJECT_WORK_DISK/' daemon/host/object_empty.c >$kind
sed -i 's/^static const char dummy_system/extern const struct object_kind object_dummy;\n&/' $kind
works make "${tests[@]}"
names 'OBJECT_KINDS (daemon/host/object.h) does not list it' run_test host_object_test
says 'object_dummy.c has a kind dummy'

# ---- 2. Its line ----

edit daemon/host/object.h '{ sub(/X\(work\)/, "X(work) X(dummy)"); print }'
sed -i '/^extern const struct object_kind object_dummy;/d' $kind
works make "${tests[@]}"
names 'the kind of host object "dummy" has no rig' run_test host_object_test

# ---- 3. Its rig ----

edit tests/unit/host/object_test.c '/^    \{\.kind = "work"/ {
    print "    {.kind = \"dummy\", .role = OBJECT_WORK_DISK, .bytes = 8 * MIB, .grows = true},"
} { print }'
works make "${tests[@]}"
works run_test host_object_test
names 'no VM has a dummy' run_test core_storage_test

# What fails is what is missing.
sed -i 's/\.remove = object_file_remove,/.remove = object_file_find,/' $kind
works make host_object_test
names 'FAIL test_made_found_kept_and_removed' run_test host_object_test
sed -i 's/\.remove = object_file_find,/.remove = object_file_remove,/' $kind

# ---- 4. Who has it ----

edit daemon/core/vm/vm_storage.c '{ sub(/\? "work" : "empty"/, "? \"work\" : \"dummy\""); print }'
works make "${tests[@]}"
works run_test '(host_object|core_storage)_test'
works scripts/check-layering
walked
