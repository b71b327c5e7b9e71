#!/usr/bin/env bash
# The recipe "Add a CLI command" of docs/HACKING.md, walked: and then help, completion and the manual
# page have it.
#
#   recipe_test.sh SOURCE BUILD
# shellcheck source=../../support/recipe.sh
. "$(dirname "$0")/../../support/recipe.sh" "Add a CLI command" "$@"

test=clients_commands_test

# ---- 1. The manual ----

edit docs/cli.md '/^[|] .kernel. [|]/ { sub(/show/, "show, greet") } { print }'
works make $test
names "kernel greet: in docs/cli.md, and not in the noun's table of commands" run_test $test
echo "ok   1: the manual says what is to come"

# ---- 2. The row ----

edit clients/shell/kernel.c '
    /^static const struct command kernel_rows/ {
        print "static int kernel_greet(struct cli *cli, const void *values, const struct opt_args *args)\n{"
        print "    (void)values;\n    printf(\"hello, %s\\n\", args->refs[0]);\n    return cli_end_output(cli);\n}\n"
    }
    { print }
    /NAMES_FILE, kernel_import\},/ {
        print "    {\"greet\", NULL, \"NAME\", \"say hello.\", NULL, NULL, 0, 1, 1, false, NAMES_NONE, kernel_greet},"
    }'
works make $test
names "kernel greet: in docs/cli.md, and not in the noun's table of commands" run_test $test
edit clients/shell/kernel.c '{ sub(/kernel_commands\[\] = \{/, "&\\&kernel_rows[4], "); print }'
works make $test
names "kernel greet: summary: a line without an end" run_test $test
edit clients/shell/kernel.c '{ sub(/say hello\./, "say hello"); print }'
works make $test
names "kernel greet: takes something, and has no example" run_test $test
echo "ok   2: the row"

# ---- 3. An example ----

edit clients/shell/examples.c '
    { print }
    /example_table\[\] = \{/ { print "    {\"kernel\", \"greet\", \"banger kernel greet one two\", \"say hello to Bob\"}," }'
works make $test
names "kernel banger kernel greet one two: too few arguments, or too many" run_test $test
edit clients/shell/examples.c '{ sub(/greet one two/, "greet Bob"); print }'
works make $test
works run_test $test
echo "ok   3: an example"

# ---- What comes by itself ----

works make banger
banger=$build/clients/shell/banger
works "$banger" kernel greet Bob
says 'hello, Bob'
works "$banger" kernel greet --help
says 'banger kernel greet Bob'
works "$banger" __complete kernel gr
says greet
works "$banger" manual kernel
says 'Say hello.'
echo "ok   4: help, completion and manual have it"
walked
