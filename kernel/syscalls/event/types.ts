/**
 * How requests name event types, in the three forms of the original.
 *
 * @module
 */
import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { EVENT_TYPES, type EventType } from "../../events.ts";

/** The three forms; the first that is present wins. */
export const typeFields = {
  event_types: z.array(z.string()).max(64).optional().describe("Types, such as `AGENT_EXITED`."),
  events: z.array(z.string()).max(64).optional().describe("The same."),
  event: z.string().optional().describe("One type."),
};

/** What was named, as sent and as types. */
export function namedTypes(params: { event_types?: string[]; events?: string[]; event?: string }): {
  sent: string[];
  types: Set<EventType>;
} {
  const sent = params.event_types ?? params.events ?? (params.event === undefined ? [] : [params.event]);
  if (sent.length === 0) throw new SyscallError("bad_request", "No events specified");
  // Any other name is a CUSTOM event's name, as in the original.
  const types = new Set(
    sent.map((name) => (EVENT_TYPES as readonly string[]).includes(name) ? name as EventType : "CUSTOM"),
  );
  return { sent, types };
}

/** The shape of an event on the wire. */
export const eventShape = z.object({
  type: z.enum(EVENT_TYPES).describe("The kernel's type."),
  event_type: z.string().describe("The same; for CUSTOM the name given to event.emit."),
  data: z.unknown().describe("Depends on the type."),
  source_agent_id: z.int().describe("Who caused it; 0 is the kernel."),
  source_agent: z.int().describe("The same."),
  timestamp: z.number().describe("Epoch seconds."),
  dropped: z.int().optional().describe("Events lost before this one, because they were not read in time."),
});
