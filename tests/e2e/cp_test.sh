#!/usr/bin/env bash
# banger vm cp and the calls for files, as users type them: to, from and between guests.
#
#   cp_test.sh BANGER BANGERD AGENT sim|qemu
set -euo pipefail
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"

# A command in the guest; of sim guests that is this host, below their own folder.
guest() {
    "$banger" vm exec --no-stdin "$1" -- sh -c "cd $there && $2"
}
# The same by name, type, mode, size, links, time and content.
digest='find . -printf "%P %y %m %s %l %T@ %n\n" | LC_ALL=C sort | grep -av "^ "; find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum'
same() {
    (cd "$1" && sh -c "$digest") | sed 's/ d \([0-7]*\) [0-9]*/ d \1/' >"$top/mine"
    guest box "cd $2 && { $digest; }" | sed 's/ d \([0-7]*\) [0-9]*/ d \1/' >"$top/theirs"
    cmp -s "$top/mine" "$top/theirs" || fail "$1 and box:$2 differ: $(diff "$top/mine" "$top/theirs" | head -5)"
}

start_daemon "$@"
there=/root
if [ "$engine" = sim ]; then
    there=$top/there
    mkdir "$there"
fi
ok vm run --name box -d

# A tree with what trees have.
tree=$top/tree
mkdir -p "$tree/sub/deep" "$tree/empty"
printf hello >"$tree/file"
ln "$tree/file" "$tree/other-name"
ln -s file "$tree/link"
ln -s /etc/passwd "$tree/sub/out"
printf odd >"$tree/a  b"$'\n'"c"
printf odd >"$tree/"$'\377'
head -c 3000000 /dev/urandom >"$tree/sub/deep/random"
truncate -s 1G "$tree/sparse"
printf end >>"$tree/sparse"
chmod 4711 "$tree/sub/deep/random"
chmod 0555 "$tree/empty"
touch -d '2001-02-03 04:05:06.123456789' "$tree/file" "$tree/sub"

# There and back.
ok vm cp --archive "$tree" "box:$there"
same "$tree" "$there/tree"
ok vm cp --archive "box:$there/tree" "$top/back"
same "$top/back" "$there/tree"
[ "$(stat -c %b "$top/back/sparse")" -lt 1000 ] || fail "the holes are gone"
[ "$(stat -c %h "$top/back/file")" = 2 ] || fail "two names of a file are two files"

# Names: docker's rules.
ok vm cp "$tree/file" "box:$there/new"
[ "$(guest box 'cat new; stat -c %a new')" = "hello644" ] || fail "a file under a new name"
ok vm cp "$tree/sub/." "box:$there/tree/empty"
guest box 'test -L tree/empty/out' || fail "content of a folder"
ok vm cp "$tree/sub" "box:$there/renamed"
guest box 'test -f renamed/deep/random' || fail "a folder under a new name"
ok vm cp "$tree/link" "box:$there/"
guest box 'test -L link' || fail "a link is copied as one"
ok vm cp --follow-link "$tree/link" "box:$there/"
guest box 'test -f link && ! test -L link' || fail "what a link leads to"
refused "no such file" 125 vm cp "$top/nothing" "box:$there"
refused "no such file" 125 vm cp "box:$there/nothing" "$top"
refused "No such file" 125 vm cp "$tree/file" "box:$there/nothing/file"
refused "no such folder" 125 vm cp "$tree/file" "box:$there/nothing/."
refused "no folder" 125 vm cp "$tree/file" "$tree/link" "box:$there/new"
refused "no folder" 125 vm cp "box:$there/tree" "$tree/file"
refused "no folder" 125 vm cp "box:$there/tree/file" "$top/missing/"
refused "no such folder" 125 vm cp "box:$there/tree/file" "$top/missing/."
refused "no such file" 125 vm cp "box:$there/nothing" "box:$there/other"
ok vm cp "$tree/sub" "box:$there/slash/"
guest box 'test -f slash/deep/random && rm -r slash' || fail "a folder under a new name, with a slash"
refused "no folder" 125 vm cp "$tree" "box:$there/new"
refused "no folder" 125 vm cp "$tree/file" "box:$there/missing/"
refused "file of a guest" 125 vm cp "$tree/file" "$top/x"
refused "no VM nosuchvm" 125 vm cp "$tree/file" nosuchvm:/
[ "$engine" = sim ] || [ "$(guest box 'stat -c %U new')" = root ] || fail "whose it is"

