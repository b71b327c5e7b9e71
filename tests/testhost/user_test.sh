#!/usr/bin/env bash
# An ordinary user's daemon, a unit of his own systemd, and the helper, a unit of the system's, both as installed: a VM
# by qemu with KVM that has a tap and a disk of device-mapper's. What it reaches, what it is held to, what it keeps, and that
# nothing of it is left.
#
#   user_test.sh BUILD
set -euo pipefail
build=$1 failed=0 background=()
unset BANGER_STATE_DIR BANGER_CONFIG_DIR BANGER_HOST BANGER_SOCKET BANGER_RUNTIME_DIR
top=$(mktemp -d)
chmod 755 "$top"
# shellcheck source=tests/testhost/world.sh
. "$(dirname "$0")/world.sh"

# shellcheck disable=SC2317 # by trap
finish() {
    kill "${background[@]}" 2>/dev/null || true
    umount "$top/assets" 2>/dev/null || true
    rm -rf "$top"
}
trap finish EXIT

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

die() {
    echo "FAIL $*"
    journalctl --no-pager -n 60 -o cat
    exit 1
}

# wait_for COMMAND…: until it succeeds, for a minute at most.
wait_for() {
    local n
    for ((n = 0; n < 600; n++)); do
        "$@" && return 0
        sleep 0.1 # between two looks at what announces nothing
    done
    return 1
}

# took WHAT: seconds since the last time.
began=$SECONDS
took() {
    echo "$1: $((SECONDS - began)) s"
    began=$SECONDS
}

# --- what is installed, as it is installed -----------------------------------------------------------

cmake --install "$build" --component banger >"$top/install" || die "$(cat "$top/install")"
useradd -m -G kvm maker
uid=$(id -u maker)
libexec=$(dirname "$(find /usr -name banger-priv -type f)")
mkdir -p /etc/systemd/system/banger-priv.service.d
# The lines of docs/security.md.
cat >/etc/systemd/system/banger-priv.service.d/disks.conf <<END
[Service]
ExecStart=
ExecStart=$libexec/banger-priv --disks
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_MKNOD CAP_CHOWN
DeviceAllow=/dev/loop-control rw
DeviceAllow=block-loop rw
DeviceAllow=/dev/mapper/control rw
DeviceAllow=block-device-mapper rwm
END
systemctl daemon-reload
systemctl start banger-priv.socket || die "banger-priv.socket: $(systemctl status banger-priv.socket)"
systemctl start dbus.socket || die "no bus" # the test host begins with as little as can be
loginctl enable-linger maker || die "no linger"
wait_for test -S "/run/user/$uid/bus" || die "the user has no bus: $(systemctl status "user@$uid")"
as_maker() {
    runuser -u maker -- env -C / HOME="$(getent passwd maker | cut -d: -f6)" XDG_RUNTIME_DIR="/run/user/$uid" "$@"
}
banger() {
    as_maker banger "$@"
}
as_maker systemctl --user set-environment BANGER_BOOT_TIMEOUT_MS=300000 # by emulated processors
as_maker systemctl --user start bangerd || die "systemctl --user start: $(as_maker systemctl --user status bangerd)"
wait_for banger vm list >/dev/null || die "the daemon does not answer"
took "begun"

# --- limits hold ---------------------------------------------------------------------------------------

