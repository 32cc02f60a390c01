import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { systemClock, VirtualClock } from "../../worlds/clock.ts";
import { Log } from "../log.ts";
import { openStorage, type Storage } from "../storage/storage.ts";
import { Audit, type AuditEntry } from "./audit.ts";

const log = new Log({ level: "error", format: "text", write: () => {} });
const by = { id: 1, name: "ops" };

function line(n: number, more: Partial<AuditEntry> = {}): AuditEntry {
  return { category: "AGENT_LIFECYCLE", event_type: "AGENT_SPAWNED", agent_id: 7, details: { n }, ...more };
}

function inMemory(clock = new VirtualClock()): { audit: Audit; clock: VirtualClock; storage: Storage } {
  const storage = openStorage({ dir: null, clock, log });
  return { audit: new Audit({ clock, log, storage }), clock, storage };
}

Deno.test("a denial and a change of the log cannot be muted, everything else can", async () => {
  const { audit } = inMemory();
  await audit.configure({ log_security: false, log_lifecycle: false }, by);
  audit.write(line(1));
  audit.write(line(2, { category: "SECURITY", event_type: "OPERATOR_CONNECTED" }));
  audit.write(line(3, { category: "SECURITY", event_type: "SYSCALL_BLOCKED", success: false }));
  audit.write(line(4, { category: "SECURITY", event_type: "PERMISSIONS_CHANGED" }));
  await audit.configure({ log_lifecycle: true }, by);
  const { lines } = await audit.query({ limit: 100 });
  deepStrictEqual(lines.map(({ id, event_type }) => [id, event_type]), [
    [1, "AUDIT_CONFIG_CHANGED"],
    [2, "SYSCALL_BLOCKED"],
    [3, "PERMISSIONS_CHANGED"],
    [4, "AUDIT_CONFIG_CHANGED"],
  ]);
  deepStrictEqual(JSON.parse(lines[0]!.details).changes, {
    log_security: [true, false],
    log_lifecycle: [true, false],
  });
  await audit.close();
});

Deno.test("lines are numbered without gaps and found by agent, category, time, text and page", async () => {
  const { audit, clock } = inMemory();
  for (let n = 1; n <= 50; n++) {
    audit.write(line(n, { agent_id: n % 5, agent_name: `agent-${n % 5}` }));
    await clock.advance(1_000);
  }
  audit.write(line(51, { category: "RESOURCE", event_type: "QUOTA_100%", success: false }));
  const ids = async (query: Parameters<Audit["query"]>[0]) =>
    (await audit.query(query)).lines.map((l) => l.id);
  deepStrictEqual(await ids({ limit: 3 }), [49, 50, 51]);
  deepStrictEqual(await ids({ limit: 3, before_id: 10 }), [7, 8, 9]);
  deepStrictEqual(await ids({ limit: 100, since_id: 49 }), [50, 51]);
  deepStrictEqual(await ids({ limit: 100, agent_id: 3, before_id: 20 }), [3, 8, 13, 18]);
  deepStrictEqual(await ids({ limit: 100, category: "RESOURCE" }), [51]);
  deepStrictEqual(await ids({ limit: 100, success: false }), [51]);
  const start = Date.UTC(2024, 0, 1);
  deepStrictEqual(await ids({ limit: 100, from: start + 9_500, until: start + 12_000 }), [11, 12]);
  deepStrictEqual(await ids({ limit: 100, text: '"N":17' }), [17]);
  deepStrictEqual(await ids({ limit: 100, text: "00%" }), [51], "% is a character, not a wildcard");
  deepStrictEqual(await ids({ limit: 100, text: "nothing like it" }), []);
  strictEqual((await audit.query({ limit: 50 })).more, true);
  strictEqual((await audit.query({ limit: 51 })).more, false);
  await audit.close();
});

Deno.test("fields from outside are bounded, whatever they hold", async () => {
  const { audit } = inMemory();
  const loop: Record<string, unknown> = {};
  loop.loop = loop;
  audit.write(line(1, { event_type: "X".repeat(10_000), agent_name: "\ud800".repeat(500), details: loop }));
  audit.write(line(2, { details: { path: "/x".repeat(1_000_000), kept: 5 } }));
  audit.write(
    line(3, { details: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, i])) }),
  );
  audit.write(line(4, { details: { big: 2n ** 60n } }));
  const { lines } = await audit.query({ limit: 10 });
  strictEqual(lines[0]!.event_type.length, 96);
  match(lines[0]!.details, /unreadable/);
  strictEqual(JSON.parse(lines[1]!.details).kept, 5);
  for (const { details } of lines) ok(details.length <= 8192);
  strictEqual(JSON.parse(lines[3]!.details).big, "1152921504606846976");
  strictEqual((await audit.verify()).status, "intact");
  await audit.close();
});

Deno.test("the oldest lines go by count, bytes and age, and the rest still verifies", async () => {
  const { audit, clock, storage } = inMemory();
  const count = () => Number(storage.db.prepare("SELECT count(*) AS n FROM audit_lines").get()!.n);
  for (let n = 0; n < 3_000; n++) audit.write(line(n));
  await audit.configure({ max_entries: 100 }, by);
  strictEqual(count(), 100);
  deepStrictEqual((await audit.query({ limit: 1, before_id: 2903 })).lines.map((l) => l.id), [2902]);
  strictEqual((await audit.verify()).first_id, 2902);
  await audit.configure({ max_bytes: 20 * 130 }, by);
  ok(count() < 30, `${count()} lines`);
  await audit.configure({ max_age_days: 1 }, by);
  await clock.advance(2 * 86_400_000);
  audit.write(line(1));
  await audit.flush();
  await audit.configure({}, by);
  strictEqual(count(), 2, "what is older than a day is gone, what is new is not");
  const report = await audit.verify();
  strictEqual(report.status, "intact", report.message);
  await audit.close();
});

Deno.test("lines that could not be stored are tried again and lose neither order nor number", async () => {
  const dir = await Deno.makeTempDir();
  const clock = new VirtualClock();
  const storage = openStorage({ dir, clock, log });
  const audit = new Audit({ clock, log, storage });
  audit.write(line(1));
  await audit.flush();
  storage.db.exec("PRAGMA max_page_count = 1");
  for (let n = 2; n < 2_000; n++) audit.write(line(n, { details: { n, filler: "x".repeat(500) } }));
  await rejects(() => audit.flush(), /disk is full/);
  storage.db.exec("PRAGMA max_page_count = 1000000");
  audit.write(line(2_000));
  await clock.advance(5_000);
  await audit.flush();
  const { lines } = await audit.query({ limit: 5_000 });
  deepStrictEqual(
    lines.map((l) => [l.id, JSON.parse(l.details).n]),
    Array.from({ length: 2_000 }, (_, i) => [i + 1, i + 1]),
  );
  strictEqual((await audit.verify()).status, "intact");
  await audit.close();
  await storage.close();
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a forgotten log in memory leaves nothing behind", () => {
  new Audit({ clock: systemClock, log }).write(line(1));
});
