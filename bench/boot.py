"""From create to an agent that answers, against qemu started by hand with the same flags.

A guest under emulation takes seconds, and no two take the same: so what ours adds to them is shown by itself too, which
is the time before its qemu began, and the daemon's processor time."""

import os
import shutil
import time

import vms
from lib import median, ratio, summary, table, title

SHARE, MORE_S = 1.05, 0.030 # of the aim


def began(pid):
    """When a process began, on CLOCK_BOOTTIME; right within a hundredth of a second."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return int(f.read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")


def create(banger, name, daemon):
    """Seconds: of all, until its qemu began, of the daemon's work."""
    begun, cpu = time.clock_gettime(time.CLOCK_BOOTTIME), daemon.cpu_seconds()
    vms.boot(banger, name, "--image", vms.IMAGE)
    took, cpu = time.clock_gettime(time.CLOCK_BOOTTIME) - begun, daemon.cpu_seconds() - cpu
    return took, began(vms.pid(banger, name)) - begun, cpu


def by_hand(banger, pattern, image, folder):
    with vms.Bare(banger, pattern, image, folder) as bare:
        seconds = bare.seconds
    shutil.rmtree(folder)
    return seconds


def bench(banger, peers, folder, quick):
    del peers
    rounds = 1 if quick else 13
    title(f"Create to agent ready, {rounds} boots each, interleaved")
    kept = vms.kept(banger)
    ours, before, cpus, theirs = [], [], [], []
    with kept.daemon(*vms.SLIRP) as daemon:
        vms.prepare(kept)
        image, bare = vms.image_path(kept), os.path.join(folder, "bare")
        for i in range(-1, rounds):
            took, until_qemu, cpu = create(kept, "boot", daemon)
            try:
                pattern = vms.command_line(kept, "boot")
            finally:
                vms.delete(kept, "boot")
            seconds = by_hand(kept, pattern, image, bare)
            if i >= 0: # the first of each reads the files from disk
                ours.append(took)
                before.append(until_qemu)
                cpus.append(cpu)
                theirs.append(seconds)
    table(["", "median", "min", "max", "to bare qemu"],
          [[name, f"{median(t):.3f} s", f"{min(t):.3f} s", f"{max(t):.3f} s", ratio(median(t), median(theirs))]
           for name, t in (("banger vm run -d", ours), ("of that before its qemu began", before),
                           ("the daemon's processor time", cpus), ("bare qemu", theirs))])
    more = median(ours) - median(theirs)
    summary("boot: create to agent ready, s", f"{median(ours):.3f}", f"{median(theirs):.3f} (bare qemu)",
            f"{ratio(median(ours), median(theirs))}, {more * 1000:+.0f} ms", "1.05x, +30 ms",
            more <= MORE_S and median(ours) <= SHARE * median(theirs))
