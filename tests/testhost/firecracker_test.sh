#!/bin/sh
# A test with a real Firecracker, and its jailer where that is beside it.
#
#   firecracker_test.sh PROGRAM firecracker [jailed]
if [ -z "${BANGER_FIRECRACKER:-}" ]; then
    echo "skipped: BANGER_FIRECRACKER names no Firecracker"
    exit 77
fi
BANGER_JAILER=$(dirname "$BANGER_FIRECRACKER")/jailer
if [ -x "$BANGER_JAILER" ]; then
    export BANGER_JAILER
elif [ "${3:-}" = jailed ]; then
    echo "skipped: there is no jailer beside $BANGER_FIRECRACKER"
    exit 77
else
    unset BANGER_JAILER
fi
if [ "${3:-}" = jailed ]; then # which links the kernel to where the test has its VMs
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cp -R "$BANGER_TEST_ASSETS/kernels" "$folder"
    sed "s|$BANGER_TEST_ASSETS/|$folder/|g" "$BANGER_TEST_ASSETS/assets.json" >"$folder/assets.json"
    BANGER_TEST_ASSETS=$folder
fi
echo "with $("$BANGER_FIRECRACKER" --version | head -n 1)"
"$@"
