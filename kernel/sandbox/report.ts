/**
 * The walls of this machine, for `clove doctor`. Pure.
 *
 * @module
 */
import { type Wall, type WallReport, WALLS } from "../agents/launch.ts";
import type { Availability } from "./availability.ts";
import type { CgroupRoot } from "./cgroup_root.ts";
import type { MachineFacts } from "./facts.ts";

/** One line a wall. */
export function reportWalls(
  available: Availability,
  facts: MachineFacts,
  cgroups: CgroupRoot | string,
): readonly WallReport[] {
  return WALLS.map((wall): WallReport => {
    const stands = available.walls.has(wall);
    if (stands) {
      return { wall, available: true, detail: detailOf(wall, available, facts, cgroups), remedy: "" };
    }
    const reason = available.reasons.get(wall) ?? "it could not be had";
    return { wall, available: false, detail: reason, remedy: remedyOf(wall) };
  });
}

function detailOf(
  wall: Wall,
  { userNamespace }: Availability,
  facts: MachineFacts,
  cgroups: CgroupRoot | string,
): string {
  switch (wall) {
    case "landlock":
      return `Landlock ABI ${facts.landlockAbi}`;
    case "user":
      return userNamespace ? "a user namespace" : "agents run as nobody";
    case "caps":
      return `all ${facts.lastCapability + 1} capabilities are dropped`;
    case "seccomp":
      return "a filter of system calls";
    case "cgroup":
      return typeof cgroups === "string"
        ? cgroups
        : `${cgroups.description} with ${cgroups.controllers.join(", ")}`;
    default:
      return userNamespace ? "a namespace, made in a user namespace" : "a namespace, made as root";
  }
}

function remedyOf(wall: Wall): string {
  switch (wall) {
    case "landlock":
      return "boot with lsm=landlock,… or use Linux 5.13 or newer";
    case "seccomp":
      return "use a kernel with CONFIG_SECCOMP_FILTER";
    case "cgroup":
      return "mount cgroup v2 with the memory, cpu and pids controllers, or delegate a subtree (systemd: Delegate=yes)";
    case "caps":
      return "do not filter prctl and capset";
    default:
      return "run as root, or allow user namespaces (kernel.unprivileged_userns_clone=1, " +
        "kernel.apparmor_restrict_unprivileged_userns=0)";
  }
}
