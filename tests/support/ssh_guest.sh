#!/usr/bin/env bash
# A guest that boots its own way in a second: busybox and OpenSSH's server, all in its initrd, nothing of ours. Its users
# are root and dev, whose ~/.ssh/authorized_keys has KEY. Which server is at port 22 says a file /front of two words, for
# the next connections (their number is the second word; without: all): see front below.
#
#   ssh_guest.sh OUT MODULES KEY.pub     OUT: the initrd; MODULES: the folder of the kernel's virtio modules
set -euo pipefail
out=$1 modules=$2 key=$3
for tool in busybox cpio /usr/sbin/sshd ssh-keygen; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed" && exit 77; }
done
root=$(mktemp -d /tmp/banger-guest-XXXXXX)
trap 'rm -rf "$root"' EXIT
chmod 0755 "$root"
mkdir -p "$root"/{bin,dev,proc,sys,tmp,modules,etc/ssh,run/sshd,var/{empty,lib},root/.ssh,users/dev/.ssh,usr/sbin}
cp "$(command -v busybox)" "$root/bin/busybox"
ldd /usr/sbin/sshd | grep -o '/[^ )]*' | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
cp /usr/sbin/sshd "$root/usr/sbin/sshd"
cp "$modules"/*.ko "$root/modules/"
ssh-keygen -q -t ed25519 -N '' -C '' -f "$root/etc/ssh/host"
printf '%s\n' root:x:0:0::/root:/bin/sh dev:x:1000:1000::/users/dev:/bin/sh sshd:x:100:100::/run/sshd:/bin/false \
    >"$root/etc/passwd"
printf '%s\n' root:x:0: dev:x:1000: sshd:x:100: >"$root/etc/group"
printf '%s\n' 'root:*:1::::::' 'dev:*:1::::::' 'sshd:*:1::::::' >"$root/etc/shadow"
cat >"$root/etc/ssh/sshd_config" <<'END'
HostKey /etc/ssh/host
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
LogLevel ERROR
END
for home in root users/dev; do
    cp "$key" "$root/$home/.ssh/authorized_keys"
    chmod 0700 "$root/$home" "$root/$home/.ssh"
done

cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
chmod 1777 /tmp
for module in failover net_failover virtio_ring virtio virtio_mmio virtio_net; do
    insmod /modules/$module.ko
done
for card in /sys/class/net/eth*; do
    name=${card##*/}
    ip link set "$name" up
    case $(cat "$card/address") in
    56:*) ip addr add 10.0.3.15/24 dev "$name" ;; # the way in
    *) ip addr add 10.0.2.15/24 dev "$name" ;;
    esac
done
ip link set lo up
chown -R dev:dev /users/dev
echo honest >/front
while :; do nc -ll -p 22 -e /bin/front; done
END

# The server at port 22. Each hostile one is what its word says.
cat >"$root/bin/front" <<'END'
#!/bin/busybox sh
read -r what left </front
if [ -n "$left" ]; then
    [ "$left" -gt 1 ] && echo "$what $((left - 1))" >/front || echo honest >/front
fi
echo "$what" >>/tmp/met
sshd() {
    exec /usr/sbin/sshd -i -f /etc/ssh/sshd_config "$@"
}
case $what in
silent) exec sleep 1000 ;;
gone) exit 0 ;;
noise) exec cat /dev/urandom ;;
banner) exec yes 'and another line of greetings before the one that counts' ;;
midway) sshd | head -c 2000 ;; # in the key exchange, or soon after
sftp_noise) sshd -o 'Subsystem=sftp /bin/cat /dev/urandom' ;;
*) sshd ;;
esac
END
chmod 0755 "$root/init" "$root/bin/front"
(cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$out"
