import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { forEachAgent } from "../each.ts";
import { parseSeconds } from "../units.ts";

/** `clove kill`: an end in order, or at once. */
export const kill: Command = {
  help: `Stop agents for good: SIGTERM, a grace period, then everything they are made of.
Returns when they have ended.

Usage: clove kill [--now | --grace TIME] NAME|ID...

  --now           do not wait at all
  --grace TIME    wait so long after SIGTERM, such as 500ms or 10s   [5s, or as spawned]
  --help          print this
`,
  async run(invocation) {
    const { values, plain } = invocation.options(
      { now: { type: "boolean" }, grace: { type: "string" } },
      { min: 1, max: 1000, words: "NAME or ID" },
    );
    const seconds = values.now
      ? 0
      : values.grace === undefined
      ? null
      : parseSeconds("--grace", values.grace);
    const grace = seconds === null ? {} : { grace_ms: Math.round(seconds * 1000) };
    await using clove = await reachKernel(invocation.socket);
    return await forEachAgent(plain, (target) => clove.agent.kill({ ...target, ...grace }));
  },
};
