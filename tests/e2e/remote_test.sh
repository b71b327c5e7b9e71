#!/usr/bin/env bash
# Two machines as network namespaces: the four commands of docs/remote.md, then what must not work.
#
#   remote_test.sh BANGER BANGERD AGENT docs/remote.md
set -euo pipefail
banger=$1 daemon=$2 agent=$3 page=$4
if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null; then
    echo "skipped: network namespaces need root and ip (iproute2)"
    exit 77
fi
unset BANGER_HOST BANGER_SOCKET BANGER_STATE_DIR BANGER_RUNTIME_DIR BANGER_CONFIG_DIR XDG_CONFIG_HOME
top=$(mktemp -d /tmp/brem.XXXXXX)
host_ns=bgr-h$$ laptop_ns=bgr-l$$
failed=0

# Processes that mention the folder, in arguments or environment.
ours() {
    local pid
    for pid in /proc/[0-9]*; do
        if [ "${pid#/proc/}" != $$ ] && grep -qsF -- "$top/" "$pid/cmdline" "$pid/environ"; then
            echo "${pid#/proc/}"
        fi
    done
}

finish() {
    local pid
    for pid in $(ours); do
        kill -9 "$pid" 2>/dev/null || true
    done
    ip netns del "$host_ns" 2>/dev/null || true
    ip netns del "$laptop_ns" 2>/dev/null || true
    rm -rf "$top"
}
trap finish EXIT

if ! ip netns add "$host_ns" 2>/dev/null || ! ip netns add "$laptop_ns" 2>/dev/null ||
    ! ip link add bgrh$$ netns "$host_ns" type veth peer name bgrl$$ netns "$laptop_ns" 2>/dev/null; then
    echo "skipped: this machine lets nobody make network namespaces"
    exit 77
fi
ip -n "$host_ns" addr add 192.0.2.1/24 dev bgrh$$
ip -n "$laptop_ns" addr add 192.0.2.2/24 dev bgrl$$
for dev in lo bgrh$$; do ip -n "$host_ns" link set "$dev" up; done
for dev in lo bgrl$$; do ip -n "$laptop_ns" link set "$dev" up; done

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

on_host() {
    ip netns exec "$host_ns" env HOME="$top/h" BANGER_STATE_DIR="$top/s" BANGER_DAEMON="$daemon" BANGER_AGENT="$agent" \
        BANGER_DRIVER=sim "$@"
}

# Nothing of the host's is known here but the network.
on_laptop() {
    ip netns exec "$laptop_ns" env HOME="$top/l" BANGER_DAEMON=/nonexistent "$@"
}

# refused WHERE PART COMMAND…: fails with a message that says PART.
refused() {
    local where=$1 part=$2 code=0
    shift 2
    "$where" "$@" >"$top/out" 2>&1 || code=$?
    [ "$code" != 0 ] || fail "$*: succeeded"
    grep -qF -- "$part" "$top/out" || fail "$*: \"$(cat "$top/out")\" lacks \"$part\""
}

# The page's lines as they stand, with the token put in.
mkdir "$top/h" "$top/l"
token='' answer=''
n=0
while IFS= read -r line; do
    read -ra words <<<"${line#*\$ }"
    words[0]=$banger
    for i in "${!words[@]}"; do [ "${words[$i]}" != TOKEN ] || words[i]=$token; done
    case $line in
    'host$ '*) answer=$(on_host "${words[@]}") ;;
    *) answer=$(on_laptop "${words[@]}") ;;
    esac
    case $line in *' token create '*) token=$answer ;; esac
    n=$((n + 1))
done < <(grep -E '^(host|laptop)\$ banger ' "$page")
[ "$n" = 4 ] || fail "$page shows $n commands, want 4"
[ "$answer" = hello ] || fail "vm run on the laptop printed \"$answer\""
[ ! -e "$top/l/.local" ] || fail "a daemon's folder was made on the laptop"

[[ $(on_laptop "$banger" auth whoami) == *alice*operator* ]] || fail "whoami"
refused on_laptop "may not call" "$banger" auth list
refused on_laptop "used already" "$banger" auth enroll 192.0.2.1:7443 --name again --token "$token"
refused on_laptop "that is no token" "$banger" auth enroll 192.0.2.1:7443 --name again --token bgr1.x
refused on_host "a principal's name" "$banger" auth token create 'unix:0' --role admin

