# shellcheck shell=bash disable=SC2154,SC2034 # what scripts that source it have set and use
# What tests of disks by device-mapper have in common. stranger is the name of a device that is not ours, or "".
stranger=''

# disks: of ours, a line each: name and uuid. loops: those of files below $top, with the file.
disks() {
    dmsetup info -c --noheadings -o name,uuid --separator ' ' 2>/dev/null | { grep '^banger-' || true; }
}
loops() {
    losetup -n -O NAME,BACK-FILE | { grep -F -- "$top/" || true; }
}

# none WHEN: nothing is left of any VM.
none() {
    [ -z "$(disks | grep -vF -- "${stranger:-no such}" || true)" ] || fail "$1: disks are left: $(disks)"
    [ -z "$(loops)" ] || fail "$1: loop devices are left: $(loops)"
    [ -z "$(find /dev/mapper -name 'banger-*' ! -name "${stranger:-no such}")" ] || fail "$1: nodes are left: $(ls -l /dev/mapper)"
    [ -z "$(ls "$top/s/vms")" ] || fail "$1: folders are left: $(ls -R "$top/s/vms")"
}

# path VM, folder VM: of its system disk; where it is.
path() {
    "$banger" vm show "$1" --format '{runtime.systemOverlay}'
}
folder() {
    "$banger" vm show "$1" --format '{runtime.vmDir}'
}

# put VM TEXT MIB, get VM MIB LENGTH: as its guest would write and read, at that place.
put() {
    printf '%s' "$2" | dd of="$(path "$1")" bs=1M seek="$3" conv=notrunc,fsync status=none || fail "cannot write to $1"
}
get() {
    dd if="$(path "$1")" bs=1M skip="$2" count=1 iflag=direct status=none | head -c "$3"
}

daemon() {
    sed -n 's/^pid //p' "$top/s/lock"
}
# The helper is gone without a word.
kill_helper() {
    pkill -9 -P "$(daemon)" -f banger-priv || true
}

# An image of 64 MiB, which says "base" at 40; vmlinux is then the kernel's file.
make_image() {
    vmlinux=$(sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
    ok kernel import --modules "$(dirname "$vmlinux")/modules" "$vmlinux"
    truncate -s 64M "$top/image.raw"
    mke2fs -q -F -t ext4 "$top/image.raw"
    printf base | dd of="$top/image.raw" bs=1M seek=40 conv=notrunc status=none
    ok image import --name small "$top/image.raw"
}
