#!/usr/bin/env bash
# OpenSSH's own programs against VMs that have no SSH server: commands, terminals, statuses, bytes both ways, scp, sftp,
# rsync, git, forwards both ways, many channels on one connection, keys that change on the way; and what is said where it cannot
# be.
#
#   ssh_test.sh BANGER BANGERD AGENT sim|qemu [tls]
#
# BANGER_TEST_MIB: how much goes each way (64).
# shellcheck disable=SC2016 # the guest expands
set -euo pipefail
# shellcheck source=shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"
client=$(dirname "$0")/forward_client.py
mib=${BANGER_TEST_MIB:-64}
[ "$engine" = sim ] || mib=$((mib / 8 > 0 ? mib / 8 : 1))
for program in ssh scp rsync git; do
    command -v "$program" >/dev/null || { echo "skipped: no $program" && rm -rf "$top" && exit 77; }
done

start_daemon "$@"
"$banger" vm run --name box -d >/dev/null 2>"$top/err" || die "run -d: $(cat "$top/err")"

# ssh's own file is found by the user's entry in /etc/passwd: the tests name another.
config=$top/ssh_config
printf 'Host elsewhere\n    Port 7\n' >"$config"
"$banger" ssh-config --install --file "$config" >/dev/null || die "ssh-config --install"
"$banger" ssh-config --install --file "$config" >/dev/null || die "ssh-config --install again"
[ "$(grep -c '^Include' "$config")" = 1 ] || fail "installed twice, it is included: $(cat "$config")"
[ "$(stat -c %a "$top/c/ssh/host_key")" = 600 ] || fail "the host key is not its user's alone"
over() { timeout 1800 ssh -F "$config" "$@"; }
if [ "$way" = tls ]; then # what ssh runs finds nothing of this machine but the context
    real_state=$BANGER_STATE_DIR real_daemon=$BANGER_DAEMON
    unset BANGER_STATE_DIR
    export BANGER_DAEMON=/nonexistent
    locally() { BANGER_STATE_DIR=$real_state BANGER_DAEMON=$real_daemon "$real_banger" "$@"; }
fi

# status WANT WHAT COMMAND…
status() {
    local want=$1 what=$2 got=0
    shift 2
    "$@" >"$top/out" 2>"$top/err" || got=$?
    [ "$got" = "$want" ] || fail "$what: status $got, want $want: $(cat "$top/err")"
}

# Commands
for code in 0 1 42 126 255; do
    status "$code" "exit $code" over box.vm "exit $code"
done
status 137 "a command that is killed" over box.vm 'kill -9 $$'
status 127 "no such command" over box.vm /no/such/command
status 0 "a command" over box.vm 'echo out; echo err >&2'
[ "$(cat "$top/out")" = out ] || fail "stdout: $(cat "$top/out")"
grep -qx err "$top/err" || fail "stderr: $(cat "$top/err")"
LC_TEST=passed status 0 "a variable" over -o SendEnv=LC_TEST box.vm 'echo $LC_TEST'
[ "$(cat "$top/out")" = passed ] || fail "LC_TEST is \"$(cat "$top/out")\""
status 0 "a script on stdin" over box.vm <<<'echo from a script; cd /; pwd'
grep -qx 'from a script' "$top/out" || fail "the script says $(cat "$top/out")"
[ "$(over -tt box.vm 'stty size; tty' </dev/null 2>/dev/null | tr -d '\r' | tail -n 1 | cut -c1-9)" = /dev/pts/ ] ||
    fail "-tt has no terminal"
status 0 "vm ssh" "$banger" vm ssh box -- echo by name
[ "$(cat "$top/out")" = "by name" ] || fail "vm ssh says $(cat "$top/out")"
status 125 "no such user" over nobody-of-that-name@box.vm true

# Bytes both ways, each with its end, with new keys on the way
head -c $((mib << 20)) /dev/urandom >"$top/data"
over -o RekeyLimit=8M box.vm cat <"$top/data" >"$top/back" || fail "cat: $?"
cmp "$top/data" "$top/back" || fail "cat gives back other bytes"
over box.vm "wc -c; exit 3" <"$top/data" >"$top/out" && fail "exit 3 is lost" || [ $? = 3 ] || fail "exit 3 is $?"
[ "$(tr -d ' ' <"$top/out")" = $((mib << 20)) ] || fail "wc counts $(cat "$top/out")"
over box.vm 'head -c 1' <"$top/data" >"$top/out" || fail "a command that does not read: $?"
over box.vm 'exec <&-; echo late' <"$top/data" >"$top/out" || fail "a command that closes its input: $?"
[ "$(cat "$top/out")" = late ] || fail "it says $(cat "$top/out")"