# A role that is bound to a label: other VMs are as if they were not there.
on_host "$banger" vm run -q -d --name theirs --label env=prod >/dev/null 2>&1 || fail "vm run theirs"
on_host "$banger" vm run -q -d --name ours --label env=ci >/dev/null 2>&1 || fail "vm run ours"
theirs=$(on_host "$banger" vm list -q --label env=prod)
on_host "$banger" session start --name job --no-stdin theirs -- sleep 1000 >/dev/null || fail "session start"
token=$(on_host "$banger" auth token create carl --role operator --selector env=ci)
on_laptop "$banger" auth enroll 192.0.2.1:7443 --name carl --token "$token" >/dev/null || fail "enroll carl"
[[ $(on_laptop "$banger" auth whoami) == *carl*operator*env=ci* ]] || fail "whoami of carl"
list=$(on_laptop "$banger" vm list)
[[ $list == *ours* && $list != *theirs* ]] || fail "a bound role lists \"$list\""
[ -z "$(on_laptop "$banger" session list -q)" ] || fail "a bound role lists others' sessions"
for word in "vm show" "vm stop" "vm delete" "vm logs" "vm health" "vm stats"; do
    read -ra words <<<"$word"
    refused on_laptop "no VM theirs" "$banger" "${words[@]}" theirs
    refused on_laptop "no VM $theirs" "$banger" "${words[@]}" "$theirs"
done
refused on_laptop "no session job" "$banger" session kill job
refused on_laptop "no session job" "$banger" session logs job
[ "$(on_laptop "$banger" vm exec ours -- echo in)" = in ] || fail "vm exec in scope"
refused on_laptop "label env=ci" "$banger" vm create --name other --label env=prod
refused on_laptop "label env=ci" "$banger" vm update ours --label env=prod
refused on_laptop "may not call" "$banger" image delete no-image
on_laptop "$banger" vm prune >/dev/null 2>&1 || fail "prune in scope"
events=$(on_laptop "$banger" event list --after 1 -n 1000)
[[ $events != *"$theirs"* ]] || fail "a bound role sees others' events"
[[ $events == *vm.state* ]] || fail "a bound role sees no events"
# Who is looking at a VM as it leaves the scope is cut off.
mkfifo "$top/carl"
on_laptop "$banger" vm exec ours -- sh -c 'echo live; exec sleep 1000' >"$top/carl" 2>"$top/err" &
run=$!
exec 5<"$top/carl"
read -r -t 60 line <&5 || fail "no output in scope: $(cat "$top/err")"
on_host "$banger" vm update ours --label env=prod >/dev/null 2>&1 || fail "relabel"
code=0
wait "$run" || code=$?
[ "$code" = 125 ] || fail "who looked at a VM that left its scope ended with $code: $(cat "$top/err")"
[ -z "$(on_laptop "$banger" vm list -q)" ] || fail "it still lists what left its scope"
on_host "$banger" vm delete --force ours theirs >/dev/null 2>&1 || fail "vm delete"
[[ $(on_host "$banger" auth audit --principal carl) == *ImageService/DeleteImage*PERMISSION_DENIED* ]] || fail "no audit entry of carl's"
[[ $(on_host "$banger" auth list) == *carl*env=ci* ]] || fail "auth list shows no selector"
on_laptop "$banger" context use 192.0.2.1 >/dev/null || fail "context use"

# A token of another CA: its fingerprint does not fit this server.
other=$(ip netns exec "$host_ns" env HOME="$top/h" BANGER_STATE_DIR="$top/o" BANGER_DAEMON="$daemon" BANGER_AGENT="$agent" \
    BANGER_DRIVER=sim "$banger" auth init >/dev/null &&
    ip netns exec "$host_ns" env HOME="$top/h" BANGER_STATE_DIR="$top/o" "$banger" auth token create eve --role admin &&
    ip netns exec "$host_ns" env HOME="$top/h" BANGER_STATE_DIR="$top/o" "$banger" daemon stop >/dev/null)
refused on_laptop "of another host" "$banger" auth enroll 192.0.2.1:7443 --name eve --token "$other"

# Half-open connections beside: who has said nothing holds nobody up.
knocks=()
for i in 1 2 3; do
    ip netns exec "$laptop_ns" bash -c 'exec 3<>/dev/tcp/192.0.2.1/7443; echo up; read -r -n 1 -u 3 || true' >"$top/knock.$i" &
    knocks+=($!)
done
on_laptop "$banger" vm list >/dev/null || fail "vm list beside half-open connections"

