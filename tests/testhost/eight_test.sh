#!/usr/bin/env bash
# Eight VMs at once with taps and disks of device-mapper's: created, used, stopped, started again with what they had
# written, deleted; and nothing is left. By qemu with KVM, or by a real Firecracker, jailed.
#
#   eight_test.sh BANGER BANGERD AGENT qemu|firecracker
set -euo pipefail
engine_of=$4
if [ "$engine_of" = firecracker ]; then
    [ -n "${BANGER_FIRECRACKER:-}" ] || { echo "skipped: BANGER_FIRECRACKER names no Firecracker"; exit 77; }
    folder=$(mktemp -d)
    ln -s "$BANGER_FIRECRACKER" "$folder/firecracker"
    if [ -x "$(dirname "$BANGER_FIRECRACKER")/jailer" ]; then
        ln -s "$(dirname "$BANGER_FIRECRACKER")/jailer" "$folder/jailer"
        export BANGER_FIRECRACKER_JAILER=yes
    fi
    PATH=$folder:$PATH
    unset BANGER_FIRECRACKER
    set -- "${@:1:3}" qemu # whose kernel and image these are
fi
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/../e2e/shell_daemon.sh"
# shellcheck source=tests/testhost/world.sh
. "$(dirname "$0")/world.sh"

export BANGER_BOOT_TIMEOUT_MS=600000 # eight share one processor, which is emulated
start_daemon "$@"
make_world
create=(vm create --driver "$engine_of" --net tap --storage dm-snapshot)
all=(one two three four five six seven eight)

# each WHAT COMMAND…: for all at once, VM in the place of @; how long it took.
each() {
    local what=$1 began=$SECONDS name pids=()
    shift
    for name in "${all[@]}"; do
        "$banger" "${@//@/$name}" >"$top/out.$name" 2>"$top/err.$name" </dev/null &
        pids+=($!)
    done
    for name in "${all[@]}"; do
        wait "${pids[0]}" || fail "$what, $name: $(tail -n 3 "$top/err.$name")"
        pids=("${pids[@]:1}")
    done
    echo "$what, eight at once: $((SECONDS - began)) s"
}

# One alone, to compare.
began=$SECONDS
ok "${create[@]}" alone
echo "created alone: $((SECONDS - began)) s"
gateway=$(gateway_of "$("$banger" vm show alone --format '{runtime.guestIp}')")
expect 0 192.0.2.1 vm exec alone -- bash -c "$dial" dial "$gateway"
[ "$(came loopback)$(came every)" = "" ] || fail "it came to the host: $(came loopback) $(came every)"
if [ -n "${BANGER_FIRECRACKER_JAILER:-}" ]; then
    vmm=$("$banger" vm handles alone --format '{pid}')
    [ "$(stat -c %u "/proc/$vmm")" != 0 ] || fail "the VMM is root"
    [ ! -e "/proc/$vmm/root/etc" ] || fail "the VMM has the host's root"
fi
began=$SECONDS
ok vm delete --force alone
echo "deleted alone: $((SECONDS - began)) s"
nothing "one deleted"

each created "${create[@]}" @
[ "$(dmsetup ls | grep -c '^banger-')" = 8 ] || fail "disks: $(dmsetup ls)"
each written vm exec @ -- sh -c 'echo @ >/var/tmp/kept && sync'
each "the world reached" vm exec @ -- timeout 60 bash -c 'exec 3<>/dev/tcp/192.0.2.2/8001 && cat <&3'
[ "$(sort -u "$top/"out.*)" = 192.0.2.1 ] || fail "the world said $(sort -u "$top/"out.*)"
each stopped vm stop @
each started vm start @
each read vm exec @ -- cat /var/tmp/kept
for name in "${all[@]}"; do
    [ "$(cat "$top/out.$name")" = "$name" ] || fail "$name has kept \"$(cat "$top/out.$name")\""
done
each deleted vm delete --force @
nothing "all deleted"
[ -z "$(ls "$top/s/vms")" ] || fail "folders are left: $(ls -R "$top/s/vms")"
[ "$failed" = 0 ] || tail -n 60 "$top/s/"*.log
finish_test
