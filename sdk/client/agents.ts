/**
 * An agent as one thing with output and an end, over the three calls that it takes.
 *
 * @module
 */
import type { CallOptions } from "./session.ts";
import type { Stream } from "./stream.ts";
import type {
  AgentOutputPart,
  AgentOutputResult,
  AgentSpawnParams,
  AgentSpawnResult,
  AgentWaitResult,
  Syscalls,
} from "./syscalls.generated.ts";

/** A running agent. */
export interface AgentRun {
  /** What the kernel said when it started: number, name, and which walls stand around it. */
  readonly agent: AgentSpawnResult;
  /** What it writes, until it has ended. The kernel keeps a bounded amount; reading it is optional. */
  readonly output: Stream<AgentOutputPart, AgentOutputResult>;
  /** Resolves when it has ended for good, after all its restarts. */
  readonly ended: Promise<AgentWaitResult>;
}

/** The methods of `clove.agents`. */
export interface AgentTools {
  /**
   * Starts an agent and follows it.
   *
   * @param options An abort stops the following, not the agent: for that there is `agent.kill`.
   * @throws {SyscallError} When it was not started.
   *
   * @example Run a script and print what it says
   * ```ts ignore
   * const { output, ended } = await clove.agents.run({ script: "/work/count.ts" });
   * for await (const { text } of output) console.log(text);
   * console.log((await ended).cause);
   * ```
   */
  run(params: AgentSpawnParams, options?: CallOptions): Promise<AgentRun>;
}

/** See {@link AgentTools.run}. */
export async function runAgent(
  syscalls: Syscalls,
  params: AgentSpawnParams,
  options: CallOptions = {},
): Promise<AgentRun> {
  const agent = await syscalls.agent.spawn(params, options);
  const { signal } = options;
  const output = syscalls.agent.output({ id: agent.agent_id, follow: true }, { signal });
  const ended = syscalls.agent.wait({ id: agent.agent_id }, { signal });
  // Who is interested in the output alone must not be stopped by a wait that was aborted with it.
  ended.catch(() => {});
  return { agent, output, ended };
}
