"""VMs for the benchmarks: with banger, and bare ones with the same flags."""

import json
import os
import socket
import subprocess
import time

from lib import Banger, Server, run, say, wait_until

IMAGE = "bench-ssh"
BOOT_S = 180
# Of qemu's own: for rows that start the same command line by hand, or add to it.
SLIRP = ("--user-network", "slirp")


def kept(banger):
    """The build under test on a state folder that stays, as making its image takes minutes."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Banger(banger.build, os.path.join(cache, "banger-bench"))


def prepare(banger):
    """Makes the image with an sshd; removes VMs that an interrupted run has left."""
    for vm in json.loads(banger.call("vm", "list", "-o", "json")).get("vms", []):
        delete(banger, vm["id"])
    images = json.loads(banger.call("image", "list", "-o", "json")).get("images", [])
    if not any(image.get("name") == IMAGE for image in images):
        say(f"building image {IMAGE}")
        banger.call("image", "build", "--package", "openssh-server", IMAGE, timeout=1800)


def image_path(banger):
    return json.loads(banger.call("image", "show", IMAGE, "-o", "json"))["path"]


def boot(banger, name, *options):
    banger.call("vm", "run", "-d", "--name", name, *options, timeout=BOOT_S)


def delete(banger, name):
    banger.call("vm", "delete", "--force", name)


def pid(banger, name):
    return int(json.loads(banger.call("vm", "handles", name, "-o", "json"))["pid"])


def command_line(banger, name):
    with open(f"/proc/{pid(banger, name)}/cmdline", "rb") as f:
        return [word.decode() for word in f.read().split(b"\0")[:-1]]


class Bare:
    """qemu by hand: the command line of a VM of banger's, in a folder of its own."""

    def __init__(self, banger, pattern, image, folder, forward=""):
        os.makedirs(folder)
        self.banger, self.folder = banger, folder
        self.agent = os.path.join(folder, "agent.sock")
        disk = next(word for word in pattern if "system.qcow2" in word)
        vm_dir = os.path.dirname(disk.split("file.filename=")[1])
        self.argv = [word.replace(vm_dir, folder) for word in pattern]
        self.argv = [w.replace("user,id=net0", "user,id=net0" + forward) for w in self.argv]
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image, os.path.join(folder, "system.qcow2")])
        self.qemu = None

    def __enter__(self):
        """Starts it and waits until its agent has configured it, which is when banger calls a VM running."""
        begun = time.monotonic()
        self.qemu = Server("qemu", self.argv)
        try:
            run([self.banger.probe, self.agent, "configure", "bare", ""], timeout=BOOT_S)
        except BaseException:
            self.qemu.end()
            raise
        self.seconds = time.monotonic() - begun
        return self

    def __exit__(self, *_):
        self.qemu.process.kill()
        self.qemu.process.wait()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Ssh:
    """sshd in a VM, reached through qemu's port on 127.0.0.1 with a key made for it, over one
    connection that stays: its handshake is not measured."""

    def __init__(self, folder, port, start):
        """start: runs the words that it is given in the VM, as long as it runs itself."""
        key = os.path.join(folder, "key")
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
        with open(key + ".pub", encoding="ascii") as f:
            public = f.read().strip()
        script = ("umask 077; mkdir -p ~root/.ssh /run/sshd; echo '%s' >~root/.ssh/authorized_keys; "
                  "exec /usr/sbin/sshd -D -e -o PasswordAuthentication=no -o MaxSessions=64" % public)
        self.base = ["ssh", "-F", "none", "-i", key, "-p", str(port), "-o", "StrictHostKeyChecking=accept-new",
                     "-o", f"UserKnownHostsFile={folder}/known", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
                     "-o", "ConnectTimeout=20", "-o", f"ControlPath={folder}/mux", "root@127.0.0.1"]
        self.starter = Server("sshd's starter", [*start, "/bin/sh", "-c", script])
        self.master = None
        try:
            wait_until("sshd's banner", lambda: self._answers(port))
            self.master = Server("ssh", [self.base[0], "-M", "-N", *self.base[1:]], socket=f"{folder}/mux")
        except BaseException:
            self.end()
            raise

    @staticmethod
    def _answers(port):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
                return s.recv(4) == b"SSH-"
        except OSError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        if self.master:
            self.master.end()
        self.starter.end()

    def command(self, *words):
        return [*self.base, *words]

    def version(self):
        return subprocess.run(["ssh", "-V"], stderr=subprocess.PIPE, check=True).stderr.decode().strip()
