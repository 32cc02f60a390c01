import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { agentId } from "../../fields.ts";
import { LIMITS } from "../../limits.ts";
import { defineSyscall } from "../../syscall.ts";

/** Takes messages from the caller's mailbox. */
export const ipcRecv = defineSyscall({
  name: "ipc.recv",
  wire: "RECV",
  opcode: 0x21,
  since: "0.1.0",
  summary: "Takes messages from the caller's mailbox, oldest first; with `wait` it waits for the first.",
  params: z.object({
    max: z.int().default(10).describe("At most this many; 0 and less give none."),
    wait: z.boolean().default(false).describe("Wait for a message when there is none."),
    timeout_ms: z.number().min(0).max(LIMITS.waitMaxMs).default(LIMITS.waitMs)
      .describe("How long to wait, in milliseconds; no message by then is an empty answer."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    messages: z.array(z.object({
      from: agentId("The sender's number."),
      from_agent: agentId("The same."),
      from_name: z.string().describe("The sender's name, or empty."),
      message: z.unknown().describe("What was sent."),
      age_ms: z.int().describe("Milliseconds since it was sent."),
      timestamp: z.number().describe("When it was sent, epoch seconds."),
      traceparent: z.string().optional().describe("The trace it belongs to; absent when it came without one."),
    })).describe("Oldest first; they are no longer in the mailbox."),
    count: z.int().describe("How many."),
  }),
  needs: () => [plainNeed("ipc", "self")],
  record: ({ max, wait }) => ({ max, wait }),
  tool: true,
  failure: { messages: [], count: 0 },
  deadlineMs: 0,
  handle(ctx, { max, wait, timeout_ms }) {
    const { mail } = ctx.services;
    const take = () => {
      const messages = mail.take(ctx.caller, max);
      return { success: true as const, messages, count: messages.length };
    };
    if (!wait || max <= 0 || mail.waitingFor(ctx.caller) > 0) return take();
    // A cancelled wait takes nothing: the messages stay for the next call.
    const { signal } = ctx;
    return mail.arrival(ctx.caller, timeout_ms, signal).then(() => {
      signal.throwIfAborted();
      return take();
    });
  },
});
