/** What the dispatcher tells its observers, and what it takes for a payload. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Authority, Policy } from "../permissions/mod.ts";
import { startKernel } from "./kernel.ts";

const encoder = new TextEncoder();

async function setUp() {
  const kernel = await startKernel({ sandbox: false, data: null, onLog: () => {} });
  const caller = kernel.services.principals.create("operator", {
    authority: new Authority(Policy.level("unrestricted")),
  });
  const connection = {
    version: 1 as const,
    agree() {},
    openStream: () => null,
    openPush: () => null,
    onCancel() {},
  };
  const seen: unknown[] = [];
  kernel.dispatcher.observe({ finished: ({ row, answer }) => void seen.push([row.name, answer.outcome]) });
  return {
    kernel,
    seen,
    async call(opcode: number, text: string): Promise<{ success?: boolean; code?: string; error?: string }> {
      const payload = encoder.encode(text);
      const request = { opcode, payload, binary: false, caller, connection, id: 0 };
      return (await kernel.dispatcher.run(request)).json as never;
    },
    [Symbol.asyncDispose]: () => kernel.close(),
  };
}

Deno.test("unknown opcodes, raw rows and payloads that are no JSON reach observers too", async () => {
  await using it = await setUp();
  await it.call(0xf4, "{}");
  await it.call(0x00, "no JSON at all");
  await it.call(0x12, "{");
  await it.call(0x12, "{}");
  deepStrictEqual(it.seen, [
    ["sys.unknown", "unsupported"],
    ["sys.noop", "ok"],
    ["agent.list", "bad_request"],
    ["agent.list", "ok"],
  ]);
});

Deno.test("an unknown opcode is written down as such when calls are", async () => {
  await using it = await setUp();
  const { audit } = it.kernel.services;
  await audit.configure({ log_syscalls: true }, { id: 1, name: "ops" });
  await it.call(0xf4, "{}");
  const { lines } = await audit.query({ limit: 1 });
  const { event_type, success, details } = lines[0]!;
  deepStrictEqual([event_type, success, JSON.parse(details).opcode, JSON.parse(details).code], [
    "sys.unknown",
    false,
    0xf4,
    "unsupported",
  ]);
});

Deno.test("a payload that is no JSON has the original's words, or counts as none, by row", async () => {
  await using it = await setUp();
  for (const opcode of [0x77, 0xc1, 0xc3]) {
    const { success, code, error } = await it.call(opcode, "{oops");
    deepStrictEqual([success, code], [false, "bad_request"]);
    match(error!, /^Invalid JSON payload: /);
  }
  strictEqual((await it.call(0x76, "{oops")).success, true);
  match((await it.call(0x12, "{oops")).error!, /^invalid request: /);
});

Deno.test("arguments and values of variables of a spawn are nowhere in the audit log", async () => {
  await using it = await setUp();
  const { audit } = it.kernel.services;
  await audit.configure({ log_syscalls: true }, { id: 1, name: "ops" });
  const command = ["sh", "-c", "true", "--token=S3CRET-ARGUMENT"];
  const spawn = { name: "quiet", command, env: { API_KEY: "S3CRET-VALUE" }, sandboxed: false };
  strictEqual((await it.call(0x10, JSON.stringify(spawn))).success, true);
  await it.call(0x1b, JSON.stringify(spawn));
  await it.call(0x16, JSON.stringify({ name: "quiet" }));
  const { lines } = await audit.query({ limit: 1_000 });
  const all = lines.map(({ details }) => details).join("\n");
  ok(!all.includes("S3CRET"), all);
  const line = lines.find(({ event_type }) => event_type === "agent.spawn")!;
  const { program, arguments: count, variables } = JSON.parse(line.details);
  deepStrictEqual([program, count, variables], ["sh", 3, ["API_KEY"]]);
});
