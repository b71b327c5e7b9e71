"""What the helper takes for a guest's tap and rules, beside so many others, in a network namespace of its own.

Asked by itself, by packets: no daemon, no VM. Nothing to compare with: the cost is to stay flat."""

import os
import socket
import subprocess
import time

from lib import median, say, table, title

MAKE, FIND, REMOVE, LIST = 2, 3, 4, 5  # banger.priv.v1.Operation
TAP, RULES = 1, 2  # Kind
EGRESS_ALL = 1
POOL = (10 << 24) + (213 << 16)
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
WAIT_S = 30


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def request(operation, kind, i):
    """Of the VM with that number."""
    state = b"5ca1e000"
    vm = "".join(DIGITS[i >> 5 * k & 31] for k in range(15, -1, -1)).encode()
    return (b"\x08" + varint(operation) + b"\x10" + varint(kind) + b"\x1a" + varint(len(state)) + state +
            b"\x22" + varint(len(vm)) + vm + b"\x28" + varint(POOL + 4 * i + 2) + b"\x30" + varint(EGRESS_ALL))


class Helper:
    def __init__(self, build):
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = os.path.join(build, "daemon/priv/banger-priv")
        # Descriptor 3 is what it is given; the namespace is gone with it.
        argv = ["unshare", "--net", "sh", "-c", 'exec "$0" 3<&0 </dev/null', program]
        self.process = subprocess.Popen(argv, stdin=its)
        its.close()
        ours.settimeout(WAIT_S)
        self.socket = ours

    def cpu(self):
        """Milliseconds that it has worked."""
        with open(f"/proc/{self.process.pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e6

    def ask(self, operation, kind, i):
        """Milliseconds, of the clock and of its work."""
        begun, cpu = time.monotonic(), self.cpu()
        self.socket.send(request(operation, kind, i))
        reply = self.socket.recv(65536)
        while reply and reply[-2:] != b"\x30\x01":
            reply = self.socket.recv(65536)
        if not reply or reply[:1] == b"\x08":
            raise RuntimeError(f"banger-priv: {reply!r}")
        return (time.monotonic() - begun) * 1000, self.cpu() - cpu

    def end(self):
        self.socket.close()
        self.process.wait(WAIT_S)


def bench(banger, _peers, _folder, quick):
    title("priv: a guest's tap and rules beside others'")
    if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
        say("  left out: it needs root and /dev/net/tun")
        return
    counts, times = ([1, 100], 5) if quick else ([1, 1000], 25)
    rows, made = [], 0
    helper = Helper(banger.build)
    try:
        for count in counts:
            for i in range(made, count):
                helper.ask(MAKE, TAP, i)
                helper.ask(MAKE, RULES, i)
            made = count
            for name, kind in (("tap", TAP), ("rules", RULES)):
                took = {operation: [] for operation in (MAKE, FIND, REMOVE)}
                for t in range(times):
                    for operation, found in took.items():
                        found.append(helper.ask(operation, kind, made + t))
                cells = [f"{median(wall for wall, _ in w):.2f} ({median(cpu for _, cpu in w):.2f})"
                         for w in took.values()]
                rows.append([name, count] + cells + ["{:.1f} ({:.1f})".format(*helper.ask(LIST, kind, 0))])
    finally:
        helper.end()
    table(["of a guest", "beside", "make ms (CPU)", "find ms (CPU)", "remove ms (CPU)", "list all ms (CPU)"], rows)
