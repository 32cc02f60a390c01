/**
 * What makes a run repeatable: a seed for chance, and for Deno agents a virtual clock, loaded before the program.
 *
 * @module
 */
import VIRTUAL_CLOCK from "./virtual_clock.js" with { type: "text" };

/** How an agent is started so that its run can be repeated. */
export interface Determinism {
  /** For `Math.random()`, `crypto` and Python's hashes; 0 to 2^32 - 1. */
  readonly seed: number;
  /** Where the virtual clock begins: epoch milliseconds. */
  readonly epochMs: number;
  /** Milliseconds between that and the agent's start. */
  readonly startMs: number;
  /** A replay does not wait for timers. */
  readonly mode: "record" | "replay";
  /** The variables `CLOVE_AGENT_ID` and `CLOVE_AGENT_NAME` that a replayed program shall see; absent while recording. */
  readonly seenAs?: { readonly id: number; readonly name: string };
}

/** The module for `deno run --preload`. */
export function preloadText(determinism: Determinism): string {
  const { epochMs, startMs, mode, seenAs } = determinism;
  const settings = JSON.stringify({ epochMs, startMs, replay: mode === "replay", seenAs: seenAs ?? null });
  return `globalThis[Symbol.for("clove.settings")] = ${settings};\n${VIRTUAL_CLOCK}`;
}

/** Variables for an interpreter that is not Deno. */
export function seededVariables(determinism: Determinism): Readonly<Record<string, string>> {
  return { PYTHONHASHSEED: String(determinism.seed) };
}
