#!/usr/bin/env python3
"""A tree with all that trees have, and what one is, in a line for each name.

tree_make.py make FOLDER COUNT   so many files, in folders of a thousand, the same each time
tree_make.py tell FOLDER         type, mode, size, holes, links, time, attributes, digest of each name
"""
import hashlib, os, stat, sys

ODD = [b"-rf", b"a  b", b"tab\there", b"line\nbreak", b"\xff\xfe", b"'quote\"", b"*", b".hidden", b"n" * 255, b"caf\xc3\xa9"]


def make(top, count):
    folder, first = top, None
    for i in range(count):
        if i % 1000 == 0:
            folder = os.path.join(top, b"%03d" % (i // 1000) + (b"/deep" * (i // 1000 % 3)))
            os.makedirs(folder)
        name = b"%05d" % i
        if i % 50 == 7:
            name += ODD[i // 50 % len(ODD)][: 255 - len(name)]
        path = os.path.join(folder, name)
        if i % 40 == 11 and first:
            os.link(first, path)
            continue
        if i % 40 == 13:
            os.symlink(b"../%05d" % (i - 1), path)
            continue
        with open(path, "wb") as f:
            f.write(hashlib.sha256(b"%d" % i).digest() * (i % 97))
            if i % 200 == 3:  # holes within and at the end
                f.seek(1 << 20, 1)
                f.write(b"x" * 5000)
                f.truncate(f.tell() + (3 << 20))
        if i % 25 == 4:
            os.setxattr(path, b"user.origin", b"%d\0\xff" % i)
        if i % 30 == 5:
            os.chmod(path, [0o400, 0o4755, 0o777, 0o600][i // 30 % 4])
        os.utime(path, ns=(10**18 + i, 10**18 + i * 1000003))
        first = path if i % 40 == 10 else first
    for at, folders, _ in os.walk(top, topdown=False):
        os.chmod(at, 0o755)
        os.utime(at, ns=(10**18, 10**18 + len(at)))


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            h.update(block)
    return h.hexdigest()


def tell(top):
    names, first = {}, {}
    for at, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(at, name)
            names[os.path.relpath(path, top)] = path
    for name in sorted(names):
        path, st = names[name], os.lstat(names[name])
        what = [repr(name), oct(st.st_mode), str(st.st_mtime_ns)]
        if stat.S_ISREG(st.st_mode):
            same = first.setdefault((st.st_dev, st.st_ino), name)
            holes = st.st_blocks * 512 < st.st_size // 2 and st.st_size > 1 << 20
            what += [str(st.st_size), str(st.st_nlink), repr(same), "holes" if holes else "-"]
            what += ["%r=%r" % (a, os.getxattr(path, a)) for a in sorted(os.listxattr(path))]
            what.append(digest(path) if same == name else "-")
        elif stat.S_ISLNK(st.st_mode):
            what.append(repr(os.readlink(path)))
        print(" ".join(what))


if sys.argv[1] == "make":
    make(os.fsencode(sys.argv[2]), int(sys.argv[3]))
else:
    tell(os.fsencode(sys.argv[2]))
