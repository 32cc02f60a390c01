import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { forEachAgent } from "../each.ts";

const NAMES = { min: 1, max: 1000, words: "NAME or ID" };

/** `clove pause`: every process of an agent stands still. */
export const pause: Command = {
  help: `Freeze agents: all their processes stand still until "clove resume".

Usage: clove pause NAME|ID...
`,
  async run(invocation) {
    const { plain } = invocation.options({}, NAMES);
    await using clove = await reachKernel(invocation.socket);
    return await forEachAgent(plain, (target) => clove.agent.pause(target));
  },
};

/** `clove resume`: and goes on. */
export const resume: Command = {
  help: `Let paused agents go on.

Usage: clove resume NAME|ID...
`,
  async run(invocation) {
    const { plain } = invocation.options({}, NAMES);
    await using clove = await reachKernel(invocation.socket);
    return await forEachAgent(plain, (target) => clove.agent.resume(target));
  },
};