# The connection breaks under an attached command, with the daemon: it goes on where it was.
mkfifo "$top/go" "$top/seen"
on_laptop "$banger" vm run --rm -- sh -c "echo one; read -r x <$top/go; echo two; exit 9" >"$top/seen" 2>"$top/err" &
run=$!
exec 4<"$top/seen"
read -r -t 60 line <&4 || fail "no output over TLS: $(cat "$top/err")"
[ "$line" = one ] || fail "first line \"$line\""
daemon_pid=$(for p in $(ours); do [ "$(readlink "/proc/$p/exe")" != "$(readlink -f "$daemon")" ] || echo "$p"; done)
kill -9 "$daemon_pid"
on_host "$banger" vm list >/dev/null
echo >"$top/go"
read -r -t 60 line <&4 || fail "nothing after the restart: $(cat "$top/err")"
[ "$line" = two ] || fail "second line \"$line\""
code=0
wait "$run" || code=$?
[ "$code" = 9 ] || fail "exit status $code over a restart, want 9: $(cat "$top/err")"
exec 4<&-

# Certificates of both sides renewed under load: not one call fails.
(for i in $(seq 40); do on_laptop "$banger" vm list >/dev/null 2>>"$top/load.err" || echo "$i" >>"$top/load.failed"; done) &
load=$!
daemon_pid=$(for p in $(ours); do [ "$(readlink "/proc/$p/exe")" != "$(readlink -f "$daemon")" ] || echo "$p"; done)
for i in $(seq 10); do
    on_host "$banger" auth init >/dev/null || fail "auth init again"
    kill -HUP "$daemon_pid"
    [ "$i" != 5 ] || on_laptop "$banger" auth rotate || fail "rotate under load"
done
wait "$load"
[ ! -e "$top/load.failed" ] || fail "calls failed while certificates were renewed: $(cat "$top/load.err")"

# Rotation, then revocation under a live stream.
on_laptop "$banger" auth rotate || fail "rotate"
on_laptop "$banger" vm list >/dev/null || fail "vm list after rotation"
on_laptop "$banger" vm run --rm -- sh -c 'echo live; exec sleep 1000' >"$top/seen" 2>"$top/err" &
run=$!
exec 4<"$top/seen"
read -r -t 60 line <&4 || fail "no live stream: $(cat "$top/err")"
on_host "$banger" auth revoke alice >/dev/null
code=0
wait "$run" || code=$?
[ "$code" = 125 ] || fail "a revoked client ended with $code, want 125"
grep -qF "revoked" "$top/err" || fail "a revoked client is told \"$(cat "$top/err")\""
exec 4<&-
refused on_laptop "revoked" "$banger" vm list
[[ $(on_host "$banger" auth list) == *alice*revoked* ]] || fail "auth list does not show it"

# Without a CA this machine is served all the same; why others are not is told, with the file's name.
on_host "$banger" vm delete --force "$(on_host "$banger" vm list -q)" >/dev/null 2>&1 || true
on_host "$banger" daemon stop >/dev/null
cp -r "$top/s/pki" "$top/pki"

# closed PART: TCP is, and PART is in what doctor says of it, as soon as the files have been read.
closed() {
    local said=''
    for i in $(seq 200); do
        said=$(on_host "$banger" doctor) || true
        [[ $said != *"$1"* ]] || break
    done
    [[ $said == *"closed on 192.0.2.1:7443"*"$1"* ]] || fail "doctor says \"$said\", without \"$1\""
    [[ $(on_host "$banger" host show) == *"nothing: "*"$1"* ]] || fail "host show lacks \"$1\""
    on_host "$banger" vm list >/dev/null || fail "$1: the local socket does not serve"
    on_host "$banger" daemon stop >/dev/null
}
: >"$top/s/pki/ca.pem"
closed "ca.pem is empty"
echo nonsense >"$top/s/pki/ca.pem"
closed "ca.pem holds no certificate"
rm "$top/s/pki/ca.pem"
closed "ca.pem: No such file"
mkdir "$top/s/pki/ca.pem"
closed "ca.pem is no plain file"
rm -r "$top/s/pki"
cp -r "$top/pki" "$top/s/pki"
refused on_host "is no address" "$daemon" --listen nowhere
for pid in "${knocks[@]}"; do
    kill "$pid" 2>/dev/null || true
done

[ "$failed" = 0 ] || exit 1
echo "ok"
