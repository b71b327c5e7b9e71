#!/usr/bin/env bash
# Everything as it is installed: the files are those of installed.txt and know nothing of the build;
# manual pages, completions and units are taken by who reads them; and another user, who has nothing
# but that, runs a VM with it.
#
#   install_test.sh check|add BUILD LIST VERSION LIBDIR sim|qemu SANITIZE CC FLAG...
#
# "add" adds to LIST what is new. With qemu only the last part. SANITIZE: ON where the build has
# sanitizers, whose reports have the names of sources in them.
set -euo pipefail
what=$1 build=$2 list=$3 version=$4 libdir=$5 engine=$6 sanitize=$7 cc=$8
shift 8
if [ "$engine" = qemu ] && [ -z "${BANGER_TEST_ASSETS:-}" ]; then
    echo "skipped: no kernel and image: BANGER_TEST_ASSETS names no folder of test_assets"
    exit 77
fi
source=$(cd "$(dirname "$0")/../.." && pwd)
top=$(mktemp -d /tmp/binst.XXXXXX)
chmod 755 "$top"
mkdir "$top/home"
usr=$top/usr failed=0
user=()
if [ "$(id -u)" = 0 ]; then
    user=(setpriv --reuid=64321 --regid=64321 --clear-groups)
    chown 64321:64321 "$top/home"
fi

fail() {
    echo "FAIL $*"
    failed=$((failed + 1))
}

# Told, as a part of it that is not tested is none of it skipped.
lacks() {
    command -v "$1" >/dev/null && return 1
    echo "not tested: $1 is not installed"
}

# as_user COMMAND...: with nothing of ours but the installation.
as_user() {
    "${user[@]}" env -i HOME="$top/home" PATH="$usr/bin:/usr/bin:/bin" BANGER_DRIVER="$engine" "$@"
}

# shellcheck disable=SC2317 # by trap
finish() {
    as_user timeout 60 banger vm list -q 2>/dev/null | as_user xargs -r timeout 60 banger vm kill >/dev/null 2>&1 || true
    as_user timeout 60 banger daemon stop >/dev/null 2>&1 || true
    rm -rf "$top"
}
trap finish EXIT

# Where it is not run from, as for a package; and moved from there.
(umask 022 && DESTDIR=$top cmake --install "$build" --prefix /usr >/dev/null)

# ---- The files, with their modes ----

check_files() {
    find "$usr" -type l -printf 'link %P -> %l\n' -o -type f -printf '%m %P\n' |
        sed "s#$version#VERSION#g; s# $libdir/# LIBDIR/#" | LC_ALL=C sort >"$top/now"
    grep -v '^#' "$list" | LC_ALL=C sort >"$top/before" || true
    LC_ALL=C comm -23 "$top/before" "$top/now" >"$top/gone"
    LC_ALL=C comm -13 "$top/before" "$top/now" >"$top/new"
    if [ "$what" = add ]; then
        { grep '^#' "$list"; LC_ALL=C sort -u "$top/before" "$top/new"; } >"$top/list"
        cat "$top/list" >"$list"
    else
        [ ! -s "$top/new" ] || fail "new, and not in $list (\"$0 add ...\" adds it): $(cat "$top/new")"
    fi
    [ ! -s "$top/gone" ] || fail "in $list, and not installed: $(cat "$top/gone")"
}

# Neither texts nor programs have a path of the build's; debug information is another matter.
check_paths() {
    local file stripped=$top/stripped
    while read -r file; do
        if [ "$(head -c 4 "$file" | tail -c 3)" = ELF ]; then
            objdump -p "$file" | grep -E 'R(UN)?PATH' && fail "$file has a run path"
            [ "$sanitize" = OFF ] || continue
            objcopy --strip-debug "$file" "$stripped"
            strings -a "$stripped" | grep -F -e "$source" -e "$build" && fail "$file names the build's folders"
        else
            grep -HnF -e "$source" -e "$build" -e "$top" "$file" && fail "$file names the build's folders"
        fi
    done < <(find "$usr" -type f)
    rm -f "$stripped"
}

# Links of documents to each other.
check_links() {
    local file link
    while read -r file; do
        while read -r link; do
            [ -e "$(dirname "$file")/${link%%#*}" ] || fail "$file: broken link to $link"
        done < <(grep -oP '\]\(\K[^) #]+' "$file" | grep -vE '^[a-z]+:' || true)
    done < <(find "$usr/share/doc" -name '*.md')
}

# ---- Who reads them ----

