#!/usr/bin/env bash
# System disks by device-mapper: what is made, kept, made again and removed, whoever dies; and that nothing of a
# stranger's is touched. Guests are of the driver sim, which looks into no disk: what is written comes from here.
#
#   dm_test.sh BANGER BANGERD AGENT sim BANGER_PRIV
set -euo pipefail
priv=$5
set -- "${@:1:4}" # the fifth would be a way to the daemon
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/../e2e/shell_daemon.sh"
# shellcheck source=tests/testhost/dm_shell.sh
. "$(dirname "$0")/dm_shell.sh"

start_daemon "$@"
make_image
create=(vm create --image small --driver sim --storage dm-snapshot)

# A stranger's, called as ours are.
stranger='banger-strangerabcde'
dmsetup create "$stranger" --uuid "banger-0-00000000-0123456789abcdef" --table '0 8 zero'

contains dm-snapshot doctor

# --- two of one image --------------------------------------------------------------------------------

ok "${create[@]}" one
ok "${create[@]}" --disk 100M two
[ "$(disks | grep -vc "$stranger")" = 2 ] || fail "disks of two VMs: $(disks)"
[ "$(loops | wc -l)" = 4 ] || fail "loop devices of two VMs: $(loops)"
[ "$(blockdev --getsize64 "$(path one)")" = $((64 << 20)) ] || fail "one has $(blockdev --getsize64 "$(path one)") bytes"
[ "$(blockdev --getsize64 "$(path two)")" = $((100 << 20)) ] || fail "two has $(blockdev --getsize64 "$(path two)") bytes"
[ "$(get one 40 4)$(get two 40 4)" = basebase ] || fail "they do not begin as the image"
put one first 40
put two second 40
put two beyond 90
[ "$(get one 40 5)" = first ] || fail "one has \"$(get one 40 5)\""
[ "$(get two 40 6)" = second ] || fail "two has \"$(get two 40 6)\""
[ "$(stat -c %a%u "$(path one)")" = 6000 ] || fail "the node: $(ls -l "$(path one)")"

# The handles are what device-mapper has.
name=$(basename "$(path two)")
read -r _ _ _ base store _ < <(dmsetup table "$name")
want="/dev/loop${base#7:} /dev/loop${store#7:} $name /dev/$(dmsetup info -c --noheadings -o blkdevname "$name")"
got=$("$banger" vm handles two -o json | sed -n 's/.*"\(baseLoop\|cowLoop\|dmName\|dmDev\)": "\(.*\)".*/\2/p' | tr '\n' ' ')
[ "$got" = "$want " ] || fail "handles: $got, want $want"

ok vm stop one
ok vm start one
[ "$(get one 40 5)" = first ] || fail "after a stop one has \"$(get one 40 5)\""

# --- what a reboot takes away ------------------------------------------------------------------------

ok vm stop one
ok vm stop two
dmsetup remove "$(basename "$(path one)")" "$(basename "$(path two)")"
[ -z "$(loops)" ] || fail "loop devices outlive their disks: $(loops)"
ok vm start one
ok vm start two
[ "$(get one 40 5)" = first ] || fail "made again one has \"$(get one 40 5)\""
[ "$(get two 40 6)$(get two 90 6)" = secondbeyond ] || fail "made again two has \"$(get two 40 6)$(get two 90 6)\""

# What it had a stranger has now: it is left alone, and the VM says so.
ok vm stop one
name=$(basename "$(path one)")
dmsetup remove "$name"
dmsetup create "$name" --table '0 8 zero'
refused "another's" 125 vm start one
dmsetup remove "$name"
ok vm start one
[ "$(get one 40 5)" = first ] || fail "after a stranger one has \"$(get one 40 5)\""

# Without its file there is nothing to begin with, and no empty one is made.
ok vm stop one
dmsetup remove "$name"
mv "$(folder one)/system.cow" "$top/kept"
refused "copy-on-write file" 125 vm start one
mv "$top/kept" "$(folder one)/system.cow"
# Nor with what the kernel cannot read.
cp --sparse=always "$(folder one)/system.cow" "$top/kept"
printf 'garbage.' | dd of="$(folder one)/system.cow" conv=notrunc status=none
refused "disk" 125 vm start one
[ -z "$(loops | grep "$(folder one)" || true)" ] || fail "a disk that failed has left $(loops)"
cp --sparse=always "$top/kept" "$(folder one)/system.cow"
rm "$top/kept"
ok vm start one
[ "$(get one 40 5)" = first ] || fail "put back one has \"$(get one 40 5)\""

# --- everything written: it cannot overflow ----------------------------------------------------------

