import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { SyscallError } from "@clove/sdk/protocol";
import { agentId } from "../../fields.ts";
import { defineSyscall } from "../../syscall.ts";
import { traceparentField } from "../../telemetry/trace_context.ts";

/** Sends a message to one agent. */
export const ipcSend = defineSyscall({
  name: "ipc.send",
  wire: "SEND",
  opcode: 0x20,
  since: "0.1.0",
  summary: "Puts a message into another agent's mailbox.",
  params: z.object({
    to: agentId("The receiver's number; wins over a name when not 0.").optional(),
    target_id: agentId("The same, as some clients call it.").optional(),
    to_name: z.string().optional().describe("The receiver's name."),
    target_name: z.string().optional().describe("The same, as some clients call it."),
    message: z.unknown().optional().describe("Any JSON; absent is `{}`."),
    traceparent: traceparentField("The trace it belongs to, as of W3C Trace Context; delivered with it."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    delivered: z.literal(true).describe("It is in the mailbox."),
    delivered_to: agentId("The receiver's number."),
  }),
  needs: (
    params,
  ) => [plainNeed("ipc", params.to_name ?? params.target_name ?? String(params.to || params.target_id || 0))],
  record: ({ to, target_id, to_name, target_name }) => ({
    to: to || target_id,
    to_name: to_name ?? target_name,
  }),
  tool: true,
  handle(ctx, params) {
    const { principals, mail } = ctx.services;
    const number = params.to || params.target_id;
    const name = params.to_name ?? params.target_name;
    if (!number && !name) throw new SyscallError("bad_request", "target agent required (to or to_name)");
    const receiver = number ? principals.get(number) : principals.named(name!);
    if (!receiver) throw new SyscallError("not_found", `target agent not found: ${number || name}`);
    mail.send(ctx.caller, receiver, params.message ?? {}, ctx.traceparent ?? null);
    return { success: true as const, delivered: true as const, delivered_to: receiver.id };
  },
});
