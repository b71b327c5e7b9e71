#!/bin/sh
# The suite of every driver with a real Firecracker.
#
#   firecracker_test.sh VMM_CONFORMANCE
if [ -z "${BANGER_FIRECRACKER:-}" ]; then
    echo "skipped: BANGER_FIRECRACKER names no Firecracker"
    exit 77
fi
echo "with $("$BANGER_FIRECRACKER" --version | head -n 1)"
exec "$1" firecracker
