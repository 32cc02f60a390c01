import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { VirtualClock } from "../../worlds/clock.ts";
import type { AuditEntry } from "../audit/entry.ts";
import { RepeatedLines } from "./repeats.ts";

const line = (target: string): AuditEntry => ({
  category: "NETWORK",
  event_type: "EGRESS",
  agent_id: 7,
  details: { target },
});

function rig(): { clock: VirtualClock; lines: RepeatedLines; written: Record<string, unknown>[] } {
  const clock = new VirtualClock();
  const written: Record<string, unknown>[] = [];
  return { clock, written, lines: new RepeatedLines(clock, ({ details }) => written.push({ ...details })) };
}

Deno.test("the first line is written at once, those like it as one when the window ends", async () => {
  const { clock, lines, written } = rig();
  strictEqual(lines.add("a", line("a"), { bytes: 1 }), true);
  for (let i = 0; i < 1_000; i++) strictEqual(lines.add("a", line("a"), { bytes: 2 }), false);
  lines.add("b", line("b"));
  deepStrictEqual(written, [{ target: "a", bytes: 1 }, { target: "b" }]);
  await clock.advance(10_000);
  deepStrictEqual(written.slice(2), [{ target: "a", bytes: 2_000, repeated: 1_000 }]);
  // What goes on is counted on; what has stopped is forgotten, and would be a first line again.
  lines.add("a", line("a"), { bytes: 5 });
  await clock.advance(10_000);
  deepStrictEqual(written.slice(3), [{ target: "a", bytes: 5, repeated: 1 }]);
  await clock.advance(10_000);
  strictEqual(lines.add("a", line("a")), true);
});

Deno.test("an agent that makes ever new lines gets so many and no more", () => {
  const { lines, written } = rig();
  for (let i = 0; i < 10_000; i++) lines.add(String(i), line(String(i)), { bytes: 1 });
  strictEqual(written.length, 257);
  lines.flush();
  strictEqual(written.length, 258);
  const { repeated, bytes, note } = written.at(-1)!;
  deepStrictEqual([repeated, bytes, note], [9_743, 9_743, "many different ones, counted together"]);
});
