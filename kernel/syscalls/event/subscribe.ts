import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { defineSyscall } from "../../syscall.ts";
import { eventShape, namedTypes, typeFields } from "./types.ts";

/** Subscribes to events. */
export const eventSubscribe = defineSyscall({
  name: "event.subscribe",
  wire: "SUBSCRIBE",
  opcode: 0x60,
  since: "0.1.0",
  summary: "Subscribes to event types: protocol 2 pushes each event as it happens, protocol 1 polls.",
  params: z.object({
    ...typeFields,
    poll: z.boolean().default(false).describe("Queue for event.poll in protocol 2 too, instead of pushing."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    subscribed: z.array(z.string()).describe("The types, as sent."),
  }),
  part: eventShape,
  needs: (params) => [...namedTypes(params).types].map((type) => plainNeed("event", type)),
  record: ({ event_types, events, event }) => ({ events: event_types ?? events ?? event }),
  tool: false,
  handle(ctx, params) {
    const { sent, types } = namedTypes(params);
    const { events } = ctx.services;
    let undo: (() => void) | null = null;
    const writer = params.poll ? null : ctx.subscribe(() => undo?.());
    if (writer) undo = events.push(ctx.caller, types, writer);
    else events.subscribe(ctx.caller, types);
    return { success: true as const, subscribed: sent };
  },
});
