# Second program of the guest: what a running system has, a pure cgroup v2 above all; then the command, then off.
b=/run/guest/busybox
$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts -o mode=620,ptmxmode=666 pts /dev/pts
$b mount -t tmpfs -o mode=1777 shm /dev/shm
$b mount -t tmpfs -o mode=1777 tmp /tmp
$b mount -t tmpfs -o mode=1777 tmp /var/tmp
$b ln -sfn /proc/self/fd /dev/fd
$b mount -t securityfs security /sys/kernel/security
$b ip link set lo up
$b hostname guest
$b mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
for controller in $($b cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control
done
$b env -i $b setsid /bin/bash /run/guest/command </dev/null >/dev/ttyS1 2>&1
status=$?
$b stty -F /dev/ttyS1 raw -echo # waits until the output has drained
echo $status >/dev/ttyS2
$b stty -F /dev/ttyS2 raw -echo
$b poweroff -f
