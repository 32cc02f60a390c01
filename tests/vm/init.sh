#!/bin/sh
# First program of the guest: loads what is needed to see the host's files, lays a throw-away layer over them, and goes on there.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
stty -F /dev/ttyS1 raw -echo
stty -F /dev/ttyS2 raw -echo
fail() { echo "guest: $*" >/dev/console; poweroff -f; }
for module in $(cat /modules/order); do insmod "/modules/$module.ko" || fail "cannot load $module"; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=1048576,cache=loose root /host || fail "cannot mount the host's files"
mount -t tmpfs -o size=75% layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work root /new || fail "cannot lay over"
for directory in proc sys dev; do mount --move /$directory /new/$directory; done
mount -t tmpfs -o mode=755 run /new/run
mkdir -p /new/run/guest
cp /command /system.sh /bin/busybox /new/run/guest/
# Not chroot: in one the kernel refuses user namespaces.
exec switch_root /new /run/guest/busybox sh /run/guest/system.sh
