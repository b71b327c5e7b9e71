#!/usr/bin/env bash
# Files of guests one by one (banger file), the calls below it, several at once, and what an interrupt leaves.
#
#   file_test.sh BANGER BANGERD AGENT sim|qemu
set -euo pipefail
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"
# says TEXT COMMAND…: the whole of stdout.
says() {
    local text=$1
    shift
    ok "$@"
    [ "$(cat "$top/out")" = "$text" ] || fail "$*: \"$(cat "$top/out")\", want \"$text\""
}
# A command in the guest.
guest() {
    "$banger" vm exec --no-stdin box -- sh -c "cd $there && $1"
}
# until TEST…: for a minute at most.
await() {
    for _ in $(seq 600); do
        "$@" && return
        sleep 0.1
    done
    fail "in vain: $*"
}

start_daemon "$@"
ok vm create box
there=$top/g # in a sim guest, which is this host, a folder of the test's own; elsewhere one of that name
ok file mkdir --parents "box:$there/a/b"

# Content, whole or not at all
echo hello | "$banger" file write --mode 0640 "box:$there/f" 2>"$top/err" || fail "write: $(cat "$top/err")"
says hello file read "box:$there/f"
says 0640 vm exec --no-stdin box -- stat -c 0%a "$there/f"
head -c 3000000 /dev/urandom >"$top/big"
"$banger" file write "box:$there/big" <"$top/big" || fail "write 3 MB"
"$banger" file read "box:$there/big" | cmp - "$top/big" || fail "3 MB are others when they are read"
refused "no name of a file" 125 file write "box:$there/a/"
refused "No such file" 125 file read "box:$there/none"
refused "is no file of a guest" 125 file read /etc/hosts

# What they are, and changes of that
ok file stat "box:$there/f"
grep -q '^-rw-r----- ' "$top/out" || fail "stat: $(cat "$top/out")"
says "$there/f 6" file stat "box:$there/f" --format '{path} {sizeBytes}'
ok file list "box:$there"
[ "$(wc -l <"$top/out")" = 4 ] || fail "list: $(cat "$top/out")"
ok file list -q --recursive "box:$there"
grep -q "a/b$" "$top/out" || fail "list --recursive: $(cat "$top/out")"
ok file chmod 0755 "box:$there/f" "box:$there/big"
says 0755 vm exec --no-stdin box -- stat -c 0%a "$there/big"
refused "is no mode" 125 file chmod u+x "box:$there/f"
ok file chown daemon:daemon "box:$there/f"
says daemon:daemon vm exec --no-stdin box -- stat -c %U:%G "$there/f"
ok file chown root "box:$there/f"
says root:daemon vm exec --no-stdin box -- stat -c %U:%G "$there/f"
ok file ln f "box:$there/link"
says f vm exec --no-stdin box -- readlink "$there/link"
says hello file read "box:$there/link"
ok file mv "box:$there/f" "$there/moved"
refused "exists" 125 file mv "box:$there/big" "box:$there/moved"
ok file mv --force "box:$there/big" "box:$there/moved"
refused "of another VM" 125 file mv "box:$there/moved" "other:$there/x"
refused "not empty" 125 file rm "box:$there/a"
ok file rm --recursive "box:$there/a" "box:$there/link"
ok file rm --force "box:$there/nothing"
refused "No such file" 125 file rm "box:$there/nothing"

# As users other than root may
refused "denied" 125 file write --user daemon "box:/root/x"

# What happens in a folder, from READY on
"$banger" file watch --verbose --recursive "box:$there" >"$top/watch" 2>&1 &
watch=$!
await grep -q ready "$top/watch"
ok file mkdir "box:$there/new"
ok file mv "box:$there/moved" "$there/new/name"
await grep -q 'moved .*new/name' "$top/watch"
echo x | "$banger" file write "box:$there/new/written" || fail "write"
await grep -q 'new/written' "$top/watch"
ok file rm --recursive "box:$there/new"
await grep -q 'removed .*new' "$top/watch"
kill "$watch"
wait "$watch" 2>/dev/null || true
# Its end is told when the folder goes
ok file mkdir "box:$there/gone"
"$banger" call WatchFiles "{\"vm\": \"box\", \"path\": \"$there/gone\"}" >"$top/watch" 2>&1 &
watch=$!
await grep -q READY "$top/watch"
ok file rm --recursive "box:$there/gone"
wait "$watch" || fail "WatchFiles ends with $?: $(cat "$top/watch")"
grep -q GONE "$top/watch" || fail "WatchFiles: $(cat "$top/watch")"

