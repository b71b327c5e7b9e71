#!/bin/sh
# Runs a test in the test host alone.
if [ -z "${BANGER_TEST_HOST:-}" ]; then
    echo "skipped: it runs in the test host alone (./dev test-host)"
    exit 77
fi
exec "$@"
