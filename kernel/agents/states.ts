/**
 * The states of an agent, in the words of today's clients and of the original's.
 *
 * @module
 */

/** From first to last. `crashed` also means: given up after too many restarts. */
export const AGENT_STATES = ["starting", "running", "paused", "stopping", "stopped", "crashed"] as const;

/** One of {@link AGENT_STATES}. */
export type AgentState = (typeof AGENT_STATES)[number];

/** The original's words, which some clients compare with. */
export const STATE_NAMES: Readonly<Record<AgentState, string>> = {
  starting: "STARTING",
  running: "RUNNING",
  paused: "PAUSED",
  stopping: "STOPPING",
  stopped: "STOPPED",
  crashed: "FAILED",
};

/** True when nothing will happen any more. */
export function isFinal(state: AgentState): boolean {
  return state === "stopped" || state === "crashed";
}