check_manual() {
    lacks man && return
    local page said
    for page in "$usr"/share/man/man*/*; do
        said=$(MANWIDTH=80 MAN_KEEP_FORMATTING=1 LC_ALL=C.UTF-8 man --warnings -l "$page" 2>&1 >"$top/shown") ||
            fail "man $page"
        [ -z "$said" ] || fail "man $page: $said"
        # Macros that end it have nothing to say otherwise.
        [ "$(wc -l <"$top/shown")" -gt 10 ] || fail "man $page shows $(cat "$top/shown")"
        lexgrog "$page" >/dev/null || fail "$page has no NAME that whatis finds"
    done
    [ -e "$usr/share/man/man1/banger-vm.1" ] || fail "no banger-vm(1)"
}

check_completions() {
    local shell said word
    cp -R "$source/tests/compat/complete" "$top" && chmod -R a+rX "$top/complete"
    for shell in bash zsh fish; do
        lacks $shell && continue
        said=$(as_user env XDG_DATA_DIRS="$usr/share" timeout 60 $shell "$top/complete/$shell" "$usr" 2>&1) ||
            fail "completion by $shell: $said"
        for word in session start stats; do
            grep -qw -- "$word" <<<"$said" || fail "$shell does not complete \"$word\": $said"
        done
        ! grep -qiE 'error|not found|parse' <<<"$said" || fail "completion by $shell: $said"
    done
}

check_units() {
    lacks systemd-analyze && return
    local unit said
    for unit in "$usr"/lib/systemd/*/bangerd.service; do
        grep -q '^ExecStart=/usr/sbin/bangerd$' "$unit" || fail "$unit: $(grep Exec "$unit")"
        # It looks at the program, too.
        sed "s#=/usr/sbin#=$usr/sbin#" "$unit" >"$top/bangerd.service"
        cp "${unit%.service}.socket" "$top/bangerd.socket"
        said=$(systemd-analyze verify --man=no "$top/bangerd.service" "$top/bangerd.socket" 2>&1) || fail "$unit: $said"
        [ -z "$said" ] || fail "$unit: $said"
    done
    unit=$usr/lib/systemd/system/banger-priv.service
    cp "$usr/lib/systemd/system/banger-priv.socket" "$top"
    sed "s#=/usr/libexec#=$usr/libexec#" "$unit" >"$top/banger-priv.service"
    said=$(systemd-analyze verify --man=no "$top/banger-priv.service" "$top/banger-priv.socket" 2>&1) ||
        fail "$unit: $said"
    [ -z "$said" ] || fail "$unit: $said"
}

# ---- Another user ----

# said COMMAND...: what it prints, errors and all.
said() {
    as_user timeout 300 "$@" 2>&1 || true
}

check_user() {
    local got code=0 pid
    if [ "$engine" = qemu ]; then
        import_assets
    fi
    got=$(echo hi | as_user timeout 300 banger vm run --rm -- tr a-z A-Z 2>"$top/said") || fail "vm run: $(cat "$top/said")"
    [ "$got" = HI ] || fail "vm run says \"$got\": $(cat "$top/said")"
    as_user timeout 300 banger vm run --rm -- sh -c 'exit 42' 2>"$top/said" || code=$?
    [ $code = 42 ] || fail "exit 42 is $code: $(cat "$top/said")"
    pid=$(sed -n 's/^pid //p' "$top/home/.local/state/banger/lock")
    [ "$(readlink "/proc/$pid/exe")" = "$usr/sbin/bangerd" ] || fail "the daemon is $(readlink "/proc/$pid/exe")"
    [ "$(awk '/^Uid:/ { print $2 }' "/proc/$pid/status")" = "$(as_user id -u)" ] || fail "the daemon is another user's"
    as_user banger daemon stop >/dev/null || fail "daemon stop"
}

# A kernel and an image that the user may read.
import_assets() {
    local kernel image
    kernel=$(sed -n 's/.*"vmlinux": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
    image=$(sed -n 's/.*"path": "\(.*\)".*/\1/p' "$BANGER_TEST_ASSETS/assets.json")
    mkdir "$top/assets"
    cp -R "$(dirname "$kernel")/." "$top/assets"
    cp --sparse=always --reflink=auto "$image" "$top/assets/root.raw"
    chmod -R a+rX "$top/assets"
    as_user timeout 300 banger kernel import --modules "$top/assets/modules" "$top/assets/vmlinux" >/dev/null || fail "kernel import"
    as_user timeout 300 banger image import --name debian-bookworm "$top/assets/root.raw" >/dev/null || fail "image import"
    rm -rf "$top/assets"
}

# A program that lies elsewhere starts the daemon that was installed with its library.
check_program() {
    mkdir "$top/elsewhere"
    cat >"$top/elsewhere/main.c" <<END
#include <banger/local.h>
#include <stdio.h>

int main(void)
{
    struct banger_error error;
    struct banger_client *client = banger_connect_local(NULL, &error);
    puts(client ? banger_local_version(client) : error.message);
    banger_close(client);
    return client ? 0 : 1;
}
END
    export PKG_CONFIG_PATH=$usr/$libdir/pkgconfig
    # shellcheck disable=SC2046 # words
    "$cc" "$@" $(pkg-config --cflags libbanger) "$top/elsewhere/main.c" -o "$top/elsewhere/main" $(pkg-config --libs libbanger) ||
        fail "a program does not build"
    local got
    got=$(said env LD_LIBRARY_PATH="$usr/$libdir" "$top/elsewhere/main")
    [ "banger $got" = "$(as_user banger version)" ] || fail "a program elsewhere: $got"
    as_user banger daemon stop >/dev/null || fail "daemon stop"
}

# Without its agent it says where that would be.
check_no_agent() {
    mv "$usr/libexec" "$usr/away"
    got=$(said banger vm list)
    grep -q 'no banger-agent: looked in .*/usr/sbin for ../libexec/banger/banger-agent' <<<"$got" ||
        fail "no agent: $got"
    mv "$usr/away" "$usr/libexec"
}

if [ "$engine" = sim ]; then
    check_files
    check_paths
    check_links
    check_manual
    check_completions
    check_units
fi
check_user
if [ "$engine" = sim ]; then
    check_program "$@"
    check_no_agent
fi
[ $failed = 0 ] && echo ok
exit $((failed > 0))
