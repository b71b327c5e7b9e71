#!/bin/sh
# grpclib, for PYTHONPATH, beside the packages of examples/python. Skips (77) where it cannot be had; it is
# kept while requirements.txt stays as it is.
#
#   setup.sh SOURCE_ROOT VENV OUT
set -eu
requirements=$1/tests/interop/python/requirements.txt venv=$2 out=$3
skip() {
    rm -rf "$out"
    echo "skipped: $*"
    exit 77
}
[ -x "$venv/bin/pip" ] || skip "no Python packages; see the test example_python_setup"
! cmp -s "$requirements" "$out/requirements.txt" || exit 0
rm -rf "$out"
timeout 400 "$venv/bin/python" -m pip install -q --only-binary :all: --no-deps --target "$out" -r "$requirements" ||
    skip "Python packages cannot be had"
cp "$requirements" "$out/"
