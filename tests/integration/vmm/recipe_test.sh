#!/usr/bin/env bash
# The recipe "Add a VMM driver" of docs/HACKING.md, walked with a copy of sim that goes by another name
# and keeps its spool elsewhere, by which its processes are told from sim's.
#
#   recipe_test.sh SOURCE BUILD
# shellcheck source=../../support/recipe.sh
. "$(dirname "$0")/../../support/recipe.sh" "Add a VMM driver" "$@"

tests=(vmm_drivers_test vmm_conformance)

# ---- 1. The driver ----

driver=daemon/vmm/dummy.c
sed 's/sim_/dummy_/g; s/struct sim\b/struct dummy/g; s/"sim"/"dummy"/; s#/spool#/dummy#g; s/^\( *\)\.claims = .*/\1.claims = NULL,/' \
    daemon/vmm/sim.c >$driver
sed -i '/^static enum evidence dummy_claims/s/static/__attribute__((unused)) static/; /fs_remove_tree(spool/d' $driver
works make vmm_drivers_test
names 'VMM_DRIVERS (daemon/vmm/driver.h) does not list it' run_test vmm_drivers_test
says 'dummy.c has a driver dummy'

# ---- 2. Its line ----

edit daemon/vmm/driver.h '{ sub(/X\(sim\)/, "X(sim) X(dummy)"); print }'
works make "${tests[@]}"
names 'driver dummy has no claims' run_test vmm_drivers_test

# What fails is what is missing.
sed -i 's/\.claims = NULL,/.claims = dummy_claims,/; s/__attribute__((unused)) //' $driver
works make "${tests[@]}"
works run_test vmm_drivers_test
names 'FAIL test_discard' run_test vmm_conformance_dummy
edit $driver '{ print } /console_log_remove/ { print "    fs_remove_tree(spool, err->code == ERR_NONE ? err : NULL);" }'
works make "${tests[@]}"
works run_test 'vmm_conformance_(dummy|sim)'
works scripts/check-layering
walked
