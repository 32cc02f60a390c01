/**
 * Limits so low that a few dozen operations reach them: what happens at a limit is worth more runs than what
 * happens far below.
 *
 * @module
 */
import { LIMITS } from "../../kernel/limits.ts";

/** What holds in a simulation. */
export const LOW = {
  mailboxMessages: 12,
  eventQueue: 8,
  keysPerAgent: 4,
  connectionsPerAgent: 3,
  requestsInFlight: 6,
  sendQueueBytes: 4096,
  streams: 3,
  streamCreditBytes: 1024,
  agents: 5,
  endedAgents: 3,
  namesPerAgent: 2,
} as const;

/** Sets them, in this process: each test file has one of its own. */
export function lowerLimits(): void {
  Object.assign(LIMITS, LOW);
}
