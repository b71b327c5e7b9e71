#!/usr/bin/env bash
# Every command in README.md and docs/cli.md, as it stands there, in a folder with a blank in its name.
# One that cannot be run here is named below, with the reason.
#
#   docs_test.sh BANGER BANGERD AGENT README MANUAL
set -euo pipefail
banger=$1 readme=$4 manual=$5
export BANGER_DAEMON=$2 BANGER_AGENT=$3 BANGER_DRIVER=sim
unset BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR BANGER_STATE_DIR
top=$(mktemp -d "/tmp/bdoc x.XXXXXX")
failed=0

finish() {
    local state
    for state in "$top"/state.*; do
        BANGER_STATE_DIR=$state "$banger" vm list -q 2>/dev/null | BANGER_STATE_DIR=$state xargs -r "$banger" vm kill >/dev/null 2>&1 || true
        BANGER_STATE_DIR=$state "$banger" daemon stop >/dev/null 2>&1 || true
    done
    rm -rf "$top"
}
trap finish EXIT

# A tree that was built, as far as the commands see it.
tree="$top/a tree"
mkdir -p "$tree/build/release/clients/shell" "$top/bin"
ln -s "$banger" "$tree/build/release/clients/shell/banger"
ln -s "$banger" "$top/bin/banger"
# What a reader has around him: a repository, with something to be made.
printf 'test:\n\t@echo tested\n' >"$tree/Makefile"
printf 'build/\n' >"$tree/.gitignore"
git -C "$tree" -c init.defaultBranch=main init --quiet
git -C "$tree" add .
git -C "$tree" -c user.name=reader -c user.email=reader@example.org commit --quiet --message begun

# Not run here: PATTERN, and why.
not_here() {
    case $1 in
    'git clone'*) ;;                        # the network
    './dev demo') ;;                        # installs packages
    'banger image build') ;;                # the distribution's packages
    'banger host recover --discard ID') ;;  # ID stands for one
    'bangerd --restore-backup newest'*) ;;  # while no daemon runs; e2e_recover_test
    'banger call WatchEvents') ;;           # until it is interrupted
    'banger completion fish | source'*) ;;  # another shell's words
    *) return 1 ;;
    esac
}

# run NAME: commands, a line each on stdin; "STATUS<tab>COMMAND".
run() {
    local state="$top/state.$1" want command log="$top/log" n=0
    export BANGER_STATE_DIR=$state
    # shellcheck disable=SC2016 # the script that is written expands
    {
        echo 'shopt -s expand_aliases'
        echo 'cd "$TREE"'
        while IFS=$'\t' read -r want command; do
            not_here "$command" && continue
            n=$((n + 1))
            printf '%s\nstatus=$?; [ $status = %s ] || printf "FAIL %%s: status %%s\\n" %q $status >>"$FAILED"\n' \
                "$command" "$want" "$command"
        done
        echo "echo $n >>\"\$RAN\""
    } >"$top/script"
    TREE=$tree FAILED=$top/failed RAN=$top/ran PATH="$top/bin:$PATH" timeout 200 bash "$top/script" >"$log" 2>&1 </dev/null ||
        failed=1
    if [ -s "$top/failed" ] || [ "$failed" = 1 ]; then
        cat "$top/failed" "$log" 2>/dev/null || true
        failed=1
    fi
}

# Lines that begin with "$ "; the status is 0, or as the line below says.
awk '/^\$ / { if (command != "") print want "\t" command; command = substr($0, 3); want = 0; next }
     /^\(ended with [0-9]+\)$/ { want = $3; sub(/\)/, "", want) }
     END { print want "\t" command }' "$readme" | sed 's/[[:space:]]*#.*//' >"$top/readme"
run readme <"$top/readme"
# Indented lines of commands.
grep -E '^    (banger|bangerd|echo|source) ' "$manual" | sed 's/^ */0\t/; s/  *#.*//' >"$top/manual"
run manual <"$top/manual"

# That the files were read at all.
awk '{ n += $1 } END { exit n < 20 }' "$top/ran" || { echo "too few commands: $(cat "$top/ran")"; failed=1; }
[ "$failed" = 0 ] && echo "ok"
