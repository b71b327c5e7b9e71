#!/usr/bin/env bash
# A guest by qemu with KVM, and the devices that the test host promises.
#
#   kvm_test.sh BANGER BANGERD AGENT qemu
set -euo pipefail
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/../e2e/shell_daemon.sh"

for device in kvm vhost-vsock vhost-net net/tun loop-control mapper/control; do
    { : <>"/dev/$device"; } 2>"$top/err" || fail "/dev/$device does not open: $(cat "$top/err")"
done
dmsetup targets >"$top/targets"
grep -q '^snapshot ' "$top/targets" || fail "device-mapper has no snapshots: $(cat "$top/targets")"

start_daemon "$@"
started=$SECONDS
expect 0 HI vm run --rm -- sh -c 'echo HI'
echo "a VM that runs a command: $((SECONDS - started)) s"
"$banger" host show >"$top/host"
grep -q 'qemu .*kvm' "$top/host" || fail "not with KVM: $(cat "$top/host")"

# It is what runs, not only what the daemon says.
ok vm create --storage dm-snapshot box
pid=$("$banger" vm handles box --format '{pid}')
tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- '-accel kvm' || fail "the VMM: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
find "/proc/$pid/fd" -lname 'anon_inode:kvm-vcpu*' | grep -q . || fail "the VMM has no processor of KVM's"

# Its disk is of device-mapper's, and keeps what is written.
ok vm exec box -- sh -c 'echo kept >/var/tmp/kept && sync'
ok vm stop box
ok vm start box
expect 0 kept vm exec box -- cat /var/tmp/kept
node=$("$banger" vm show box --format '{runtime.systemOverlay}')
[ -b "$node" ] || fail "the system disk: $node"
ok vm delete --force box
[ ! -e "$node" ] || fail "the disk is left: $node"
[ -z "$(losetup -n -O BACK-FILE | grep -F "$top/" || true)" ] || fail "loop devices are left: $(losetup)"

finish_test
