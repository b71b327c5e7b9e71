#!/usr/bin/env bash
# The installed daemon as a service of systemd: whatever ends it, the VM and the session in it live on, and the next
# daemon has both.
#
#   systemd_test.sh BUILD
set -euo pipefail
build=$1 failed=0
unset BANGER_STATE_DIR BANGER_CONFIG_DIR BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR
top=$(mktemp -d)

# shellcheck disable=SC2317 # by trap
finish() {
    timeout 60 banger vm delete --force box >/dev/null 2>&1 || true
    systemctl stop bangerd.socket bangerd || true
    rm -rf "$top"
}
trap finish EXIT

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

die() {
    echo "FAIL $*"
    journalctl -u bangerd --no-pager -n 40 -o cat
    exit 1
}

# daemon: pid of the service's main process.
daemon() {
    systemctl show -p MainPID --value bangerd
}

# await COMMAND…: until it succeeds, for a minute at most.
await() {
    local n
    for ((n = 0; n < 600; n++)); do
        "$@" && return 0
        sleep 0.1 # between two looks at what announces nothing
    done
    return 1
}

# another PID: the service runs, and by another process.
another() {
    [ "$(systemctl is-active bangerd)" = active ] && [ "$(daemon)" != 0 ] && [ "$(daemon)" != "$1" ]
}

# lives WHEN: VMM, session and what it counts are what they were.
lives() {
    local said
    [ "$(banger vm show box --format '{runtime.state}')" = running ] || die "$1: the VM is $(banger vm show box --format '{runtime.state}')"
    [ "$(banger vm handles box --format '{pid}')" = "$vmm" ] || fail "$1: another VMM"
    [ "$(banger session show "$session" --format '{state}')" = running ] || fail "$1: the session is $(banger session show "$session" --format '{state}')"
    said=$(timeout 60 banger vm exec box -- cat /proc/sys/kernel/random/boot_id) || fail "$1: no command runs"
    [ "$said" = "$boot" ] || fail "$1: the guest has booted again"
    echo "$1: ok"
}

cmake --install "$build" --component banger >"$top/install" || die "$(cat "$top/install")"
systemctl daemon-reload
systemctl start bangerd || die "systemctl start: $(systemctl status bangerd)"
hash -r
kernel=$(sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
image=$(sed -n 's/.*"path": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
await banger vm list >/dev/null 2>&1 || die "the service does not answer: $(banger vm list 2>&1)"
banger kernel import --modules "$(dirname "$kernel")/modules" "$kernel" >/dev/null || die "kernel import"
banger image import --name debian-bookworm "$image" >/dev/null || die "image import"

banger vm create box >/dev/null || die "vm create"
vmm=$(banger vm handles box --format '{pid}')
boot=$(banger vm exec box -- cat /proc/sys/kernel/random/boot_id) || die "vm exec"
session=$(banger session start box -q -- sh -c 'echo begun; exec sleep 100000') || die "session start"
lives "at first"
# Not with the daemon: a unit of its own, which no end of the service's is the end of.
grep -q '/banger-.*\.scope$' "/proc/$vmm/cgroup" ||
    fail "the VM is in $(cat "/proc/$vmm/cgroup"); $(banger doctor 2>&1 | grep -A 2 scopes)"

first=$(daemon)
systemctl restart bangerd || fail "systemctl restart"
another "$first" || fail "the restart left the daemon $first: $(systemctl status bangerd)"
lives "systemctl restart"

second=$(daemon)
kill -9 "$second"
await another "$second" || die "systemd started no other: $(systemctl status bangerd)"
lives "kill -9"

# Other files in the place of those that run, as by a package's upgrade.
installed=$(readlink -f "$(command -v bangerd)")
cp "$installed" "$top/bangerd"
echo "another build" >>"$top/bangerd"
mv "$top/bangerd" "$installed"
second=$(daemon)
systemctl daemon-reload
systemctl restart bangerd || fail "systemctl restart"
another "$second" || fail "the upgrade left the daemon $second: $(systemctl status bangerd)"
lives "upgrade"

third=$(daemon)
systemctl stop bangerd || fail "systemctl stop"
[ "$(systemctl is-active bangerd)" = inactive ] || fail "stopped it is $(systemctl is-active bangerd)"
[ ! -d "/proc/$third" ] || fail "systemctl stop left the daemon"
grep -qz qemu "/proc/$vmm/cmdline" || fail "systemctl stop ended the VM"
systemctl start bangerd || die "systemctl start: $(systemctl status bangerd)"
lives "systemctl stop, start"

# By systemd's socket: the first who calls starts it, and who calls while it is not there waits.
systemctl stop bangerd || fail "systemctl stop"
systemctl start bangerd.socket || die "systemctl start bangerd.socket: $(systemctl status bangerd.socket)"
[ "$(systemctl is-active bangerd)" = inactive ] || fail "its socket alone: the daemon is $(systemctl is-active bangerd)"
lives "started by the first call"
fourth=$(daemon)
(sleep 1 && kill -9 "$fourth") & # amid calls
for n in 1 2 3 4 5 6; do
    timeout 60 banger vm list >/dev/null || fail "call $n amid a kill -9: $(banger vm list 2>&1)"
    sleep 0.5
done
wait
await another "$fourth" || die "kill -9 beside the socket: $(systemctl status bangerd)"
lives "kill -9 beside the socket"

[ "$(banger session logs "$session" 2>/dev/null)" = begun ] || fail "the session's output: $(banger session logs "$session" 2>&1)"
banger vm delete --force box >/dev/null || fail "vm delete"
[ ! -d "/proc/$vmm" ] || fail "the VMM of a VM that was deleted lives on"
[ $failed = 0 ] || { journalctl -u bangerd --no-pager -n 60 -o cat; exit 1; }
echo "all checks passed"
