/**
 * The same for several agents.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk";
import { STATUS } from "./exit.ts";
import { report } from "./report.ts";
import { type Target, targetOf } from "./target.ts";

/**
 * Does something with each agent that was named, all at once. One that is refused does not keep the others from it.
 *
 * @returns The exit status: 0 when all of it succeeded.
 */
export async function forEachAgent(
  names: readonly string[],
  act: (target: Target) => Promise<unknown>,
): Promise<number> {
  const outcomes = await Promise.allSettled(names.map((name) => act(targetOf(name))));
  let status: number = STATUS.ok;
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    // Without a connection the others have failed for the same reason.
    if (!(outcome.reason instanceof SyscallError)) throw outcome.reason;
    status = report(outcome.reason, false);
  }
  return status;
}
