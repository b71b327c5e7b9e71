#!/usr/bin/env bash
# The recipe "Add a migration" of docs/HACKING.md, walked with a note that a VM may have.
#
#   recipe_test.sh SOURCE BUILD
# shellcheck source=../../support/recipe.sh
. "$(dirname "$0")/../../support/recipe.sh" "Add a migration" "$@"

tests=(store_columns_test store_rows_test store_corpus_test store_corpus_make)
version=$(($(grep -c '^static const char version_[0-9]' daemon/store/migrations.c) + 1))

# ---- 1. The field, 2. the column ----

edit daemon/model/model.h '{ print } /^struct vm_spec \{/ { print "    bool noted;" }'
works make store_columns_test
names 'the struct of vms has a field' run_test store_columns_test
says 'has no column in daemon/store/tables.c'
edit daemon/store/tables.c '{ print } /NESTED\(vm, "image", / { print "    NESTED(vm, \"noted\", spec.noted, COLUMN_BOOL)," }'
works make "${tests[@]}"
works run_test store_columns_test

# ---- 3. The migration ----

names 'no column named noted' run_test store_rows_test
edit daemon/store/migrations.c "
    /^static const char \*const migrations/ {
        print \"static const char version_${version}[] =\\n    \\\"ALTER TABLE vms ADD COLUMN noted INTEGER NOT NULL DEFAULT 0;\\\";\\n\"
        within = 1
    }
    within && /\};/ { sub(/\};/, \", version_$version};\"); within = 0 }
    { print }"
works make "${tests[@]}"
works run_test store_rows_test

# ---- 4. The database ----

database=tests/unit/store/corpus/v$version.db
names "store_corpus_make makes v$version.db" run_test store_corpus_test
works "$build/tests/unit/store/store_corpus_make" "$database"
works run_test store_corpus_test
# One that was edited since.
sed -i 's/noted INTEGER NOT NULL DEFAULT 0/noted INTEGER NOT NULL DEFAULT 1/' daemon/store/migrations.c
works make store_corpus_test
names "v$version.db has another schema than migration $version makes" run_test store_corpus_test
sed -i 's/noted INTEGER NOT NULL DEFAULT 1/noted INTEGER NOT NULL DEFAULT 0/' daemon/store/migrations.c

# ---- 5. Who sees it ----

works make service_views_test
names 'vms.noted is not shown, and not named as hidden' run_test service_views_test
edit tests/unit/service/views_test.c '{ sub(/\{"restart_streak", /, "{\"noted\", \"restart_streak\", "); print }'
works make service_views_test store_corpus_test
works run_test 'service_views_test|store_corpus_test'
walked
