# What walks of the recipes in docs/HACKING.md have in common; a script of tests/ sources it first:
#
#   . …/support/recipe.sh "Add an RPC"      with SOURCE BUILD as the script's own arguments
#
# A walk is in a mount namespace of its own, where a copy of the sources lies over SOURCE and a copy of
# what was compiled over BUILD: so ninja sees its own paths and compiles what a change touches, nothing
# else, and neither folder is written to. It takes the recipe's steps one by one: before each something
# says, by name, what is missing (`names`), after it nothing does (`works`). At the end `walked` holds
# the files it has touched against the places that the recipe tells, each numbered: as many, and the same.
# shellcheck shell=bash
set -euo pipefail
recipe=$1
source=$(realpath "$2") build=$(realpath "$3")

skip() {
    echo "skipped: $*"
    exit 77
}

for tool in git ninja protoc unshare; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
[ -e "$build/build.ninja" ] || skip "this is not a build by ninja"
if [ -z "${RECIPE_APART-}" ]; then
    for apart in --mount "--user --map-root-user --mount"; do
        # shellcheck disable=SC2086 # words
        if unshare $apart true 2>/dev/null; then
            RECIPE_APART=1 exec unshare $apart bash "$0" "$source" "$build"
        fi
    done
    skip "no mount namespace is to be had"
fi

work=$(mktemp -d)
leave() {
    cd /
    ! mountpoint -q "$build" || umount -l "$build"
    ! mountpoint -q "$source" || umount -l "$source"
    rm -rf "$work"
}
trap leave EXIT
export GIT_DIR=$work/git GIT_WORK_TREE=$source GIT_CONFIG_GLOBAL=/dev/null
mkdir "$work/tree" "$work/build"
(cd "$source" && env -u GIT_DIR -u GIT_WORK_TREE git ls-files -coz --exclude-standard |
    tar --null -T - --ignore-failed-read --format=posix -cf - 2>/dev/null) | tar -C "$work/tree" -xf -
# Programs are linked again where they are wanted, which is quick; they are most of a build's bytes.
(cd "$build" && find . -name Testing -prune -o \( -type d -o -type l -o -type f ! -executable \) -print0 |
    tar --null --no-recursion -T - --format=posix -cf -) | tar -C "$work/build" -xf -
case $build in
"$source"/*) mkdir -p "$work/tree/${build#"$source"/}" ;;
esac
mount --bind "$work/tree" "$source"
mount --bind "$work/build" "$build"
cd "$source"
git init -q
git add -A

fail() {
    printf 'FAIL: %s\n' "$*"
    [ ! -e "$work/said" ] || sed 's/^/    /' "$work/said"
    exit 1
}

# names WORDS COMMAND...: fails, and says the words.
names() {
    local words=$1
    shift
    if "$@" >"$work/said" 2>&1; then fail "nothing is missing for: $*"; fi
    grep -qF -- "$words" "$work/said" || fail "\"$words\" is not what $* says"
}

# works COMMAND...
works() {
    "$@" >"$work/said" 2>&1 || fail "$*"
}

# says WORDS: the last command has said that.
says() {
    grep -qF -- "$1" "$work/said" || fail "\"$1\" is not said"
}

make() { # TARGET...
    ninja -C "$build" --quiet "$@"
}

# run_test NAME: with what it needs, which has been made.
run_test() {
    ctest --test-dir "$build" --output-on-failure --no-tests=error -R "^$1\$"
}

edit() { # FILE AWK-PROGRAM
    awk "$2" "$1" >"$work/edited"
    ! cmp -s "$work/edited" "$1" || fail "nothing to change in $1"
    cat "$work/edited" >"$1"
}

# What the recipe's numbers tell: each begins with the one file that it is about, between backquotes.
# NAME and … stand for whatever a name may be.
told() {
    awk -v title="### $recipe" '
        $0 == title { within = 1; next }
        within && /^#/ { exit }
        within && /^[0-9]+\. / {
            if (!match($0, /^[0-9]+\. `[^`]+`/)) { print "no place: " $0; next }
            place = substr($0, RSTART, RLENGTH)
            sub(/^[0-9]+\. `/, "", place)
            sub(/`$/, "", place)
            print place
        }' docs/HACKING.md
}

# What ./dev gen writes is no place: it is said with the step that makes it necessary.
touched() {
    git ls-files -mo --exclude-standard -- ':!gen' ':!docs/api.md' ':!tests/compat/wire_layout.txt'
}

# walked: the end.
walked() {
    local -a places files
    local place file found
    rm -f "$work/said"
    mapfile -t places < <(told)
    mapfile -t files < <(touched)
    [ ${#places[@]} -gt 0 ] || fail "docs/HACKING.md has no numbers for \"$recipe\""
    for file in "${files[@]}"; do
        found=0
        for place in "${places[@]}"; do
            # One that is told by its whole name is no other's.
            [ "$place" != "$file" ] || { found=1 && break; }
            place=${place//NAME/*}
            # shellcheck disable=SC2053 # a pattern
            [[ $file != ${place//…/*} ]] || found=$((found + 1))
        done
        [ $found = 1 ] || fail "$file was touched; \"$recipe\" tells $found places for it: ${places[*]}"
    done
    [ ${#places[@]} = ${#files[@]} ] ||
        fail "\"$recipe\" tells ${#places[@]} places (${places[*]}), ${#files[@]} were touched (${files[*]})"
    echo "ok: \"$recipe\" has ${#places[@]} places, and they are what it takes ($SECONDS s)"
}
