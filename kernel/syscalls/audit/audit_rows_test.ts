import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import type { z } from "zod";
import { SyscallError } from "@clove/sdk/protocol";
import { Authority, formatNeed, Policy } from "../../../permissions/mod.ts";
import { VirtualClock } from "../../../worlds/clock.ts";
import { Audit } from "../../audit/audit.ts";
import { Log } from "../../log.ts";
import { openStorage } from "../../storage/storage.ts";
import { Principal } from "../../principals.ts";
import type { Services } from "../../services.ts";
import type { Context, Syscall } from "../../syscall.ts";
import { auditConfig } from "./config.ts";
import { auditLog } from "./log.ts";
import { auditVerify } from "./verify.ts";

const operator = new Principal(1, "operator", {
  authority: new Authority(Policy.level("unrestricted")),
  name: "ops",
});
const agent = new Principal(7, "agent", {
  authority: new Authority(Policy.level("sandboxed")),
  name: "planner",
});

function setUp(): Services {
  const clock = new VirtualClock();
  const audit = new Audit({ clock, log: new Log({ level: "error", format: "text" }) });
  for (let n = 1; n <= 6; n++) {
    audit.write({
      category: n % 2 ? "SECURITY" : "AGENT_LIFECYCLE",
      event_type: n % 2 ? "SYSCALL_BLOCKED" : "AGENT_SPAWNED",
      agent_id: n < 4 ? 7 : 8,
      agent_name: n < 4 ? "planner" : "",
      success: n % 2 === 0,
      details: { n, syscall: "fs.read", pid: 4_000 + n, ...(n % 2 ? { need: `fs.read:/${n}` } : {}) },
    });
  }
  return { clock, audit, info: { version: "9.9.9" } } as unknown as Services;
}

async function call<P extends z.ZodType, R extends z.ZodType>(
  row: Syscall<P, R>,
  caller: Principal,
  services: Services,
  params: unknown,
): Promise<z.output<R>> {
  const demand: Context["demand"] = (need) => {
    const verdict = caller.authority.weigh(need, services.clock.now());
    if (!verdict.allowed) throw new SyscallError("denied", formatNeed(need));
  };
  const parsed = row.params.parse(params);
  for (const need of row.needs?.(parsed, caller) ?? []) demand(need);
  return row.result.parse(await row.handle({ caller, services, demand } as Context, parsed));
}

Deno.test("an agent reads its own lines and no others', an operator reads all", async () => {
  const services = setUp();
  await rejects(() => call(auditLog, agent, services, { agent_id: 8 }), /admin:audit.log/);
  const own = await call(auditLog, agent, services, {});
  deepStrictEqual(own.entries.map((entry) => entry.id), [1, 2, 3]);
  const all = await call(auditLog, operator, services, { limit: 2 });
  deepStrictEqual([all.count, all.more, ...all.entries.map((entry) => entry.id)], [2, true, 5, 6]);
  const one = await call(auditLog, operator, services, { agent_id: 7, category: "AGENT_LIFECYCLE" });
  const { hash, ...entry } = one.entries[0]!;
  strictEqual(hash.length, 64);
  deepStrictEqual(entry, {
    id: 2,
    timestamp: "2024-01-01T00:00:00.000Z",
    timestamp_ms: Date.UTC(2024, 0, 1),
    category: "AGENT_LIFECYCLE",
    event_type: "AGENT_SPAWNED",
    action: "AGENT_SPAWNED",
    agent_id: 7,
    agent_name: "planner",
    success: true,
    details: { n: 2, syscall: "fs.read", pid: 4_002 },
  });
});

Deno.test("an agent does not see what its number did under an earlier kernel", async () => {
  const clock = new VirtualClock();
  const log = new Log({ level: "error", format: "text" });
  const storage = openStorage({ dir: null, clock, log });
  const write = (audit: Audit, n: number) =>
    audit.write({
      category: "SECURITY",
      event_type: "SYSCALL_BLOCKED",
      agent_id: 7,
      success: false,
      details: { n },
    });
  const earlier = new Audit({ clock, log, storage });
  write(earlier, 1);
  await earlier.close();
  const audit = new Audit({ clock, log, storage });
  write(audit, 2);
  const services = { clock, audit, info: { version: "9.9.9" } } as unknown as Services;
  const ids = async (caller: Principal) =>
    (await call(auditLog, caller, services, {})).entries.map(({ id }) => id);
  deepStrictEqual([await ids(agent), await ids(operator)], [[2], [1, 2]]);
});

Deno.test("an unknown category counts as SYSCALL, times are read in both forms, nonsense is refused", async () => {
  const services = setUp();
  strictEqual((await call(auditLog, operator, services, { category: "NONSENSE" })).count, 0);
  strictEqual((await call(auditLog, operator, services, { since: "2024-01-01T00:00:00Z" })).count, 6);
  strictEqual((await call(auditLog, operator, services, { until: Date.UTC(2024, 0, 1) })).count, 0);
  await rejects(() => call(auditLog, operator, services, { since: "yesterday" }), /Cannot use "since"/);
});

Deno.test("lines are exported as OCSF events", async () => {
  const services = setUp();
  const { entries, events, count } = await call(auditLog, operator, services, { format: "ocsf", limit: 2 });
  deepStrictEqual([entries.length, count], [0, 2]);
  const [denial, spawn] = events as Record<string, Record<string, unknown>>[];
  deepStrictEqual(
    [denial!.class_uid, denial!.type_uid, denial!.status_id, denial!.disposition_id, denial!.api!.operation],
    [6003, 600399, 2, 2, "fs.read"],
  );
  deepStrictEqual([spawn!.class_uid, spawn!.type_uid, spawn!.status_id, spawn!.process!.pid], [
    1007,
    100701,
    1,
    4006,
  ]);
  for (const event of events!) {
    for (
      const key of ["category_uid", "class_uid", "activity_id", "type_uid", "time", "severity_id", "metadata"]
    ) {
      ok(event[key] !== undefined, key);
    }
  }
});

Deno.test("only who administers may change or verify the log, and a log of no lines is refused", async () => {
  const services = setUp();
  await rejects(() => call(auditConfig, agent, services, { log_security: false }), /admin:audit.config/);
  await rejects(() => call(auditVerify, agent, services, {}), /admin:audit.verify/);
  await rejects(() => call(auditConfig, operator, services, { max_entries: 0 }), /keep at least 1/);
  const { config } = await call(auditConfig, operator, services, { log_ipc: true, max_entries: 500 });
  deepStrictEqual([config.log_ipc, config.max_entries, config.log_security], [true, 500, true]);
  const report = await call(auditVerify, operator, services, {});
  deepStrictEqual([report.status, report.exit_code, report.last_id], ["intact", 0, 7]);
  match(report.message, /7 lines, 1 to 7, and the kernel is running/);
});
