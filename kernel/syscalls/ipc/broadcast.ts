import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { SyscallError } from "@clove/sdk/protocol";
import { defineSyscall } from "../../syscall.ts";
import { traceparentField } from "../../telemetry/trace_context.ts";

/** Sends a message to every named agent. */
export const ipcBroadcast = defineSyscall({
  name: "ipc.broadcast",
  wire: "BROADCAST",
  opcode: 0x22,
  since: "0.1.0",
  summary: "Puts a message into the mailbox of every agent that has a name.",
  params: z.object({
    message: z.unknown().optional().describe("Any JSON; absent is `{}`."),
    traceparent: traceparentField("The trace it belongs to, as of W3C Trace Context; delivered with it."),
    include_self: z.boolean().default(false).describe("Send it to the caller too."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    delivered_count: z.int().describe("How many mailboxes took it."),
    full: z.int().describe("How many refused it because they are full."),
  }),
  needs: () => [plainNeed("ipc", "*")],
  record: ({ include_self }) => ({ include_self }),
  tool: false,
  failure: { delivered_count: 0 },
  handle(ctx, { message, include_self }) {
    const { principals, mail } = ctx.services;
    let delivered = 0;
    let full = 0;
    for (const principal of principals.all()) {
      if (principal.names.size === 0 || (principal === ctx.caller && !include_self)) continue;
      try {
        mail.send(ctx.caller, principal, message ?? {}, ctx.traceparent ?? null);
        delivered++;
      } catch (error) {
        if (!(error instanceof SyscallError && error.code === "limit")) throw error;
        full++;
      }
    }
    return { success: true as const, delivered_count: delivered, full };
  },
});
