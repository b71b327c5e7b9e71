"""From create to an agent that answers, against qemu started by hand with the same flags."""

import os
import shutil
import time

import vms
from lib import median, ratio, table, title


def create(banger, name):
    begun = time.monotonic()
    vms.boot(banger, name, "--image", vms.IMAGE)
    return time.monotonic() - begun


def bench(banger, peers, folder, quick):
    rounds = 1 if quick else 7
    title(f"Create to agent ready, {rounds} boots each, interleaved")
    kept = vms.kept(banger)
    ours, theirs = [], []
    with kept.daemon(*vms.SLIRP):
        vms.prepare(kept)
        image = vms.image_path(kept)
        for i in range(-1, rounds):
            took = create(kept, "boot")
            try:
                pattern = vms.command_line(kept, "boot")
            finally:
                vms.delete(kept, "boot")
            with vms.Bare(kept, pattern, image, os.path.join(folder, "bare")) as bare:
                seconds = bare.seconds
            shutil.rmtree(bare.folder)
            if i >= 0: # the first of each reads the files from disk
                ours.append(took)
                theirs.append(seconds)
    table(["", "median", "min", "max", "to bare qemu"],
          [[name, f"{median(t):.3f} s", f"{min(t):.3f} s", f"{max(t):.3f} s", ratio(median(t), median(theirs))]
           for name, t in (("banger vm run -d", ours), ("bare qemu", theirs))])
