"""From create to an agent that answers, against qemu started by hand with the same flags.

A guest under emulation takes seconds, and no two take the same: so what ours adds to them is shown by itself too, which
is the time before its qemu began, and the daemon's processor time.

Who comes first changes with each round: what one has ended just now is memory that the next one gets. And both begin
with their programs in memory: a machine may take away what lies idle for seconds, and give it back page by page."""

import os
import shutil
import time

import vms
from lib import median, ratio, run, summary, table, title

SHARE, MORE_S = 1.05, 0.030 # of the aim


def began(pid):
    """When a process began, on CLOCK_BOOTTIME; right within a hundredth of a second."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
        return int(f.read().rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")


def warm(banger, qemu):
    banger.call("vm", "list")
    run([qemu, "--version"])


def create(banger, daemon):
    """Seconds: of all, until its qemu began, of the daemon's work; and the command line."""
    begun, cpu = time.clock_gettime(time.CLOCK_BOOTTIME), daemon.cpu_seconds()
    vms.boot(banger, "boot", "--image", vms.IMAGE)
    took, cpu = time.clock_gettime(time.CLOCK_BOOTTIME) - begun, daemon.cpu_seconds() - cpu
    try:
        return took, began(vms.pid(banger, "boot")) - begun, cpu, vms.command_line(banger, "boot")
    finally:
        vms.delete(banger, "boot")


def by_hand(banger, pattern, image, folder):
    with vms.Bare(banger, pattern, image, folder) as bare:
        seconds = bare.seconds
    shutil.rmtree(folder)
    return seconds


def bench(banger, peers, folder, quick):
    del peers
    rounds = 1 if quick else 13
    title(f"Create to agent ready, {rounds} boots each, by turns")
    kept = vms.kept(banger)
    ours, before, cpus, theirs = [], [], [], []

    def one_of_ours(daemon, pattern):
        warm(kept, pattern[0])
        for figures, figure in zip((ours, before, cpus), create(kept, daemon)):
            figures.append(figure)

    with kept.daemon(*vms.SLIRP) as daemon:
        vms.prepare(kept)
        image, bare = vms.image_path(kept), os.path.join(folder, "bare")
        pattern = create(kept, daemon)[-1] # the first of each reads the files from disk
        by_hand(kept, pattern, image, bare)
        for i in range(rounds):
            if i % 2 == 0:
                one_of_ours(daemon, pattern)
            warm(kept, pattern[0])
            theirs.append(by_hand(kept, pattern, image, bare))
            if i % 2 == 1:
                one_of_ours(daemon, pattern)
    table(["", "median", "min", "max", "to bare qemu"],
          [[name, f"{median(t):.3f} s", f"{min(t):.3f} s", f"{max(t):.3f} s", ratio(median(t), median(theirs))]
           for name, t in (("banger vm run -d", ours), ("of that before its qemu began", before),
                           ("the daemon's processor time", cpus), ("bare qemu", theirs))])
    more = median(ours) - median(theirs)
    summary("boot: create to agent ready, s", f"{median(ours):.3f}", f"{median(theirs):.3f} (bare qemu)",
            f"{ratio(median(ours), median(theirs))}, {more * 1000:+.0f} ms", "1.05x, +30 ms",
            more <= MORE_S and median(ours) <= SHARE * median(theirs))
