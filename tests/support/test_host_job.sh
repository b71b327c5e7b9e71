#!/usr/bin/env bash
# The one job of the test host (scripts/test-host), run by its systemd: /mnt is the job's disk. Puts the tree where it
# was, runs ctest, leaves its status and results as a tar on the third disk; then the machine powers off.
stty -F /dev/ttyS1 raw -echo
exec >/dev/ttyS1 2>&1 </dev/null
tree='' assets='' build='' # by the settings, and ctest's arguments
# shellcheck source=/dev/null
. /mnt/settings
cut -d . -f 1 /proc/uptime >/tmp/uptime
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8

for folder in "$tree" "$assets"; do
    mkdir -p "$folder"
    mount --bind "/mnt/root$folder" "$folder"
done
# What an ordinary user's tree holds was his.
chown -R 0:0 /mnt
# A processor has one of the two.
modprobe -q kvm_amd || modprobe -q kvm_intel
modprobe -a tun vhost_vsock vhost_net dm_snapshot loop nf_tables

cd "$tree" || exit 1
ctest --test-dir "$build" -L testhost --output-on-failure --output-junit /tmp/junit.xml "$@"
echo $? >/tmp/status
touch /tmp/junit.xml
tar -cf /dev/vdc -C /tmp status uptime junit.xml
sync
