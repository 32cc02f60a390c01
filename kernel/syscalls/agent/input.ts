import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { LIMITS } from "../../limits.ts";
import { type Context, defineSyscall } from "../../syscall.ts";
import { identityFields } from "./shapes.ts";
import { managedAgent, recordTarget, targetFields } from "./target.ts";

const encoder = new TextEncoder();

/** Writes to an agent's standard input. */
export const agentInput = defineSyscall({
  name: "agent.input",
  wire: "INPUT",
  opcode: 0x19,
  since: "0.1.0",
  summary: "Writes to the standard input, or the terminal, of an agent that was spawned with one.",
  params: z.object({
    ...targetFields,
    text: z.string().max(LIMITS.frameBytes).optional().describe("What to write, as UTF-8."),
    data_base64: z.string().max(LIMITS.frameBytes).optional()
      .describe("What to write, as bytes; a binary tail works too."),
    end: z.boolean().optional().describe("Close the input afterwards."),
  }),
  result: z.object({
    ...identityFields,
    bytes_written: z.int().describe("How much it was."),
  }),
  tail: { params: "What to write, as it is." },
  record: recordTarget,
  tool: false,
  // It waits for as long as the agent does not read; its end ends the waiting.
  deadlineMs: 0,
  async handle(ctx, params) {
    const agent = managedAgent(ctx, params, false);
    const bytes = bytesOf(ctx, params);
    ctx.services.recorder.given(agent.principal, bytes, params.end ?? false);
    await agent.input(bytes, params.end ?? false);
    return { agent_id: agent.id, name: agent.name, bytes_written: bytes.byteLength };
  },
});

function bytesOf(ctx: Context, { text, data_base64 }: { text?: string; data_base64?: string }): Uint8Array {
  if (ctx.tail) return ctx.tail;
  if (data_base64 === undefined) return encoder.encode(text ?? "");
  try {
    return Uint8Array.fromBase64(data_base64);
  } catch (cause) {
    throw new SyscallError("bad_request", 'invalid request: Cannot use "data_base64": it is not base64', {
      cause,
    });
  }
}
