#!/bin/sh
# Installs libbanger, moves it, and builds an example with what is there and nothing else: by
# pkg-config, in strict C99 and in C++, and by find_package.
#   libbanger_install_test.sh BUILD_FOLDER EXAMPLE INCLUDE CC FLAG...
set -eu
build=$1 example=$2 include=$3 cc=$4
shift 4
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() {
    echo "$*" >&2
    exit 1
}

cmake --install "$build" --component libbanger --prefix "$dir/first" >/dev/null
mv "$dir/first" "$dir/usr"
pc=$(find "$dir/usr" -name libbanger.pc)
lib=${pc%/pkgconfig/*}
for file in libbanger.so libbanger.so.0 cmake/banger/bangerConfig.cmake cmake/banger/bangerConfigVersion.cmake; do
    [ -e "$lib/$file" ] || fail "no $file in $lib"
done
[ "$(objdump -p "$lib/libbanger.so" | awk '$1 == "SONAME" { print $2 }')" = libbanger.so.0 ] || fail "another soname"
! objdump -p "$lib/libbanger.so" | grep -qE 'R(UN)?PATH' || fail "a run path of the build's"
for header in "$include"/banger/*.h; do
    [ -e "$dir/usr/include/libbanger/banger/${header##*/}" ] || fail "no banger/${header##*/}"
done

PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_PATH
cflags=$(pkg-config --cflags libbanger) libs=$(pkg-config --libs libbanger)
try() {
    code=0
    LD_LIBRARY_PATH=$lib "$@" unix:/nowhere/at.all box 2>"$dir/said" || code=$?
    [ $code = 1 ] || fail "$1 ends with $code"
    grep -q /nowhere/at.all "$dir/said" || fail "$1 says: $(cat "$dir/said")"
}
# shellcheck disable=SC2086 # words
"$cc" -std=c99 -pedantic -Wall -Wextra -Werror "$@" $cflags "$example" -o "$dir/by_pc" $libs
try "$dir/by_pc"
for header in "$dir"/usr/include/libbanger/banger/*.h; do
    # shellcheck disable=SC2086
    "$cc" -x c++ -std=c++11 -fsyntax-only -Wall -Wextra -Werror $cflags "$header" || fail "$header is no C++"
done

# A program does not start with the messages of another minor version, rather than misread them.
mkdir "$dir/later"
sed 's/BANGER_MESSAGES_[0-9]/BANGER_MESSAGES_9/g' "$lib/libbanger.so.0" >"$dir/later/libbanger.so.0"
! LD_LIBRARY_PATH=$dir/later "$dir/by_pc" unix:/nowhere/at.all box 2>"$dir/said" || fail "it starts"
grep -q "version .BANGER_MESSAGES_.*not found" "$dir/said" || fail "a later library: $(cat "$dir/said")"

mkdir "$dir/project"
cat >"$dir/project/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES C)
find_package(banger 0.1 REQUIRED)
add_executable(user "$example")
target_link_libraries(user PRIVATE banger::banger)
END
if ! { cmake -S "$dir/project" -B "$dir/project/build" -DCMAKE_PREFIX_PATH="$dir/usr" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="$*" && cmake --build "$dir/project/build"; } >"$dir/log" 2>&1; then
    cat "$dir/log" >&2
    fail "the CMake package does not work"
fi
try "$dir/project/build/user"
