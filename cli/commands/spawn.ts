import type { AgentSpawnParams } from "@clove/sdk";
import { AGENT_HELP, AGENT_OPTIONS, agentParams } from "../agent_options.ts";
import type { Command } from "../command.ts";
import { reachKernel } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import { splitProgram } from "../options.ts";
import { findProgram } from "../program.ts";
import { print, printJson, say } from "../terminal.ts";

const OPTIONS = {
  ...AGENT_OPTIONS,
  restart: { type: "string" },
  "max-restarts": { type: "string" },
  json: { type: "boolean" },
} as const;

const RESTARTS = ["never", "on-failure", "always"] as const;

/** `clove spawn`: an agent that stays when this command has ended. */
export const spawn: Command = {
  help: `Start an agent and leave it running. Prints its name.

Usage: clove spawn [OPTION]... SCRIPT [ARG]...
       clove spawn [OPTION]... -- ARGV...

${AGENT_HELP}  --restart POLICY     when it ends: never, on-failure or always    [never]
  --max-restarts N     so often within five minutes, then give up   [5]
  --json               print the whole answer: number, process, isolation, limits
  --help               print this

Then: clove logs -f NAME, clove kill NAME
`,
  async run(invocation) {
    const split = splitProgram(invocation.args, { ...OPTIONS, socket: { type: "string" } });
    const { values } = invocation.options(OPTIONS, { min: 0, max: 0, words: "nothing" }, split.own);
    const program = await findProgram("spawn", split);
    const params: AgentSpawnParams = { ...await agentParams(values), ...program, ...restarts(values) };
    await using clove = await reachKernel(invocation.socket);
    const agent = await clove.agent.spawn(params);
    if (values.json) await printJson(agent);
    else await print(`${agent.name}\n`);
    const { missing, degraded_reason } = agent.isolation;
    if (missing.length > 0) say(`started without the walls ${missing.join(", ")}: ${degraded_reason}`);
    return STATUS.ok;
  },
};

function restarts(
  values: { readonly restart?: string; readonly "max-restarts"?: string },
): Pick<AgentSpawnParams, "restart_policy" | "max_restarts"> {
  const { restart, "max-restarts": most } = values;
  if (restart !== undefined && !RESTARTS.some((policy) => policy === restart)) {
    throw new UsageError(`Cannot use --restart "${restart}": choose from ${RESTARTS.join(", ")}`);
  }
  if (most !== undefined && !/^\d{1,6}$/.test(most)) {
    throw new UsageError(`Cannot use --max-restarts "${most}": it is no whole number, such as 5`);
  }
  return {
    ...(restart === undefined ? {} : { restart_policy: restart }),
    ...(most === undefined ? {} : { max_restarts: Number(most) }),
  };
}
