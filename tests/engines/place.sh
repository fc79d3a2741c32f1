# What both engines need. $S is stepbox, $D a directory; the namespaces of mounts, processes and the network are ours.
# Engines keep things where the machine does: of these each gets a place that ends with the mount namespace.
mount --make-rshared /
mkdir "$D/etc" "$D/bin" && cp -a /etc/. "$D/etc" && mount --bind "$D/etc" /etc
for place in /run /dev/shm /var/lib /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$place"; done
ip link set lo up
# the name makes the whole command line runc's
ln -s "$S" "$D/bin/runc"

# An image: one static program under all its names.
image() {
    local root=$D/image name
    mkdir -p "$root/bin" "$root/etc" "$root/tmp"
    cp "$(command -v busybox)" "$root/bin/busybox"
    for name in $(busybox --list); do [ "$name" = busybox ] || ln -s busybox "$root/bin/$name"; done
    printf 'root:x:0:0::/:/bin/sh\nweb:x:1000:1000::/:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\nweb:x:1000:\nextra:x:44:web\n' >"$root/etc/group"
    tar -C "$root" -cf "$D/image.tar" .
}

# The lines of standard input that say what a limit is, whichever version of cgroups it stands in.
limit() { printf 'cd /sys/fs/cgroup; cat %s %s 2>/dev/null; true' "$1" "$2"; }
memory=$(limit memory/memory.limit_in_bytes memory.max)
pids=$(limit pids/pids.max pids.max)

# What differs from run to run, and runc's own name.
same() { sed -E "s/[0-9a-f]{64}/[ID]/g; s/\r//; s/runc create failed/create failed/"; }

# Takes the engines' own cgroups away, which they leave behind.
sweep() {
    find /sys/fs/cgroup -depth -type d -path "*/$1*" -exec rmdir {} + 2>/dev/null
    ! find /sys/fs/cgroup -type d -name "$1" | grep .
}

# What has gone wrong is a line of the answer.
case_() { echo "== $1"; shift; "$@" 2>&1; echo "= $?"; }
