/** The machine itself: mounts, privileges, devices, the kernel's rarer doors, the network below the proxy. */
import { testWalls } from "./attacked.ts";

testWalls([
  "change-system",
  "mount",
  "new-namespace",
  "become-root",
  "set-id-file",
  "host-name",
  "kernel-settings",
  "make-device",
  "io-uring",
  "userfaultfd",
  "connect-loopback",
  "route-outside",
  "raw-socket",
  "packet-socket",
]);