# WriteFile: a digest that is another changes nothing; one that was cut off goes on where it was
before=$(printf one | base64) after=$(printf two | base64)
right=$(printf onetwo | sha256sum | cut -c 1-64)
frames() {
    printf '{"open": {"vm": "box", "path": "%s/w", "sha256": "%s", "resumeToken": "%s"}}\n' "$there" "$1" "$2"
}
{ frames "$right" ""; printf '{"chunk": {"data": "%s"}}\n' "$before"; } |
    "$banger" call WriteFile >"$top/out" 2>"$top/err" && fail "a digest of other content is taken"
grep -q 'SHA-256' "$top/err" || fail "WriteFile: $(cat "$top/err")"
refused "No such file" 125 file stat "box:$there/w"
mkfifo "$top/in"
"$banger" call WriteFile <"$top/in" >"$top/cut" 2>&1 &
writer=$!
exec 9>"$top/in"
{ frames "$right" t1; printf '{"chunk": {"data": "%s"}}\n' "$before"; } >&9
await grep -q '"offset": *"\{0,1\}3' "$top/cut"
kill -9 "$writer"
wait "$writer" 2>/dev/null || true
exec 9>&-
{ frames "$right" t1; printf '{"chunk": {"offset": 3, "data": "%s"}}\n' "$after"; } |
    "$banger" call WriteFile >"$top/out" 2>"$top/err" || fail "WriteFile again: $(cat "$top/err")"
head -1 "$top/out" | grep -q '"offset": *"\{0,1\}3' || fail "it begins anew: $(cat "$top/out")"
says onetwo file read "box:$there/w"

# A writer that is killed leaves nothing, if nobody can go on with it
"$banger" file write "box:$there/k" <"$top/in" >/dev/null 2>&1 &
writer=$!
exec 9>"$top/in"
head -c 100000 /dev/zero >&9
sleep 0.3 # some of it may be there: what is looked at is that nothing stays
kill -9 "$writer"
wait "$writer" 2>/dev/null || true
exec 9>&-
no_parts() {
    [ -z "$(guest 'find . -name ".banger-*"')" ] && [ -z "$(find "$top/here" -name '.banger-*' 2>/dev/null)" ]
}
await no_parts
refused "No such file" 125 file stat "box:$there/k"

# Several at once
mkdir -p "$top/here/d"
echo 1 >"$top/here/one"
echo 2 >"$top/here/d/two"
ok vm cp "$top/here/one" "$top/here/d" "box:$there"
says 1 file read "box:$there/one"
says 2 file read "box:$there/d/two"
mkdir "$top/back"
ok vm cp "box:$there/one" "box:$there/d" "$top/back"
[ "$(cat "$top/back/one" "$top/back/d/two")" = "1
2" ] || fail "several from a guest"
refused "several go into one" 125 vm cp "$top/here/one" "$top/here/d" "box:$there/missing"
refused "goes alone" 125 vm cp "$top/here/one" - "box:$there"

# An interrupt leaves no part: of what goes there, of what comes here
head -c 100000000 /dev/zero >"$top/here/large"
interrupt() {
    "$banger" vm cp "$@" >"$top/out" 2>&1 &
    local copy=$!
    await part_is_there
    kill -INT "$copy"
    local code=0
    wait "$copy" || code=$?
    [ "$code" = 130 ] || fail "vm cp $*: ends with $code: $(cat "$top/out")"
    await no_parts
}
part_is_there() {
    [ -n "$(guest 'find . -name ".banger-*"')" ] || [ -n "$(find "$top/here" -name '.banger-*')" ] ||
        ! kill -0 "$copy" 2>/dev/null
}
if [ "$engine" = sim ]; then
    mkfifo "$top/slow"
    # As slow as it takes to be seen: a tar archive on standard input whose end does not come.
    { tar -C "$top/here" -c large | head -c 50000000; sleep 60; } >"$top/slow" 2>/dev/null &
    feeder=$!
    set -m
    interrupt - "box:$there" <"$top/slow"
    set +m
    kill "$feeder" 2>/dev/null || true
    refused "No such file" 125 file stat "box:$there/large"
    yes | head -c 600000000 >"$top/here/large" || true
    set -m
    interrupt "$top/here/large" "box:$there"
    mv "$top/here/large" "$there/large"
    interrupt "box:$there/large" "$top/here"
    set +m
    [ ! -e "$top/here/large" ] || fail "what was interrupted is there all the same"
fi

# Completion knows what is in the guest
ok __complete file read "box:$there/o"
grep -q "^box:$there/one" "$top/out" || fail "completion: $(cat "$top/out")"
ok __complete vm cp x "box:$there/d"
grep -q "^box:$there/d/" "$top/out" || fail "completion of a folder: $(cat "$top/out")"
ok __complete vm cp "bo"
grep -q "^box:" "$top/out" || fail "completion of a VM: $(cat "$top/out")"

finish_test
