/**
 * Says what really stands around a process. Pure.
 *
 * @module
 */
import { type Isolation, type Wall, WALLS } from "../agents/launch.ts";

/** Which limits of a cgroup hold. */
export interface LimitsHeld {
  readonly memory: boolean;
  readonly cpu: boolean;
  readonly pids: boolean;
}

/** What {@link describeIsolation} goes by. */
export interface Achieved {
  readonly walls: ReadonlySet<Wall>;
  readonly userNamespace: boolean;
  readonly noNewPrivileges: boolean;
  /** Null without a cgroup. */
  readonly limits: LimitsHeld | null;
  /** Limits that were asked for and do not hold. */
  readonly unmet: readonly string[];
  /** Why a wall is not there, by wall. */
  readonly reasons: ReadonlyMap<Wall, string>;
}

/** Puts it into the fields that clients read. */
export function describeIsolation(
  { walls, userNamespace, noNewPrivileges, limits, unmet, reasons }: Achieved,
): Isolation {
  const missing = WALLS.filter((wall) => !walls.has(wall));
  const sentences = [...new Set(missing.map((wall) => reasons.get(wall) ?? `${wall} is not there`))];
  if (unmet.length > 0) sentences.push(`${unmet.join(", ")} could not be limited`);
  return {
    fully_isolated: missing.length === 0 && unmet.length === 0,
    namespaces: {
      pid: walls.has("pid"),
      net: walls.has("net"),
      mnt: walls.has("mount"),
      uts: walls.has("uts"),
      ipc: walls.has("ipc"),
      user: userNamespace,
    },
    cgroups: {
      available: limits !== null,
      memory_limit: limits?.memory ?? false,
      cpu_quota: limits?.cpu ?? false,
      pids_limit: limits?.pids ?? false,
    },
    seccomp: walls.has("seccomp"),
    landlock: walls.has("landlock"),
    capabilities_dropped: walls.has("caps"),
    no_new_privs: noNewPrivileges,
    missing,
    ...(sentences.length === 0 ? {} : { degraded_reason: sentences.join("; ") }),
  };
}
