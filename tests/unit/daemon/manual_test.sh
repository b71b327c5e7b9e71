#!/usr/bin/env bash
# The generated manual pages, through groff with all its warnings.
#
#   manual_test.sh BANGERD
set -euo pipefail
daemon=$1
command -v groff >/dev/null || {
    echo "skipped: no groff"
    exit 77
}
failed=0
for section in 5 8; do
    page=$("$daemon" --print-manual=$section)
    # The page has no date, so that two builds of one version are alike.
    warnings=$(groff -man -Tascii -ww -rCHECKSTYLE=3 -z <<<"$page" 2>&1 |
        grep -v 'missing third argument') || true
    [ -z "$warnings" ] || {
        printf 'FAIL section %s: %s\n' "$section" "$warnings"
        failed=1
    }
    shown=$(groff -man -Tascii -P-cbou <<<"$page")
    for word in NAME SYNOPSIS DESCRIPTION 'Needs a restart.' max_connections 'SEE ALSO'; do
        grep -qF -- "$word" <<<"${shown//max-connections/max_connections}" || {
            echo "FAIL section $section does not show \"$word\""
            failed=1
        }
    done
done
exit $failed
