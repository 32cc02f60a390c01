import { resolve } from "node:path";
import type { AgentSpawnParams } from "@clove/sdk";
import { AGENT_HELP, AGENT_OPTIONS, agentParams } from "../agent_options.ts";
import { startAsking } from "../asking.ts";
import { superviseRun } from "../attached.ts";
import type { Command } from "../command.ts";
import { reachOrStart } from "../connection.ts";
import { STATUS, UsageError } from "../exit.ts";
import { learning, tellLearned } from "../learning.ts";
import { splitProgram } from "../options.ts";
import { findProgram } from "../program.ts";
import { print } from "../terminal.ts";
import { printable } from "../text.ts";

const OPTIONS = {
  ...AGENT_OPTIONS,
  tty: { type: "boolean", short: "t" },
  record: { type: "string" },
  learn: { type: "string" },
  ask: { type: "boolean" },
  explain: { type: "boolean" },
} as const;

const NONE = { min: 0, max: 0, words: "nothing" };

/** `clove run`: a program as an agent, from its start to its end. */
export const run: Command = {
  runsProgram: true,
  help: `Run a program as an agent and wait for it.

Usage: clove run [OPTION]... SCRIPT [ARG]...
       clove run [OPTION]... -- ARGV...

SCRIPT is a .ts or .js file for Deno, or a .py file for Python. Whatever follows SCRIPT or --
is the program's. A kernel that answers is used; otherwise one is started for this program
alone, in memory, and ends with it. Input that is piped in reaches the program.

${AGENT_HELP}  -t, --tty            give it a terminal, for programs that people talk to
  --record FILE        record this run for "clove replay"; .gz compresses
  --learn FILE         let it do nearly everything within its walls, and write the smallest
                       policy for what it did, for --policy FILE
  --ask                put what it asks for to you, here at the terminal
  --explain            print the steps that would be taken, and take none
  --help               print this

Exit status: the program's; 128 and the signal's number when a signal ended it; 125 when
Clove failed; 126 when it was refused or cannot be run; 127 when there is no such program.
Ctrl-C stops the agent in order, a second one ends it at once.
`,
  async run(invocation) {
    const split = splitProgram(invocation.args, { ...OPTIONS, socket: { type: "string" } });
    const { values } = invocation.options(OPTIONS, NONE, split.own);
    const program = await findProgram("run", split);
    const { record, learn } = values;
    const params: AgentSpawnParams = {
      ...await agentParams(values),
      ...program,
      ...(record === undefined ? {} : { record: resolve(record) }),
      ...(learn === undefined ? {} : learning(learn, values)),
    };
    await using reached = await reachOrStart(invocation.socket);
    if (values.explain) {
      const { steps } = await reached.clove.agent.explain(params);
      await print(steps.map((step) => `${printable(step)}\n`).join(""));
      return STATUS.ok;
    }
    if (values.ask && values.tty) {
      throw new UsageError("Cannot ask with --ask while the terminal is the program's, leave out --tty");
    }
    const asking = values.ask ? await startAsking(reached.clove) : null;
    const status = await superviseRun(reached.clove, params, values.tty ?? false)
      .finally(() => asking?.stop());
    if (learn !== undefined) await tellLearned(learn);
    return status;
  },
};
