#!/usr/bin/env bash
# Every call on a name that the fuzzed parts of the agent make is one that the fuzz targets keep from
# the file system of this machine.
#   names_test.sh NM ARCHIVE GUARDED…
set -euo pipefail
nm=$1 archive=$2
shift 2
guarded=" $* "
# What the C library has that takes a name.
names=' access acct chdir chmod chown chroot creat euidaccess execl execle execlp execv execve execveat
 execvp execvpe faccessat fchmodat fchownat fopen fopen64 freopen fstatat fstatat64 ftw futimesat getxattr glob
 lchmod lchown lgetxattr link linkat listxattr llistxattr lremovexattr lsetxattr lstat lstat64 lutimes mkdir
 mkdirat mkdtemp mkfifo mkfifoat mknod mknodat mkostemp mkstemp mount name_to_handle_at nftw open open64 openat
 openat64 opendir pathconf pivot_root popen posix_spawn posix_spawnp readlink readlinkat realpath remove
 removexattr rename renameat renameat2 rmdir scandir setxattr stat stat64 statfs statvfs statx swapoff swapon
 symlink symlinkat syscall system tempnam truncate truncate64 umount umount2 unlink unlinkat utime utimensat utimes '
names=" $(tr -s '[:space:]' ' ' <<<"$names") "
failed=0
seen=0
for object in tool_files.c.o tool_files_wire.c.o tool_content.c.o sftp.c.o sftp_extended.c.o sftp_handles.c.o \
    sftp_packet.c.o; do
    while read -r call; do
        case $names in *" $call "*) ;; *) continue ;; esac
        seen=$((seen + 1))
        case $guarded in
        *" $call "*) ;;
        *)
            echo "$object calls $call, which is not guarded"
            failed=1
            ;;
        esac
    done < <("$nm" --undefined-only "$archive" 2>/dev/null | awk -v object="$object:" '
        /:$/ { on = $1 == object } on && $1 == "U" { sub(/@.*/, "", $2); print $2 }')
done
[ "$seen" -gt 10 ] || {
    echo "only $seen calls seen: is this how nm prints?"
    exit 1
}
exit "$failed"
