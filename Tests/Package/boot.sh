#!/bin/bash
# Boots a Debian in a folder, with its own systemd, in namespaces: it shares no port, process or mount with this host.
#
#   boot.sh ROOT CGROUP
#
# ROOT is the folder, CGROUP a name for its control groups. Run by machine.py, as root,
# first outside and then within the namespaces.
set -euo pipefail
root=$1 group=$2

cgroups=/sys/fs/cgroup
legacy=
if [[ -d $cgroups/systemd ]]; then legacy=yes; fi

if [[ ${3-} != within ]]; then
    for hierarchy in $cgroups/systemd $cgroups/unified $cgroups; do
        if [[ -e $hierarchy/cgroup.procs ]]; then
            mkdir -p "$hierarchy/$group"
            echo $$ >"$hierarchy/$group/cgroup.procs"
        fi
    done
    exec unshare --cgroup --mount --pid --uts --ipc --net --fork --kill-child "$0" "$root" "$group" within
fi

mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
if [[ -n $legacy ]]; then
    mount -t tmpfs tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/unified sys/fs/cgroup/systemd
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
else
    mount -t cgroup2 cgroup2 sys/fs/cgroup
fi
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do
    touch "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
ln -s /proc/self/fd dev/fd
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
cat /etc/resolv.conf >etc/resolv.conf
mkdir -p host
pivot_root . host
umount -l /host
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --unit=multi-user.target
