import { deepStrictEqual } from "node:assert/strict";
import { z } from "zod";
import { Authority, Policy } from "../../permissions/mod.ts";
import { VirtualClock } from "../../worlds/clock.ts";
import type { Answer } from "../dispatch.ts";
import { Log } from "../log.ts";
import { Principal } from "../principals.ts";
import { defineSyscall, type Syscall } from "../syscall.ts";
import { Audit } from "./audit.ts";
import { auditCalls } from "./calls.ts";

const caller = new Principal(7, "agent", {
  authority: new Authority(Policy.level("minimal")),
  name: "planner",
});
const receipt = { need: "fs.read:/etc/shadow", rule: "level minimal", missing: "", ask: "" };

function row(name: string): Syscall {
  return defineSyscall({
    name,
    wire: "X",
    opcode: 1,
    since: "0.1.0",
    summary: "",
    params: z.object({ path: z.string(), content: z.string() }),
    result: z.object({}),
    record: ({ path }) => ({ path }),
    tool: false,
    handle: () => ({}),
  }) as unknown as Syscall;
}

function setUp() {
  const audit = new Audit({ clock: new VirtualClock(), log: new Log({ level: "error", format: "text" }) });
  const observer = auditCalls(audit);
  return {
    audit,
    finish(
      name: string,
      answer: Answer = { outcome: "ok" },
      parsed = true,
    ) {
      const params = parsed ? { path: "/x", content: "secret" } : undefined;
      observer.finished({ row: row(name), caller, params, answer, startedAt: 0, durationMs: 1.5 });
    },
    async lines() {
      const { lines } = await audit.query({ limit: 100 });
      return lines.map((
        { category, event_type, success, details },
      ) => [category, event_type, success, JSON.parse(details)]);
    },
  };
}

Deno.test("ordinary calls leave lines only where the configuration says so, without their contents", async () => {
  const { audit, finish, lines } = setUp();
  const by = { id: 1, name: "ops" };
  finish("ipc.send");
  finish("fs.read");
  await audit.configure({ log_ipc: true }, by);
  finish("ipc.send");
  finish("fs.read");
  await audit.configure({ log_ipc: false, log_syscalls: true }, by);
  finish("ipc.send");
  finish("fs.read", { outcome: "not_found" });
  finish("fs.read", { outcome: "bad_request" }, false);
  deepStrictEqual((await lines()).filter(([category]) => category !== "SECURITY"), [
    ["IPC", "MESSAGE_SENT", true, { syscall: "ipc.send", path: "/x", duration_us: 1500 }],
    ["SYSCALL", "ipc.send", true, { syscall: "ipc.send", path: "/x", duration_us: 1500 }],
    ["SYSCALL", "fs.read", false, { syscall: "fs.read", path: "/x", code: "not_found", duration_us: 1500 }],
    ["SYSCALL", "fs.read", false, { syscall: "fs.read", code: "bad_request", duration_us: 1500 }],
  ]);
});

Deno.test("a refusal that nobody wrote down gets its line, one that was written down gets no second", async () => {
  const { audit, finish, lines } = setUp();
  const refused: Answer = { outcome: "denied", json: { receipt } };
  audit.write({
    category: "SECURITY",
    event_type: "SYSCALL_BLOCKED",
    agent_id: 7,
    success: false,
    details: { syscall: "fs.read", need: "told" },
  });
  finish("fs.read", refused);
  finish("fs.read", refused);
  finish("llm.think", { outcome: "quota" });
  deepStrictEqual(
    (await lines()).map(([, event, , details]) => [event, (details as { need?: string }).need]),
    [
      ["SYSCALL_BLOCKED", "told"],
      ["SYSCALL_BLOCKED", "fs.read:/etc/shadow"],
      ["QUOTA_EXCEEDED", undefined],
    ],
  );
});