# Processes of the host's as a guest: what they may not do a VMM may not either.
banger vm create held --driver sim --tasks-max 60 --cpu-quota 60 -m 64M --memory-max 96M >/dev/null || die "vm create held"
group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$(banger vm handles held --format '{pid}')/cgroup")
[[ $group == */user@$uid.service/*.slice/*.scope ]] || fail "the VM is in $group; $(banger doctor 2>&1 | grep -A 2 scopes)"
slice=$(dirname "$group")
limits() {
    cat "$slice/pids.max" "$slice/cpu.max" "$slice/memory.max" | tr '\n' ' '
}
[ "$(limits)" = "60 60000 100000 $((96 << 20)) " ] || fail "$slice has $(limits)"
# shellcheck disable=SC2016 # the guest's shell expands
banger vm exec held -- sh -c 'for n in $(seq 70); do sleep 20 >/dev/null 2>&1 & done' >/dev/null 2>"$top/err" && fail "70 processes within 60"
grep -qi 'fork' "$top/err" || fail "too many processes: $(cat "$top/err")"
# Who counts it depends on the kernel.
cat "$slice/pids.events" "$group/pids.events" | grep -q 'max [1-9]' || fail "no process was refused"
banger vm exec held -- timeout 1 sh -c 'while :; do :; done' >/dev/null 2>&1 || true
grep -q 'nr_throttled [1-9]' "$slice/cpu.stat" || fail "its processor is not held: $(cat "$slice/cpu.stat")"
banger vm exec held -- tail /dev/zero >/dev/null 2>&1 && fail "memory without end"
echo "limits hold: $(tr '\n' ' ' <"$slice/memory.events")$(grep nr_throttled "$slice/cpu.stat")"
banger vm delete --force held >/dev/null || fail "vm delete held"
nothing "held deleted"
took "limits"

# --- a VM of KVM's --------------------------------------------------------------------------------------

mkdir "$top/assets" # whose own folder may be nobody else's
mount --bind "$BANGER_TEST_ASSETS" "$top/assets"
chmod -R a+rX "$top/assets"
kernel=$(sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
image=$(sed -n 's/.*"path": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
kernel=$top/assets/${kernel#"$BANGER_TEST_ASSETS"} image=$top/assets/${image#"$BANGER_TEST_ASSETS"}
banger kernel import --modules "$(dirname "$kernel")/modules" "$kernel" >/dev/null || die "kernel import"
banger image import --name debian-bookworm "$image" >/dev/null || die "image import"
make_world
took "its image"
banger vm create box --net tap --storage dm-snapshot --memory-max 600M --cpu-quota 150 --tasks-max 200 >/dev/null || die "vm create: $(banger doctor)"
took "a VM by KVM, with a tap and a disk of device-mapper's"
vmm=$(banger vm handles box --format '{pid}')
tr '\0' ' ' <"/proc/$vmm/cmdline" | grep -q -- '-accel kvm' || fail "the VMM: $(tr '\0' ' ' <"/proc/$vmm/cmdline")"
[ "$(stat -c %U "/proc/$vmm")" = maker ] || fail "the VMM is of $(stat -c %U "/proc/$vmm")"
slice=$(dirname "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$vmm/cgroup")")
[ "$(limits)" = "200 150000 100000 $((600 << 20)) " ] || fail "$slice has $(limits)"
node=$(banger vm show box --format '{runtime.systemOverlay}')
[ -b "$node" ] || fail "its disk is $node"
gateway=$(gateway_of "$(banger vm show box --format '{runtime.guestIp}')")
said=$(banger vm exec box -- bash -c "$dial" dial "$gateway") || true
[ "$said" = 192.0.2.1 ] || fail "it reached $said"
[ "$(came loopback)$(came every)" = "" ] || fail "it came to the host: $(came loopback) $(came every)"
[ "$(came outside)" = " 1 192.0.2.1 " ] || fail "to the world came $(came outside)"
banger vm exec box -- sh -c 'echo kept >/var/tmp/kept && sync' || fail "vm exec"
took "what it reaches"

# The user's daemon and helper restart: the VM is another unit.
as_maker systemctl --user restart bangerd || fail "systemctl --user restart"
systemctl stop banger-priv.service || fail "systemctl stop banger-priv"
[ "$(banger vm handles box --format '{pid}')" = "$vmm" ] || fail "another VMM after a restart"

banger vm stop box >/dev/null || fail "vm stop"
banger vm start box >/dev/null || fail "vm start: $(journalctl --no-pager -n 20 -o cat)"
[ "$(banger vm exec box -- cat /var/tmp/kept)" = kept ] || fail "it has not kept what was written"
took "stopped and started again"
banger vm delete --force box >/dev/null || fail "vm delete"
[ ! -e "$node" ] || fail "$node is left"
nothing "deleted"
[ "$(systemctl is-active banger-priv.service)" = active ] || fail "the helper is $(systemctl is-active banger-priv.service)"
[ $failed = 0 ] || { journalctl --no-pager -n 80 -o cat; exit 1; }
echo "all checks passed"
