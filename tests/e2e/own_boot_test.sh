#!/usr/bin/env bash
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
# A stock Debian with systemd and sshd as a guest: nothing of ours is in its image, and it boots by its own kernel,
# initrd and init. Reached over SSH: commands, bytes, a cut connection, a killed daemon, a host key that changes, stop.
#
#   own_boot_test.sh BANGER BANGERD AGENT qemu [local [reboot]]      reboot: by the guest, which boots once more
set -euo pipefail
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"
own=${BANGER_TEST_ASSETS:-/nonexistent}/own
if [ ! -f "$own/root.raw" ]; then
    echo "skipped: no image of its own: test_assets FOLDER AGENT --own makes $own"
    rm -rf "$top"
    exit 77
fi
start_daemon "$@"

# What speaks SSH for this daemon.
helpers() {
    local pid program
    for pid in /proc/[0-9]*; do
        program=$({ tr '\0' '\n' <"$pid/cmdline"; } 2>/dev/null | head -n 1) || true
        if { [ "${program##*/}" = banger-ssh ] &&
            tr '\0' ' ' <"$pid/cmdline" | grep -qF -- "$top/"; } 2>/dev/null; then
            echo "${pid#/proc/}"
        fi
    done
}

cut_off() {
    local pid pids
    pids=$(helpers)
    [ -n "$pids" ] || fail "there is no connection to cut"
    for pid in $pids; do
        kill -9 "$pid" 2>/dev/null || true
    done
}

no_helpers() {
    [ -z "$(helpers)" ]
}

vm_pid() {
    "$banger" vm handles box -o json | sed -n 's/.*"pid": \([0-9]*\).*/\1/p'
}

# Ports of this host that lead into the guest.
ways_in() {
    ss -Hltnp 2>/dev/null | grep -F "pid=$(vm_pid)," || true
}

is_ready() {
    "$banger" vm health box >/dev/null 2>&1
}

# Up to four minutes: it boots, emulated.
becomes_ready() {
    local n
    for ((n = 0; n < 4; n++)); do
        wait_for is_ready && return 0
    done
    return 1
}

"$banger" kernel import --initrd "$own/initrd.img" "$own/vmlinuz" >/dev/null
kernel=$("$banger" kernel list -o json | grep -B20 '"ownInitrd": true' | sed -n 's/.*"id": "\(.*\)".*/\1/p' | tail -n 1)
[ -n "$kernel" ] || die "no kernel of its own in: $("$banger" kernel list -o json)"
"$banger" image import --name own --kernel "$kernel" "$own/root.raw" >/dev/null

# What cannot be is refused before anything is made.
refused "needs a network" 125 vm create no --image own --net none
refused "boot their own way" 125 vm create no --image debian-bookworm --kernel-arguments quiet
refused "cannot read the SSH key" 125 vm create no --image own --ssh-key nobodys
refused "mounts no work disk" 125 vm create no --image own --work-disk 16M

"$banger" vm create box --image own --memory 512M >/dev/null 2>"$top/err" || die "create: $(cat "$top/err")"
contains "systemd" vm exec box -- cat /proc/1/comm
contains "box" vm exec box -- hostname
contains "Host key:      ssh-ed25519 SHA256:" vm show box
[ -z "$(ways_in)" ] || fail "something listens for everybody on this host: $(ways_in)"

# The way out is the first card; the way in is one of its own, by which the host's loopback is not reached.
contains "default via 10.0.2.2 dev eth0" vm exec box -- ip -4 route
contains "inet 10.0.3.15/24" vm exec box -- ip -4 -o address show eth1
"$banger" vm exec box -- timeout 5 bash -c '</dev/tcp/10.0.3.2/22' 2>/dev/null && fail "the second card leads to this host"

# Bytes are exact, both ways.
head -c 2000000 /dev/urandom >"$top/in"
"$banger" vm exec -i box -- cat <"$top/in" >"$top/out" || fail "cat"
cmp "$top/in" "$top/out" || fail "bytes differ"

# The connection is cut again and again under a command; nothing is lost or comes twice.
"$banger" vm exec box -- sh -c 'i=0; while [ $i -lt 120 ]; do i=$((i+1)); echo line $i; sleep 0.02; done' \
    >"$top/lines" 2>"$top/err" &
reader=$!
for part in 20 60 100; do
    has_lines() { [ "$(wc -l <"$top/lines")" -ge "$part" ]; }
    wait_for has_lines || fail "no line $part"
    cut_off
done
wait "$reader" || fail "a command over a connection that was cut: $(cat "$top/err")"
seq -f "line %g" 120 | cmp - "$top/lines" || fail "lines differ after cuts"

# The daemon is killed under a session, which goes on; the next one finds VM and session again.
session=$("$banger" session start box -- sh -c 'i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo $i; sleep 0.05; done')
pid=$(vm_pid)
daemon=$(sed -n 's/^pid[^0-9]*\([0-9]*\).*/\1/p' "$top/s/lock" | head -1)
[ -n "$daemon" ] || die "no daemon in $top/s/lock"
kill -9 "$daemon"
"$banger" daemon start >/dev/null
[ "$(vm_pid)" = "$pid" ] || fail "another VMM than before"
"$banger" session wait "$session" >/dev/null || fail "the session is gone"
"$banger" session logs "$session" >"$top/numbers"
seq 40 | cmp - "$top/numbers" || fail "output differs after the daemon was killed"

# Another host key is refused, with words that help; and accepted when somebody says so.
before=$("$banger" vm show box | sed -n 's/^Host key: *//p')
"$banger" vm exec box -- sh -c 'rm /etc/ssh/ssh_host_ed25519_key*; ssh-keygen -A; systemctl restart ssh' >/dev/null 2>&1 ||
    fail "new host keys"
cut_off
is_refused() { "$banger" vm show box | grep -q '^Refused:'; }
wait_for is_refused || fail "another host key was taken: $("$banger" vm show box)"
contains "Host key:      $before" vm show box
contains "banger vm trust box" vm show box
is_ready && fail "it is ready with another host key"
"$banger" vm trust box >/dev/null 2>"$top/err" || fail "trust: $(cat "$top/err")"
wait_for is_ready || fail "not ready after trust: $("$banger" vm show box)"
[ "$("$banger" vm show box | sed -n 's/^Host key: *//p')" != "$before" ] || fail "the old host key stays"
is_refused && fail "something is still refused"
contains "again" vm exec box -- echo again

if [ "${6:-}" = reboot ]; then
    boot=$("$banger" vm show box -o json | sed -n 's/.*"bootId": "\(.*\)".*/\1/p')
    "$banger" session start box -- systemctl reboot >/dev/null
    is_another() { [ "$("$banger" vm show box -o json | sed -n 's/.*"bootId": "\(.*\)".*/\1/p')" != "$boot" ]; }
    wait_for is_another || wait_for is_another || wait_for is_another || fail "it did not boot again"
    becomes_ready || fail "not ready after a reboot: $("$banger" vm show box)"
    contains "again" vm exec box -- echo again
fi

"$banger" vm stop box >/dev/null 2>"$top/err" || fail "stop: $(cat "$top/err")"
contains "State:         stopped" vm show box
wait_for no_helpers || fail "banger-ssh lives on"
"$banger" vm delete box >/dev/null
finish_test
