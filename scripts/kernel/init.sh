#!/bin/busybox sh
# The first program of the guest that scripts/test-kernel.sh boots: makes the host's root folder the
# root, with a layer in memory above it, runs /command there, says its exit status on the third
# serial line, and switches the machine off. What goes wrong is said on the first one.
export PATH=/bin
busybox mkdir -p /proc /sys /dev
for tool in $(busybox --list); do
    [ "$tool" = busybox ] || busybox ln -s busybox "/bin/$tool" 2>/dev/null
done

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec >/dev/ttyS0 2>&1

give_up() {
    echo "init: $*"
    poweroff -f
}

for module in /modules/*; do
    insmod "$module" || give_up "$module cannot be loaded"
done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose host /host ||
    give_up "the host's files cannot be mounted"
mount -t tmpfs -o size=75% layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root ||
    give_up "the layer above the host's files cannot be mounted"

# The folders that are the running system's, not files.
cd /root || give_up "no root"
mkdir -p proc sys dev run lib/modules
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t configfs configfs sys/kernel/config 2>/dev/null
mount --move /dev dev
mkdir -p dev/pts dev/shm
mount -t devpts -o ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s /proc/self/fd dev/fd
mount -t tmpfs -o mode=755 run run
# Sockets and scratch files of the tests: neither on the layer nor among the host's.
mkdir -m 1777 run/tests
modules=$(cat /modules.path)
mount --bind "/root$modules" lib/modules || give_up "the kernel's modules are not at $modules"
ifconfig lo 127.0.0.1 up
cp /command run/command

stty -F dev/ttyS1 raw -echo
stty -F dev/ttyS2 raw -echo
chroot . /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG=C.UTF-8 TMPDIR=/run/tests HHAROME_TEST_KERNEL=1 \
    /bin/bash /run/command <dev/null >dev/ttyS1 2>&1
echo $? >dev/ttyS2
poweroff -f
