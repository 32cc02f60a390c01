import { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { plainNeed } from "../../../permissions/mod.ts";
import { defineSyscall } from "../../syscall.ts";
import { readScope, scope, version } from "./fields.ts";

/** Streams changes. */
export const stateWatch = defineSyscall({
  name: "state.watch",
  wire: "WATCH",
  opcode: 0x35,
  since: "0.1.0",
  summary: "Streams changes of keys as they happen, until cancelled.",
  params: z.strictObject({
    prefix: z.string().default("").describe("Only keys that begin so."),
    scope: readScope.describe("`global` (the default), `agent` or `session`."),
  }),
  result: z.object({ success: z.literal(true).describe("Always true.") }),
  streams: true,
  part: z.object({
    action: z.enum(["watching", "store", "delete", "expire", "lost"]).describe(
      "`watching` comes first: what happens from then on is told. `lost` counts changes that waited for too long.",
    ),
    key: z.string().optional().describe("The key that changed."),
    scope: scope.optional(),
    value: z.unknown().optional().describe("With `store`, what it is now."),
    version: version.optional(),
    agent_id: z.int().optional().describe("Who changed it; 0 is the kernel."),
    count: z.int().optional().describe("With `lost`, how many changes were dropped."),
  }),
  needs: ({ prefix }) => [plainNeed("state", `${prefix}*`)],
  record: ({ prefix, scope }) => ({ prefix, scope }),
  tool: false,
  deadlineMs: 0,
  async handle(ctx, { prefix, scope }) {
    const { stream, signal, caller, services } = ctx;
    if (!stream) {
      throw new SyscallError(
        "unsupported",
        "Cannot watch in protocol 1: agree on protocol 2 in HELLO, or subscribe to STATE_CHANGED",
      );
    }
    const { watcher, stop } = services.state.watch(caller, prefix, scope);
    try {
      await stream.write({ action: "watching" });
      for (;;) {
        const { lost, changes } = await watcher.take(signal);
        if (lost > 0) await stream.write({ action: "lost", count: lost });
        for (const change of changes) {
          // What the caller may see can change while it watches.
          const need = plainNeed("state", change.key);
          if (caller.authority.explain(need, services.clock.now()).allowed) await stream.write(change);
        }
      }
    } finally {
      stop();
    }
  },
});
