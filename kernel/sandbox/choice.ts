/**
 * Which walls one request gets. Pure.
 *
 * @module
 */
import { LaunchError, type LaunchRequest, type Wall, WALLS } from "../agents/launch.ts";
import type { Availability } from "./availability.ts";

/** Walls to build, and why others are not among them. */
export interface Choice {
  readonly walls: ReadonlySet<Wall>;
  readonly reasons: ReadonlyMap<Wall, string>;
}

/** Takes what the machine offers and what the request declines. */
export function chooseWalls(request: LaunchRequest, available: Availability): Choice {
  if (!request.sandboxed) {
    return { walls: new Set(), reasons: new Map(WALLS.map((wall) => [wall, "Sandboxing disabled"])) };
  }
  const walls = new Set(available.walls);
  const reasons = new Map(available.reasons);
  if (request.network === "host" && walls.delete("net")) {
    reasons.set("net", "the host's network was asked for");
  }
  return { walls, reasons };
}

/**
 * Refuses a launch that would lack a wall it requires.
 *
 * @throws {LaunchError} With `refused` set.
 */
export function refuseMissing(request: LaunchRequest, { walls, reasons }: Choice): void {
  for (const wall of request.require) {
    if (walls.has(wall)) continue;
    throw new LaunchError(
      `Cannot start ${JSON.stringify(request.name)} with the wall ${wall}: ${
        reasons.get(wall) ?? "it is not there"
      }`,
      { step: `require ${wall}`, refused: true },
    );
  }
}
