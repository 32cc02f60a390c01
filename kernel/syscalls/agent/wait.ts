import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { defineSyscall } from "../../syscall.ts";
import { exitFields, exitOf, identityFields, stateFields, stateOf } from "./shapes.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

/** A day: who waits longer asks again. */
const LONGEST_WAIT_MS = 86_400_000;

/** Waits for the end of an agent. */
export const agentWait = defineSyscall({
  name: "agent.wait",
  wire: "WAIT",
  opcode: 0x16,
  since: "0.1.0",
  summary: "Waits until an agent has ended for good, after all its restarts, and tells how.",
  params: z.object({
    ...targetFields,
    timeout_ms: z.int().min(0).max(LONGEST_WAIT_MS).optional()
      .describe("Give up after this time; 0 answers at once. Default: wait for ever."),
  }),
  result: z.object({
    ...identityFields,
    ...stateFields,
    ...exitFields,
    restart_count: z.int().describe("How often it was restarted."),
    killed_by: z.int().optional().describe("Who stopped it, when somebody did."),
    usage: z.object({
      user_ms: z.number().describe("CPU time of its own code."),
      system_ms: z.number().describe("CPU time of the system for it."),
      max_rss: z.number().describe("The most memory it held, in bytes."),
    }).nullable().describe("What the last run used; null where the machine does not tell."),
  }),
  record: recordTarget,
  tool: true,
  deadlineMs: 0,
  async handle(ctx, params) {
    const agent = managedAgent(ctx, params, false);
    const { clock } = ctx.services;
    const { timeout_ms } = params;
    const late = Promise.withResolvers<null>();
    const cancel = timeout_ms === undefined ? () => {} : clock.timer(timeout_ms, () => late.resolve(null));
    const gone = (): void => late.resolve(null);
    ctx.signal.addEventListener("abort", gone, { once: true });
    // Who has ended is told at once, even with no time to wait.
    const exit = agent.ended ? await agent.finished : await Promise.race([agent.finished, late.promise]);
    cancel();
    ctx.signal.removeEventListener("abort", gone);
    if (!exit) {
      throw new SyscallError(
        "timeout",
        `Cannot wait longer than ${timeout_ms} ms: ${agent.principal.label} is ${agent.state}`,
        {
          details: { agent_id: agent.id, ...stateOf(agent) },
        },
      );
    }
    const { killedBy } = agent;
    return {
      agent_id: agent.id,
      name: agent.name,
      ...stateOf(agent),
      ...exitOf(exit),
      restart_count: agent.restartCount,
      ...(killedBy === null ? {} : { killed_by: killedBy }),
      usage: exit.usage,
    };
  },
});
