"""Builds the peers, once for each version of their sources."""

import hashlib
import os
import re

from lib import ROOT, run, say


class Peers:
    def __init__(self, build):
        self.folder = os.path.join(build, "bench/peers")
        self.go = self._make("go", ["main.go", "go.mod", "go.sum", "build.sh"], "grpc-go-echo")
        self.cpp = self._make("cpp", ["echo_server.cc", "build.sh"], "grpc-cpp-echo")

    def _make(self, name, sources, program):
        source = os.path.join(ROOT, "bench/peers", name)
        protos = os.path.join(ROOT, "tests/support")
        digest = hashlib.sha256()
        for path in [os.path.join(source, s) for s in sources] + [os.path.join(protos, "echo.proto")]:
            with open(path, "rb") as f:
                digest.update(f.read())
        path = os.path.join(self.folder, f"{program}-{digest.hexdigest()[:12]}")
        if not os.path.exists(path):
            say(f"building {program}")
            os.makedirs(self.folder, exist_ok=True)
            run([os.path.join(source, "build.sh"), source, protos, os.path.join(self.folder, name), path], timeout=900)
        return path

    def versions(self):
        with open(os.path.join(ROOT, "bench/peers/go/go.mod"), encoding="ascii") as f:
            go = re.search(r"google.golang.org/grpc (v\S+)", f.read()).group(1)
        cpp = run(["pkg-config", "--modversion", "grpc++"]).decode().strip()
        compiler = run(["go", "env", "GOVERSION"]).decode().strip()
        return f"grpc-go {go} ({compiler}), grpc++ {cpp}"
