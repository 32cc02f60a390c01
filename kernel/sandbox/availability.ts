/**
 * Finds out which walls this machine lets us build: by building them, and leaving out what fails, by name.
 *
 * @module
 */
import { type Wall, WALLS } from "../agents/launch.ts";
import type { MachineFacts } from "./facts.ts";
import { type Step, wallOf } from "./steps.ts";

/** What can be had. */
export interface Availability {
  readonly walls: ReadonlySet<Wall>;
  /** A user namespace stands in for root. */
  readonly userNamespace: boolean;
  /** Why a wall cannot be had, in words. */
  readonly reasons: ReadonlyMap<Wall, string>;
}

/** How an attempt went wrong. */
export interface TrialFailure {
  readonly step: Step | undefined;
  /** The whole sentence. */
  readonly message: string;
}

/** Builds walls around nothing and says what failed; null when all stood. */
export type Trial = (walls: ReadonlySet<Wall>, userNamespace: boolean) => Promise<TrialFailure | null>;

const NAMESPACES: readonly Wall[] = ["user", "pid", "mount", "net", "uts", "ipc"];
/** More attempts than there are walls to lose. */
const ATTEMPTS = WALLS.length + 2;

/**
 * Tries all walls, then fewer, until an attempt succeeds.
 *
 * @param off Walls to leave off from the beginning, with the reason.
 * @throws {Error} When something fails that belongs to no wall.
 */
export async function findWalls(
  facts: MachineFacts,
  trial: Trial,
  off: ReadonlyMap<Wall, string> = new Map(),
): Promise<Availability> {
  const walls = new Set<Wall>(WALLS.filter((wall) => wall !== "cgroup" && !off.has(wall)));
  const reasons = new Map<Wall, string>(off);
  let userNamespace = facts.uid !== 0 && walls.has("user");
  const drop = (names: readonly Wall[], reason: string): void => {
    for (const name of names) if (walls.delete(name)) reasons.set(name, reason);
  };
  if (facts.landlockAbi === 0) {
    drop(["landlock"], "Landlock is not in this kernel, or not among its lsm= modules");
  }
  if (facts.uid !== 0 && !userNamespace) drop(NAMESPACES, "namespaces need root or a user namespace");

  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const failure = await trial(walls, userNamespace);
    if (failure === null) return { walls, userNamespace, reasons };
    const { step, message } = failure;
    const isBirth = step?.do === "clone" || step?.do === "map-ids";
    if (isBirth && !userNamespace && facts.uid === 0 && walls.has("user")) {
      userNamespace = true; // root without the capabilities of root, as in many containers
    } else if (isBirth && NAMESPACES.some((name) => walls.has(name))) {
      drop(NAMESPACES, message);
      userNamespace = false;
    } else {
      const wall = step && wallOf(step);
      if (!wall || !walls.has(wall)) throw new Error(message);
      drop([wall], message);
    }
  }
  throw new Error("Cannot find out which walls this machine has: every attempt failed at another step");
}
