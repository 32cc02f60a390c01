import { z } from "zod";
import { defineSyscall } from "../../syscall.ts";
import { identityFields } from "./shapes.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

/** Tells an agent's terminal its size. */
export const agentResize = defineSyscall({
  name: "agent.resize",
  wire: "RESIZE",
  opcode: 0x1a,
  since: "0.1.0",
  summary: "Tells the terminal of an agent its size; without a terminal it does nothing.",
  params: z.object({
    ...targetFields,
    rows: z.int().min(1).max(10_000).describe("Lines."),
    columns: z.int().min(1).max(10_000).describe("Characters a line."),
  }),
  result: z.object(identityFields),
  record: recordTarget,
  tool: false,
  handle(ctx, params) {
    const agent = managedAgent(ctx, params, false);
    agent.resize(params.rows, params.columns);
    return { agent_id: agent.id, name: agent.name };
  },
});
