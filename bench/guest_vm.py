"""One VM with three ways into it: banger's agent, an sshd, and a raw port without anything in between."""

import os
import shlex
import shutil
import socket
import time

import vms
from lib import Server, listens, run, wait_until

# qemu with what nobody else has a use for: a port of 127.0.0.1 to the sshd, and a second virtio-serial port.
WRAPPER = """#!/bin/sh
n=$#
for word; do
    case $word in
    user,id=net0*)
        word="$word,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:22"
        more=1
        ;;
    esac
    set -- "$@" "$word"
done
shift "$n"
exec {qemu} "$@" ${{more:+-chardev socket,id=raw,path={raw},server=on,wait=off -device virtserialport,chardev=raw,name=raw,nr=2}}
"""


class Raw:
    """Our end of the raw port; bench/raw_port.c is the other."""

    def __init__(self, path, pid):
        self.pid = pid  # of its qemu
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(300)
        self.socket.connect(path)

    def close(self):
        self.socket.close()

    def _ask(self, what, n):
        self.socket.sendall(f"{what}{n:15}".encode())

    def _trips(self, what, n):
        times = []
        self._ask(what, n)
        for _ in range(n):
            begun = time.monotonic()
            self.socket.sendall(b"x")
            if len(self.socket.recv(1)) != 1:
                raise RuntimeError("the raw port has closed")
            times.append((time.monotonic() - begun) * 1000)
        return times

    def echo(self, n):
        return self._trips("e", n)

    def spawn(self, n):
        return self._trips("s", n)

    def out(self, n):
        self._ask("o", n)
        room = bytearray(1 << 20)
        while n > 0:
            got = self.socket.recv_into(room, min(n, len(room)))
            if got == 0:
                raise RuntimeError("the raw port has closed")
            n -= got

    def into(self, n):
        self._ask("i", n)
        piece = bytes(1 << 20)
        for at in range(0, n, len(piece)):
            self.socket.sendall(piece[:n - at])
        if len(self.socket.recv(1)) != 1:
            raise RuntimeError("the raw port has closed")


class GuestVm:
    """Used with `with`, inside the daemon's: gives the daemon the wrapper for qemu before it starts."""

    def __init__(self, banger, folder):
        self.banger, self.folder = banger, folder
        self.port = vms.free_port()
        self.raw_path = os.path.join(folder, "raw.sock")
        self.ssh = self.raw = self.starter = None
        bin_folder = os.path.join(folder, "bin")
        os.makedirs(bin_folder)
        name = "qemu-system-x86_64"
        wrapper = os.path.join(bin_folder, name)
        with open(wrapper, "w", encoding="ascii") as f:
            f.write(WRAPPER.format(port=self.port, raw=shlex.quote(self.raw_path), qemu=shlex.quote(shutil.which(name))))
        os.chmod(wrapper, 0o755)
        banger.env["PATH"] = bin_folder + os.pathsep + os.environ["PATH"]

    def __enter__(self):
        vms.boot(self.banger, "box", "--image", vms.IMAGE)
        try:
            self.pid = vms.pid(self.banger, "box")
            run(self.banger.command("vm", "cp", os.path.join(self.banger.build, "bench/raw_port"), "box:/root/raw_port"),
                env=self.banger.env)
            self.starter = Server("raw_port", self.exec("/root/raw_port"), env=self.banger.env)
            wait_until("the raw port's socket", lambda: listens(self.raw_path))
            self.raw = Raw(self.raw_path, self.pid)
            self.raw.echo(1)
            self.ssh = vms.Ssh(self.folder, self.port, self.exec())
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for end in (self.ssh and self.ssh.end, self.raw and self.raw.close, self.starter and self.starter.end):
            if end:
                end()
        vms.delete(self.banger, "box")

    def exec(self, *words):
        return self.banger.command("vm", "exec", "box", "--", *words)
