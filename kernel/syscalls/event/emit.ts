import { z } from "zod";
import { plainNeed } from "../../../permissions/mod.ts";
import { SyscallError } from "@clove/sdk/protocol";
import { defineSyscall } from "../../syscall.ts";

/** Emits a custom event. */
export const eventEmit = defineSyscall({
  name: "event.emit",
  wire: "EMIT",
  opcode: 0x63,
  since: "0.1.0",
  summary: "Emits a CUSTOM event under a name of the caller's choice; kernel types cannot be emitted.",
  params: z.object({
    event: z.string().max(256).optional().describe("The event's name; `CUSTOM` when absent."),
    event_type: z.string().max(256).optional().describe("The same, as the SDKs call it."),
    data: z.unknown().optional().describe("Any JSON; an object when the event has a name."),
  }),
  result: z.object({
    success: z.literal(true).describe("Always true."),
    event: z.string().describe("The name."),
    delivered_to: z.int().describe("How many subscribers it reached."),
  }),
  needs: (params) => [plainNeed("event", params.event ?? params.event_type ?? "CUSTOM")],
  record: ({ event, event_type }) => ({ event: event ?? event_type }),
  tool: false,
  handle(ctx, params) {
    const event = params.event ?? params.event_type ?? "CUSTOM";
    const data = params.data ?? {};
    const isObject = typeof data === "object" && !Array.isArray(data);
    if (event !== "CUSTOM" && !isObject) {
      throw new SyscallError(
        "bad_request",
        `invalid request: Cannot emit "${event}": "data" must be an object when the event has a name`,
      );
    }
    const named = event === "CUSTOM" ? data : { ...data as Record<string, unknown>, custom_type: event };
    const delivered = ctx.services.events.emit("CUSTOM", named as Record<string, unknown>, ctx.caller.id);
    return { success: true as const, event, delivered_to: delivered };
  },
});
