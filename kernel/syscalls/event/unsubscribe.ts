import { z } from "zod";
import { EVENT_TYPES } from "../../events.ts";
import { defineSyscall } from "../../syscall.ts";
import { namedTypes, typeFields } from "./types.ts";

/** Ends subscriptions. */
export const eventUnsubscribe = defineSyscall({
  name: "event.unsubscribe",
  wire: "UNSUBSCRIBE",
  opcode: 0x61,
  since: "0.1.0",
  summary: "Ends subscriptions; events that are already queued can still be polled.",
  params: z.object({ ...typeFields, all: z.boolean().default(false).describe("End all of them.") }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    subscribed: z.array(z.string()).describe("The types that remain."),
  }),
  record: ({ all, event_types, events, event }) => ({ events: all ? "all" : event_types ?? events ?? event }),
  tool: false,
  handle(ctx, params) {
    const types = params.all ? EVENT_TYPES : namedTypes(params).types;
    return { success: true as const, subscribed: ctx.services.events.unsubscribe(ctx.caller, types) };
  },
});
