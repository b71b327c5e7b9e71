#!/bin/sh
# Builds grpc-java's client: OUT/classes and OUT/lib. Skips (77) where there is no Java that is new enough or
# no Maven, or what they need cannot be had. Nothing is done where nothing has changed.
#
#   setup.sh SOURCE_ROOT OUT
set -eu
root=$1 out=$2
skip() {
    rm -rf "$out"
    echo "skipped: $*"
    exit 77
}
command -v mvn >/dev/null || skip "no mvn command"
javac=$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
[ "${javac:-0}" -ge 17 ] || skip "a JDK of version 17 or later is needed"
cd "$root/tests/interop/java"
# Of everything that Maven reads.
now=$(cat pom.xml src/main/java/interop/*.java ../grpc/proto/*.proto ../../../proto/banger/v1/*.proto | sha256sum)
if [ "$(cat "$out/made" 2>/dev/null)" = "$now" ]; then
    exit 0
fi
rm -rf "$out"
mkdir -p "$out"
code=0
timeout 800 mvn -B -ntp -q process-classes -Dout="$out" >"$out/log" 2>&1 || code=$?
cat "$out/log"
case $code in
0) echo "$now" >"$out/made" ;;
124) skip "Maven was not done within 800 s" ;;
*)
    # Not our sources' fault.
    ! grep -qE 'Could not (resolve|transfer)|Failure to find|could not be resolved' "$out/log" ||
        skip "packages of Maven cannot be had"
    exit 1
    ;;
esac
