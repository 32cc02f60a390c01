import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { VirtualClock } from "../../worlds/clock.ts";
import { Log } from "../log.ts";
import { Audit } from "./audit.ts";

const log = new Log({ level: "error", format: "text", write: () => {} });

function setUp() {
  const clock = new VirtualClock();
  const audit = new Audit({ clock, log });
  return {
    clock,
    audit,
    refuse(agent_id: number, need: string) {
      audit.write({
        category: "SECURITY",
        event_type: "SYSCALL_BLOCKED",
        agent_id,
        success: false,
        details: { syscall: "fs.read", need },
      });
    },
    async lines() {
      const { lines } = await audit.query({ limit: 10_000 });
      return lines.map(({ event_type, agent_id, details }) => {
        const { need, repeated, syscalls } = JSON.parse(details);
        return [event_type, agent_id, need ?? syscalls, repeated];
      });
    },
  };
}

Deno.test("the same refusal ten thousand times is two lines, and the second says how often", async () => {
  const { clock, audit, refuse, lines } = setUp();
  for (let n = 0; n < 10_000; n++) refuse(7, "fs.read:/etc/shadow");
  refuse(8, "fs.read:/etc/shadow");
  deepStrictEqual(await lines(), [
    ["SYSCALL_BLOCKED", 7, "fs.read:/etc/shadow", undefined],
    ["SYSCALL_BLOCKED", 8, "fs.read:/etc/shadow", undefined],
  ]);
  await clock.advance(60_000);
  deepStrictEqual((await lines()).slice(2), [["SYSCALL_BLOCKED", 7, "fs.read:/etc/shadow", 9_999]]);
  await audit.close();
});

Deno.test("ten thousand different refusals of one agent are some lines and a count by syscall", async () => {
  const { clock, audit, refuse, lines } = setUp();
  for (let n = 0; n < 10_000; n++) refuse(7, `fs.read:/secret/${n}`);
  strictEqual((await lines()).length, 32);
  await clock.advance(60_000);
  deepStrictEqual((await lines()).slice(32), [["REFUSALS_COALESCED", 7, { "fs.read": 9_968 }, 9_968]]);
  await audit.close();
});

Deno.test("who never stops gets fewer and fewer lines, who was quiet begins anew", async () => {
  const { clock, audit, refuse, lines } = setUp();
  for (let minute = 0; minute < 24 * 60; minute++) {
    for (let n = 0; n < 50; n++) refuse(7, `fs.read:/secret/${n}`);
    await clock.advance(60_000);
  }
  const day = (await lines()).length;
  strictEqual(day < 2_500, true, `${day} lines of 72,000 refusals`);
  await clock.advance(3 * 3_600_000);
  const before = (await lines()).length;
  refuse(7, "fs.read:/secret/0");
  strictEqual((await lines()).length, before + 1);
  await audit.close();
});

Deno.test("counts that were not yet told are told when the log closes", async () => {
  const { audit, refuse, lines } = setUp();
  refuse(7, "fs.read:/x");
  refuse(7, "fs.read:/x");
  refuse(7, "fs.read:/x");
  await audit.close();
  deepStrictEqual((await lines()).at(-1), ["SYSCALL_BLOCKED", 7, "fs.read:/x", 2]);
});