dd if=/dev/urandom of="$(path two)" bs=1M count=100 oflag=direct status=none || fail "the disk does not take all of its bytes"
dmsetup status "$(basename "$(path two)")" | grep -q Invalid && fail "the snapshot is full: $(dmsetup status)"
sum=$(dd if="$(path two)" bs=1M iflag=direct status=none | sha256sum)
ok vm stop two
dmsetup remove "$(basename "$(path two)")"
ok vm start two
[ "$(dd if="$(path two)" bs=1M iflag=direct status=none | sha256sum)" = "$sum" ] || fail "all that was written is not all there"

# --- whoever dies ------------------------------------------------------------------------------------

for round in 1 2 3; do
    kill_helper
    ok "${create[@]}" "three$round"
    put "three$round" kept 12
    kill -9 "$(daemon)"
    "$banger" daemon start >/dev/null
    ok vm restart "three$round"
    [ "$(get "three$round" 12 4)" = kept ] || fail "after a kill: \"$(get "three$round" 12 4)\""
    kill -9 "$(daemon)"
    "$banger" daemon start >/dev/null
    ok vm delete --force "three$round"
done

# While they are made and deleted: what comes next is right, and nothing is left.
for delay in 0.05 0.1 0.2 0.4; do
    "$banger" "${create[@]}" cut >/dev/null 2>&1 &
    sleep "$delay" # somewhere in the midst
    kill_helper
    kill -9 "$(daemon)"
    wait $! || true
    "$banger" daemon start >/dev/null
    settled() { ! "$banger" operation list -o json | grep -qE '"state": "OPERATION_STATE_(RUNNING|PENDING)'; }
    wait_for settled || fail "operations go on: $("$banger" operation list)"
    "$banger" vm delete --force cut >/dev/null 2>&1 || true
done

began=$SECONDS
for n in 1 2 3 4 5 6 7 8; do
    "$banger" "${create[@]}" "many$n" >/dev/null &
    background+=($!)
done
for n in "${background[@]}"; do
    wait "$n" || fail "one of eight at once failed"
done
background=()
echo "eight created at once: $((SECONDS - began)) s"
[ "$(disks | grep -vc "$stranger")" = 10 ] || fail "disks of ten VMs: $(disks)"
"$banger" vm delete --force one two many{1..8} >/dev/null || fail "vm delete"
none "all deleted"

# --- an ordinary user, with a helper at a socket -----------------------------------------------------

"$banger" daemon stop >/dev/null
useradd -m maker
home=$(getent passwd maker | cut -d : -f 6)
chmod 755 "$top"
cp -r "$(dirname "$vmlinux")/modules" "$vmlinux" "$top"
chmod -R a+rX "$top/modules" "$top/vmlinux" "$top/image.raw"
systemd-socket-activate --seqpacket -l "$top/priv.sock" "$priv" --disks 2>"$top/priv.log" &
background+=($!)
wait_for test -S "$top/priv.sock" || die "no socket"
chmod 666 "$top/priv.sock"
as_maker() {
    runuser -u maker -- env HOME="$home" BANGER_STATE_DIR="$home/s" BANGER_CONFIG_DIR="$home/c" \
        BANGER_PRIV_SOCKET="$top/priv.sock" "$@"
}
as_maker "$banger" daemon start >/dev/null
as_maker "$banger" kernel import --modules "$top/modules" "$top/vmlinux" >/dev/null
as_maker "$banger" image import --name small "$top/image.raw" >/dev/null
as_maker "$banger" "${create[@]}" mine >/dev/null || fail "an ordinary user's VM: $(cat "$top/priv.log")"
node=$(as_maker "$banger" vm show mine --format '{runtime.systemOverlay}')
[ "$(disks | grep -c -- "-$(id -u maker)-")" = 1 ] || fail "an ordinary user's disk: $(disks)"
printf mine | as_maker dd of="$node" bs=1M seek=40 conv=notrunc,fsync status=none || fail "its owner cannot write to $node"
runuser -u nobody -- dd if="$node" count=1 status=none >/dev/null 2>&1 && fail "anyone may read $node"
kill -9 "${background[0]}"
systemd-socket-activate --seqpacket -l "$top/priv2.sock" "$priv" --disks 2>"$top/priv.log" &
background=($!)
wait_for test -S "$top/priv2.sock" || die "no socket"
chmod 666 "$top/priv2.sock"
mv "$top/priv2.sock" "$top/priv.sock"
as_maker "$banger" vm restart mine >/dev/null || fail "with another helper: $(cat "$top/priv.log")"
[ "$(as_maker dd if="$node" bs=1M skip=40 count=1 status=none | head -c 4)" = mine ] || fail "with another helper its data is gone"
as_maker "$banger" vm delete --force mine >/dev/null || fail "an ordinary user's VM is not deleted: $(cat "$top/priv.log")"
[ ! -e "$node" ] || fail "$node is left"
as_maker "$banger" daemon stop >/dev/null
none "an ordinary user's deleted"

dmsetup info "$stranger" >/dev/null || fail "the stranger's is gone"
dmsetup remove "$stranger"
[ "$failed" = 0 ] || tail -n 60 "$top/s/"*.log
finish_test
