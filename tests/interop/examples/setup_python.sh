#!/bin/sh
# Copies examples/python, with its packages in a venv beside, and makes its stubs. Skips (77) where the
# packages cannot be had. The venv is kept while requirements.txt stays as it is.
#
#   setup_python.sh SOURCE_ROOT OUT
set -eu
root=$1 out=$2
python=/usr/bin/python3 # Debian's, to which python3-venv belongs
skip() {
    rm -rf "$out/venv"
    echo "skipped: $*"
    exit 77
}
mkdir -p "$out"
"$python" -c 'import ensurepip, venv' 2>/dev/null || skip "python3-venv is not installed"
cp "$root"/examples/python/run.py "$root"/examples/python/generate.sh "$out/"
if ! cmp -s "$root/examples/python/requirements.txt" "$out/venv/requirements.txt"; then
    rm -rf "$out/venv"
    "$python" -m venv "$out/venv"
    timeout 400 "$out/venv/bin/pip" install -q --only-binary :all: -r "$root/examples/python/requirements.txt" ||
        skip "Python packages cannot be had"
    cp "$root/examples/python/requirements.txt" "$out/venv/"
fi
"$out/generate.sh" "$out/venv/bin/python" "$root/proto"
