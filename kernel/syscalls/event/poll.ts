import { z } from "zod";
import { LIMITS } from "../../limits.ts";
import { defineSyscall } from "../../syscall.ts";
import { eventShape } from "./types.ts";

/** Takes queued events. */
export const eventPoll = defineSyscall({
  name: "event.poll",
  wire: "POLL_EVENTS",
  opcode: 0x62,
  since: "0.1.0",
  summary: "Takes queued events, oldest first.",
  params: z.object({
    max: z.int().max(LIMITS.eventQueue).default(100).describe("At most this many; 0 and less give none."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    events: z.array(eventShape).describe("They are no longer queued."),
    count: z.int().describe("How many."),
  }),
  record: ({ max }) => ({ max }),
  tool: false,
  handle(ctx, { max }) {
    const events = ctx.services.events.poll(ctx.caller, max);
    return { success: true as const, events, count: events.length };
  },
});
