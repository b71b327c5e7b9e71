#!/usr/bin/env bash
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
# A guest that is reached by its own SSH server, and what that does to us when it is hostile: each time a clear word in
# bounded time, the other VM is as quick as ever, and the session that runs meanwhile has every byte when an honest
# server answers again. And who logs in: --ssh-user, --ssh-key.
#
#   hostile_sshd_test.sh BANGER BANGERD AGENT qemu
set -euo pipefail
# shellcheck source=tests/e2e/shell_daemon.sh
. "$(dirname "$0")/shell_daemon.sh"
# Of the guest's servers (ssh_guest.sh): how often each is met, so that it is seen, and words of what is told.
servers=("gone 5 SSH" "noise 3 SSH" "midway 3" "sftp_noise 3" "silent 1 SSH" "banner 1 SSH")

if [ -z "${BANGER_TEST_ASSETS:-}" ]; then
    echo "skipped: no kernel: BANGER_TEST_ASSETS names no folder of test_assets"
    rm -rf "$top"
    exit 77
fi
engine=sim # VMs say otherwise: no image of ours is needed
start_daemon "$@"
kernel_file=$(sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
ssh-keygen -q -t ed25519 -N '' -C '' -f "$top/mine"
code=0
"$(dirname "$0")/../support/ssh_guest.sh" "$top/initrd" "$(dirname "$kernel_file")/modules" "$top/mine.pub" || code=$?
[ "$code" = 0 ] || exit "$code"
mkdir -m 0700 "$BANGER_STATE_DIR/ssh_keys"
install -m 0600 "$top/mine" "$BANGER_STATE_DIR/ssh_keys"
truncate -s 1M "$top/disk"
"$banger" kernel import --initrd "$top/initrd" "$kernel_file" >/dev/null 2>&1
kernel=$("$banger" kernel list -o json | grep -B20 '"ownInitrd": true' | sed -n 's/.*"id": "\(.*\)".*/\1/p' | tail -n 1)
"$banger" image import --name tiny --kernel "$kernel" "$top/disk" >/dev/null 2>&1

# What speaks SSH for this daemon; without it the connection is over.
cut_off() {
    local pid
    for pid in $(ours); do
        if [ "$(readlink "/proc/$pid/exe" 2>/dev/null | sed 's/.*\///')" = banger-ssh ]; then
            kill -9 "$pid" 2>/dev/null || true
        fi
    done
}

is_ready() {
    "$banger" vm health box >/dev/null 2>&1
}

# Who logs in is who was named, with the key that was named
refused "cannot read the SSH key" 125 vm create no --driver qemu --image tiny --ssh-key nobodys
refused "cannot be a user" 125 vm create no --driver qemu --image tiny --ssh-user 'a b' --ssh-key mine
ok vm create dev --driver qemu --image tiny --memory 128M --ssh-user dev --ssh-key mine
expect 0 dev vm exec dev -- id -un
contains "SSH:           dev, port 22, key mine" vm show dev
refused "" 125 vm exec dev --user root -- id
ok vm create box --driver qemu --image tiny --memory 128M --ssh-key mine
expect 0 root vm exec box -- id -un
contains "SSH:           root, port 22, key mine" vm show box
ok vm delete --force dev

# Hostile servers, one after another, under a session and beside another VM
ok vm create other
session=$("$banger" session start box -- sh -c 'i=0; while [ ! -e /tmp/enough ]; do echo $i; i=$((i+1)); sleep 0.1; done')
for server in "${servers[@]}"; do
    read -r what times words <<<"$server"
    ok vm exec box -- sh -c "echo $what $times >/front"
    cut_off
    was_told() {
        told=$("$banger" vm health box 2>&1) || true
        [[ $told == *"not ready"*"$words"* && $told != *"at its other end"* ]]
    }
    wait_for was_told || fail "$what: not told: $told"
    echo "$what: $told"
    began=$(date +%s%N)
    expect 0 here vm exec other -- echo here
    took=$((($(date +%s%N) - began) / 1000000))
    [ "$took" -lt 5000 ] || fail "$what: another VM's command took $took ms"
    wait_for is_ready || fail "$what: not ready again: $("$banger" vm health box 2>&1)"
done
ok vm exec box -- touch /tmp/enough
for server in "${servers[@]}"; do
    read -r what times words <<<"$server"
    expect 0 "$times" vm exec box -- grep -c "^$what$" /tmp/met
done
"$banger" session wait "$session" >/dev/null || fail "the session is gone"
"$banger" session logs "$session" >"$top/numbers"
seq 0 $(($(wc -l <"$top/numbers") - 1)) | cmp - "$top/numbers" || fail "output was lost, or came twice"
finish_test
