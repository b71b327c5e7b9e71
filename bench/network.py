"""What a guest's network carries, out of it and into it: a tap, passt and slirp, by turns.

In two network namespaces of their own: one with the daemon and its VMs, and the world behind it, where a program takes
and gives bytes (this file, run by itself). In the guest bash has the connection, and dd the bytes."""

import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

import vms  # noqa: E402
from lib import Server, median, ratio, run, table, title  # noqa: E402

HOST, WORLD, PORT = "192.0.2.1", "192.0.2.2", 4711
MIB = 1 << 20
NAMES = ("tap", "passt", "slirp") # of VMs and what leads out of them


def answer(conn):
    """Takes all that comes behind a first byte of 0, or gives as many MiB as that says."""
    with conn:
        first = conn.recv(1)
        if first and first != b"\0":
            piece = bytes(MIB)
            for _ in range(first[0]):
                conn.sendall(piece)
            return
        while conn.recv(MIB):
            pass


def serve():
    listener = socket.create_server((WORLD, PORT))
    print("ready", PORT, flush=True)
    while True:
        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()


def script(way, mib):
    dial = f"exec 3<>/dev/tcp/{WORLD}/{PORT} && "
    if way == "out":
        return dial + f"printf '\\0' >&3 && dd if=/dev/zero bs=1M count={mib} status=none >&3"
    return dial + f"printf '\\x{mib:02x}' >&3 && [ $(cat <&3 | wc -c) = {mib * MIB} ]"


class Namespaces:
    """Processes that stay in them, by which they are called."""

    def __init__(self):
        self.left = []
        self.host = self.hold("ip link set lo up && ip link add world type veth peer name inner && "
                              f"ip addr add {HOST}/24 dev world && ip link set world up && "
                              f"ip route add default via {WORLD}")
        self.world = self.hold("ip link set lo up")
        self.inside(self.host, "ip", "link", "set", "inner", "netns", str(self.world))
        self.inside(self.world, "ip", "addr", "add", f"{WORLD}/24", "dev", "inner")
        self.inside(self.world, "ip", "link", "set", "inner", "up")
        self.left.append(Server("the world", [*self.enter(self.world), sys.executable, os.path.abspath(__file__)],
                                says_ready=True))

    def hold(self, words):
        script = words + " && echo ready && exec sleep 3600"
        self.left.append(Server("a namespace", ["unshare", "--net", "--", "sh", "-c", script], says_ready=True))
        return self.left[-1].pid

    @staticmethod
    def enter(pid):
        return "nsenter", f"--net=/proc/{pid}/ns/net", "--"

    def inside(self, pid, *words):
        run([*self.enter(pid), *words])

    def end(self):
        for process in reversed(self.left):
            process.end()


def boot(banger, spaces):
    """The three VMs; each keeps the network that it was started with, whatever the daemon has later."""
    inside = spaces.enter(spaces.host)
    with banger.daemon("--user-network", "slirp", before=inside):
        vms.boot(banger, "slirp", "--image", vms.IMAGE, "--net", "user")
    server = banger.daemon("--user-network", "passt", before=inside)
    try:
        for name, mode in (("passt", "user"), ("tap", "tap")):
            vms.boot(banger, name, "--image", vms.IMAGE, "--net", mode)
    except BaseException:
        server.end()
        raise
    return server


def measure(banger, name, way, mib):
    begun = time.monotonic()
    banger.call("vm", "exec", name, "--", "bash", "-c", script(way, mib), timeout=600)
    return mib * MIB / 1e6 / (time.monotonic() - begun)


def bench(banger, peers, folder, quick):
    del peers, folder
    rounds, mib = (1, 8) if quick else (5, 64)
    title(f"A guest's network, {mib} MiB at a time, {rounds} rounds, interleaved; MB/s")
    kept = vms.kept(banger)
    with kept.daemon():
        vms.prepare(kept)
    spaces = Namespaces()
    found = {(name, way): [] for way in ("out", "in") for name in NAMES}
    try:
        with boot(kept, spaces):
            for i in range(-1, rounds): # the first warms up
                for way in ("out", "in"):
                    for name in NAMES[i % 3:] + NAMES[:i % 3]:
                        mbs = measure(kept, name, way, mib)
                        if i >= 0:
                            found[name, way].append(mbs)
            for name in NAMES:
                vms.delete(kept, name)
    finally:
        spaces.end()
    table(["network", "median", "min", "max", "to slirp"],
          [[f"{name}, {way}", f"{median(got):.0f}", f"{min(got):.0f}", f"{max(got):.0f}",
            ratio(median(got), median(found["slirp", way]))] for (name, way), got in found.items()])


if __name__ == "__main__":
    serve()