# One connection, many channels
control=$top/control
over -M -N -f -S "$control" box.vm || fail "a master"
many=()
for n in 1 2 3 4 5 6 7 8 9 10; do
    { [ "$(over -S "$control" box.vm "cat; echo $n" <<<"in $n")" = "in $n
$n" ]; } &
    many+=("$!")
done
for pid in "${many[@]}"; do wait "$pid" || fail "one of ten channels"; done
over -S "$control" -O exit box.vm 2>/dev/null || fail "the master does not end"

# Programs that run one of themselves in the guest
mkdir -p "$top/tree/sub"
cp "$top/data" "$top/tree/data"
echo small >"$top/tree/sub/small"
there=/tmp/ssh_test.$$
timeout 1800 scp -q -O -r -F "$config" "$top/tree" "box.vm:$there" 2>"$top/err" || scp_failed=$?
if over box.vm 'command -v scp' >/dev/null; then
    [ -z "${scp_failed:-}" ] || fail "scp -O there: $(cat "$top/err")"
    timeout 1800 scp -q -O -r -F "$config" "box.vm:$there" "$top/tree.back" || fail "scp -O back"
    diff -r "$top/tree" "$top/tree.back" || fail "scp -O changes what it copies"
    over box.vm "rm -rf $there" || fail "rm"
else
    grep -q 'not found' "$top/err" || fail "scp -O without scp in the guest says: $(cat "$top/err")"
fi
if over box.vm 'command -v rsync' >/dev/null; then
    timeout 1800 rsync -a -e "ssh -F $config" "$top/tree/" "box.vm:$there/" || fail "rsync there"
    timeout 1800 rsync -a -e "ssh -F $config" "box.vm:$there/" "$top/rsync.back/" || fail "rsync back"
    diff -r "$top/tree" "$top/rsync.back" || fail "rsync changes what it copies"
    over box.vm "rm -rf $there" || fail "rm"
fi
if over box.vm 'command -v git' >/dev/null; then
    export GIT_SSH_COMMAND="ssh -F $config" GIT_CONFIG_GLOBAL=/dev/null
    git init -q -b main "$top/repo"
    git -C "$top/repo" -c user.name=a -c user.email=a@b commit -q --allow-empty -m first
    over box.vm "git init -q --bare -b main $there" || fail "git init there"
    git -C "$top/repo" push -q "box.vm:$there" main || fail "git push"
    git clone -q "ssh://box.vm$there" "$top/clone" || fail "git clone"
    [ "$(git -C "$top/clone" log --format=%s)" = first ] || fail "git clone has another history"
    over box.vm "rm -rf $there" || fail "rm"
fi

# sftp, and scp as it is: nothing of the guest's is needed
timeout 1800 scp -q -r -p -F "$config" "$top/tree" "box.vm:$there" || fail "scp there"
timeout 1800 scp -q -r -F "$config" "box.vm:$there" "$top/scp.back" || fail "scp back"
diff -r "$top/tree" "$top/scp.back" || fail "scp changes what it copies"
cat >"$top/batch" <<END
cd $there
mkdir made
chmod 700 made
symlink data made/link
put $top/tree/sub/small made/one
rename made/one made/two
-rename made/nothing made/three
ls -l made
df -h .
get data $top/got
rm made/link
rm made/two
rmdir made
END
timeout 1800 sftp -q -F "$config" -b "$top/batch" box.vm >"$top/out" 2>"$top/err" || fail "sftp: $(cat "$top/err")"
grep -q ' made/two$\| two$' "$top/out" || fail "sftp's ls: $(cat "$top/out")"
grep -qi 'no such file' "$top/err" || fail "sftp of a file that is not there: $(cat "$top/err")"
cmp "$top/tree/data" "$top/got" || fail "sftp gets other bytes"
status 255 "sftp of nothing" timeout 60 sftp -q -F "$config" -b /dev/null nobody.vm
[ "$(over box.vm "ls $there")" = "data
sub" ] || fail "sftp leaves $(over box.vm "ls $there")"
over box.vm "rm -rf $there" || fail "rm"
if [ "$engine" = qemu ]; then # where the guest has users of its own; sim's are this machine's
    status 1 "sftp where that user may not" timeout 60 scp -q -F "$config" "$top/tree/sub/small" nobody@box.vm:/etc/
    grep -qi 'permission denied' "$top/err" || fail "of a user who may not: $(cat "$top/err")"
fi

# Forwards of ssh's own
if [ "$engine" = sim ]; then
    python3 "$client" serve "$top" &
    background+=("$!")
    wait_for test -e "$top/port" || die "no server"
    server=$(cat "$top/port")
    local_port=$((30000 + $$ % 5000))
    over -N -o ExitOnForwardFailure=yes -L "127.0.0.1:$local_port:127.0.0.1:$server" box.vm 2>"$top/L.err" &
    background+=("$!")
    wait_for bash -c "exec 3<>/dev/tcp/127.0.0.1/$local_port" 2>/dev/null || fail "-L: $(cat "$top/L.err")"
    python3 "$client" send "$local_port" "$mib" || fail "-L, the guest ends last"
    python3 "$client" first "$local_port" "$mib" || fail "-L, the guest ends first"
    over -N -o ExitOnForwardFailure=yes -R "0:127.0.0.1:$server" box.vm 2>"$top/R.err" &
    background+=("$!")
    wait_for grep -q 'Allocated port' "$top/R.err" || fail "-R: $(cat "$top/R.err")"
    back=$(sed -n 's/.*Allocated port \([0-9]*\) .*/\1/p' "$top/R.err")
    python3 "$client" send "$back" "$mib" || fail "-R, which ends last"
    python3 "$client" first "$back" "$mib" || fail "-R, which ends first"
fi

# What cannot be, with words that help
status 255 "no such VM" over nobody.vm true
grep -q 'no VM nobody' "$top/err" || fail "of no VM: $(cat "$top/err")"
cp "$top/c/ssh/known_hosts" "$top/known_hosts"
ssh-keygen -q -t ed25519 -N '' -f "$top/other_key"
sed "s|^|banger.vm |" "$top/other_key.pub" >"$top/other_hosts"
status 255 "another host key" over -o "UserKnownHostsFile=$top/other_hosts" box.vm true
grep -q 'verification failed' "$top/err" || fail "of another host key: $(cat "$top/err")"

# Nonsense ends it, and is not waited for
if [ "$way" = local ]; then
    for nonsense in '' 'GET / HTTP/1.1\r\n\r\n' 'SSH-1.5-old\r\n' 'SSH-2.0-x\r\n\377\377\377\377' 'SSH-2.0-x\r\n\0\0\0\014\012\024'; do
        printf '%b' "$nonsense" | timeout 60 "$banger" ssh-proxy box.vm >"$top/out" 2>"$top/err" && fail "\"$nonsense\" is served"
        ! grep -q 'AddressSanitizer\|runtime error' "$top/err" || fail "\"$nonsense\": $(cat "$top/err")"
    done
    { printf 'SSH-2.0-x\r\n' && head -c 300000 /dev/urandom; } | timeout 60 "$banger" ssh-proxy box.vm >"$top/out" 2>"$top/err" &&
        fail "random bytes are served"
    ! grep -q 'AddressSanitizer\|runtime error' "$top/err" || fail "random bytes: $(cat "$top/err")"
fi

# Nothing is left of all that
[ -z "$("$banger" session list -q)" ] || fail "sessions are left: $("$banger" session list)"

if [ "$way" = tls ]; then
    status 0 "by the context's name" over "box.$("$banger" context list -q | head -n 1).vm" true
    locally auth revoke me >/dev/null || fail "auth revoke"
    status 255 "revoked" over box.vm true
    grep -q 'revoked' "$top/err" || fail "of a revoked identity: $(cat "$top/err")"
    export BANGER_STATE_DIR=$real_state BANGER_DAEMON=$real_daemon
    banger=$real_banger
fi
"$banger" vm stop box >/dev/null
status 255 "a VM that is stopped" over box.vm true
grep -q 'vm start box' "$top/err" || fail "of a VM that is stopped: $(cat "$top/err")"
"$banger" ssh-config --remove --file "$config" >/dev/null || fail "ssh-config --remove"
[ "$(cat "$config")" = "Host elsewhere
    Port 7" ] || fail "ssh-config --remove leaves $(cat "$config")"
finish_test