# Archives on standard input and output.
tar -C "$tree" -cf - sub | "$banger" vm cp - "box:$there/tree/sub/deep" || fail "from standard input"
guest box 'cmp tree/sub/deep/sub/deep/random tree/sub/deep/random' || fail "an archive that was read"
"$banger" vm cp "box:$there/renamed" - | tar -tf - >"$top/list" || fail "to standard output"
grep -qx renamed/deep/random "$top/list" || fail "an archive that was written has $(cat "$top/list")"
refused "cut off" 125 vm cp - "box:$there" # nothing, which is no archive

# Nothing goes through a link in the destination.
guest box 'mkdir trap outside && ln -s ../outside trap/sub'
refused "is a link" 125 vm cp "$tree/." "box:$there/trap"
[ -z "$(guest box 'ls -A outside')" ] || fail "something went through a link"
mkdir "$top/trap" "$top/outside"
ln -s ../outside "$top/trap/sub"
refused "is a link" 125 vm cp "box:$there/tree/." "$top/trap"
[ -z "$(ls -A "$top/outside")" ] || fail "something went through a link of ours"

# Between two guests.
ok vm run --name other -d
ok vm cp "box:$there/renamed" "other:$there/copied"
[ "$(guest other 'sha256sum <copied/deep/random')" = "$(sha256sum <"$tree/sub/deep/random")" ] || fail "between guests"

# The daemon is killed while a copy runs, which goes on where it was.
kill_daemon() {
    local pid
    pid=$(sed -n 's/^pid[^0-9]*\([0-9]*\).*/\1/p' "$top/s/lock" | head -1)
    [ -n "$pid" ] || pid=$("$banger" daemon status -o json | sed -n 's/.*"pid": *"\{0,1\}\([0-9]*\).*/\1/p' | head -1)
    kill -9 "$pid"
    "$banger" daemon start >/dev/null
}
head -c 20000000 /dev/urandom >"$top/large"
ok vm cp "$top/large" "box:$there/large"
"$banger" vm cp "box:$there/large" - 2>"$top/err" | {
    head -c 1000000 >"$top/begin"
    kill_daemon
    cat >"$top/rest"
} || fail "a copy that was cut off: $(cat "$top/err")"
grep -q 'going on' "$top/err" || fail "it was not cut off"
cat "$top/begin" "$top/rest" | tar -xOf - large | cmp - "$top/large" || fail "what went on is another file"
if [ "$engine" = sim ]; then # whose files are to be seen here
    head -c 300000000 /dev/zero | tr '\0' x >"$top/large"
    "$banger" vm cp "$top/large" "box:$there/again" 2>"$top/err" &
    cp=$!
    until compgen -G "$there/.banger-*.part" >/dev/null; do kill -0 "$cp" || break; done
    kill -STOP "$cp"
    kill_daemon
    kill -CONT "$cp"
    wait "$cp" || fail "a copy that was cut off: $(cat "$top/err")"
    grep -q 'going on' "$top/err" || fail "it was not cut off"
    cmp "$top/large" "$there/again" || fail "what went on is another file"
    [ -z "$(find "$there" -name '.banger-*')" ] || fail "something is left of it"
fi

# The calls.
ok call StatFile "{\"vm\": \"box\", \"path\": \"$there/tree/file\"}"
grep -q '"sizeBytes": "5"' "$top/out" || fail "stat: $(cat "$top/out")"
ok call MakeDirectory "{\"vm\": \"box\", \"path\": \"$there/x/y\", \"parents\": true}"
ok call MoveFile "{\"vm\": \"box\", \"from\": \"$there/x/y\", \"to\": \"$there/x/z\"}"
ok call MakeSymlink "{\"vm\": \"box\", \"path\": \"$there/x/l\", \"target\": \"z\"}"
ok call ChangeFileMode "{\"vm\": \"box\", \"path\": \"$there/x/z\", \"mode\": 448}"
[ "$(guest box 'stat -c %a x/z && readlink x/l')" = "$(printf '700\nz')" ] || fail "mode and link"
refused FOLDER_NOT_EMPTY 125 call RemoveFile "{\"vm\": \"box\", \"path\": \"$there/x\"}" --errors json
ok call RemoveFile "{\"vm\": \"box\", \"path\": \"$there/x\", \"recursive\": true}"
refused FILE_NOT_FOUND 125 call StatFile "{\"vm\": \"box\", \"path\": \"$there/x\"}" --errors json
ok call ReadFile "{\"vm\": \"box\", \"path\": \"$there/tree/file\", \"offset\": \"1\", \"length\": \"3\"}"
grep -q "$(printf ell | base64)" "$top/out" || fail "read: $(cat "$top/out")"
refused PAST_END 125 call ReadFile "{\"vm\": \"box\", \"path\": \"$there/tree/file\", \"offset\": \"100\"}" --errors json

finish_test
