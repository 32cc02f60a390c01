import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { Authority, type Level, Policy } from "../../../permissions/mod.ts";
import { type Kernel, startKernel } from "../../kernel.ts";
import type { Principal } from "../../principals.ts";
import type { StreamWriter } from "../../syscall.ts";

const OPCODES = {
  exec: 0x02,
  spawn: 0x10,
  kill: 0x11,
  list: 0x12,
  pause: 0x14,
  resume: 0x15,
  wait: 0x16,
  output: 0x17,
};
const MORE = { limits: 0x18, input: 0x19, resize: 0x1a, explain: 0x1b } as const;

type Answer = Record<string, unknown> & { error?: string; code?: string };
type Call = (
  name: keyof typeof OPCODES | keyof typeof MORE,
  json: unknown,
  caller?: Principal,
) => Promise<Answer>;

interface Bench {
  readonly kernel: Kernel;
  readonly operator: Principal;
  readonly call: Call;
  /** Parts of the last stream. */
  readonly parts: Record<string, unknown>[];
}

async function bench(version: 1 | 2, test: (bench: Bench) => Promise<void>): Promise<void> {
  await using kernel = await startKernel({ sandbox: false, logLevel: "error", onLog: () => {} });
  const parts: Record<string, unknown>[] = [];
  const stream: StreamWriter = {
    write: (json) => Promise.resolve(void parts.push(json as Record<string, unknown>)),
  };
  const operator = principal(kernel, "unrestricted");
  const call: Call = async (name, json, caller = operator) => {
    const { json: answer } = await kernel.dispatcher.run({
      opcode: { ...OPCODES, ...MORE }[name],
      payload: new TextEncoder().encode(JSON.stringify(json)),
      binary: false,
      caller,
      id: 1,
      connection: {
        version,
        agree: () => {},
        openStream: () => version === 2 ? stream : null,
        openPush: () => null,
        onCancel: () => {},
      },
    });
    return answer as Answer;
  };
  await test({ kernel, operator, call, parts });
}

function principal(kernel: Kernel, level: Level): Principal {
  return kernel.services.principals.create("operator", { authority: new Authority(Policy.level(level)) });
}

const sleep = { command: ["sleep", "60"], sandboxed: true };
const agentOf = ({ kernel }: Bench, answer: Answer): Principal =>
  kernel.services.agents.get(answer.id as number)!.principal;

Deno.test("SPAWN says what is wrong in the original's words", () =>
  bench(1, async ({ call }) => {
    strictEqual((await call("spawn", {})).error, "script path required");
    match(
      (await call("spawn", { ...sleep, limits: { memory: -5 } })).error!,
      /^invalid request: Cannot use "limits.memory"/,
    );
    match((await call("spawn", { ...sleep, name: "a/b" })).error!, /Cannot use "name"/);
    await call("spawn", { ...sleep, name: "taken" });
    const again = await call("spawn", { ...sleep, name: "taken" });
    match(again.error!, /^failed to spawn agent: /);
    deepStrictEqual([again.success, again.code, "id" in again, "agent_id" in again], [
      false,
      "conflict",
      false,
      false,
    ]);
  }));

Deno.test("SPAWN answers with the original's keys and with the truth about its walls", () =>
  bench(1, async ({ call }) => {
    const answer = await call("spawn", {
      ...sleep,
      name: "a",
      restart_policy: "on_failure",
      limits: { memory: 2 ** 32 },
    });
    ok(!("error" in answer));
    deepStrictEqual(
      [answer.success, answer.status, answer.state, answer.state_name, answer.restart_policy, answer.level],
      [true, "running", "running", "RUNNING", "on-failure", "sandboxed"],
    );
    strictEqual(answer.agent_id, answer.id);
    strictEqual((answer.limits as { memory: number }).memory, 2 ** 32);
    const isolation = answer.isolation as {
      fully_isolated: boolean;
      missing: string[];
      degraded_reason: string;
    };
    deepStrictEqual([isolation.fully_isolated, isolation.degraded_reason], [false, "Sandboxing disabled"]);
    strictEqual(isolation.missing.length, 10);
  }));

Deno.test("KILL, PAUSE and RESUME of nobody, and in the wrong state, fail with the keys clients read", () =>
  bench(1, async ({ call }) => {
    const unknown = await call("kill", { name: "nobody" });
    match(unknown.error!, /^Agent not found/);
    deepStrictEqual([unknown.killed, unknown.agent_id, unknown.code], [false, 0, "not_found"]);
    match((await call("kill", { id: "x" })).error!, /^invalid request/);
    match((await call("kill", {})).error!, /give id or name/);
    const { id } = await call("spawn", sleep);
    const wrong = await call("resume", { id });
    deepStrictEqual([wrong.success, wrong.resumed, wrong.agent_id, wrong.code], [
      false,
      false,
      id,
      "conflict",
    ]);
    deepStrictEqual(await call("pause", { id }), { success: true, paused: true, agent_id: id });
    strictEqual((await call("pause", { id })).code, "conflict");
    deepStrictEqual(await call("resume", { id }), { success: true, resumed: true, agent_id: id });
    const killed = await call("kill", { id });
    deepStrictEqual([killed.success, killed.killed, killed.agent_id, killed.signal], [
      true,
      true,
      id,
      "SIGTERM",
    ]);
    strictEqual((await call("wait", { id })).killed_by !== undefined, true);
    const twice = await call("kill", { id });
    match(twice.error!, /^Agent not found: .* has ended already$/);
    deepStrictEqual([twice.killed, twice.agent_id, twice.code], [false, id, "not_found"]);
  }));

Deno.test("another agent's agents are nobody's business: refused with a receipt, audited and told", () =>
  bench(1, async (b) => {
    const { call, kernel } = b;
    const victim = await call("spawn", { ...sleep, name: "victim" });
    const attacker = agentOf(b, await call("spawn", { ...sleep, name: "attacker", level: "standard" }));
    for (const name of ["kill", "pause", "resume", "wait", "output", "limits", "input"] as const) {
      const answer = await call(
        name,
        { id: victim.id, ...(name === "limits" ? { limits: { cpu: 1 } } : {}) },
        attacker,
      );
      deepStrictEqual([name, answer.code], [name, "denied"]);
      strictEqual((answer.receipt as { missing: string }).missing, "admin:agent/victim");
    }
    strictEqual(attacker.counts.denials, 7);
    strictEqual(kernel.services.agents.get(victim.id as number)!.state, "running");
    const own = await call("limits", { id: attacker.id, limits: { memory_mb: 9_999 } }, attacker);
    strictEqual(own.code, "denied");
    strictEqual((await call("kill", { id: attacker.id, grace_ms: 0 }, attacker)).killed, true);
  }));

Deno.test("LIST is an array; of others an agent sees name, number and state, and no more", () =>
  bench(1, async (b) => {
    const { call } = b;
    const other = await call("spawn", { ...sleep, name: "other" });
    const me = agentOf(b, await call("spawn", { ...sleep, name: "me" }));
    const seen = await call("list", {}, me) as unknown as Record<string, unknown>[];
    ok(Array.isArray(seen));
    const [foreign, own] = seen;
    deepStrictEqual([foreign!.name, foreign!.state, foreign!.state_name, foreign!.pid], [
      "other",
      "running",
      "RUNNING",
      0,
    ]);
    ok(!("memory" in foreign!) && !("parent_id" in foreign!));
    ok((own!.pid as number) > 0 && own!.running === true);
    await call("kill", { id: other.id, grace_ms: 0 });
    strictEqual((await call("list", {}) as unknown as unknown[]).length, 1);
    const all = await call("list", { all: true }) as unknown as { name: string; exit?: { signal: string } }[];
    strictEqual(all.find(({ name }) => name === "other")?.exit?.signal, "SIGTERM");
  }));

Deno.test("WAIT gives up when told to, and tells the end with everything about it", () =>
  bench(1, async ({ call }) => {
    const { id } = await call("spawn", { command: ["sh", "-c", "sleep 0.2; exit 3"] });
    const early = await call("wait", { id, timeout_ms: 1 });
    deepStrictEqual([early.code, early.state], ["timeout", "running"]);
    const end = await call("wait", { id });
    deepStrictEqual([end.state, end.state_name, end.exit_code, end.signal, end.reason, end.cause], [
      "crashed",
      "FAILED",
      3,
      null,
      "exited",
      "exited with status 3",
    ]);
  }));

Deno.test("OUTPUT gives what there is in protocol 1, and positions to go on from", () =>
  bench(1, async ({ call }) => {
    const { id } = await call("spawn", { command: ["sh", "-c", "echo one; echo two >&2"] });
    await call("wait", { id });
    const answer = await call("output", { id });
    const chunks = answer.chunks as { stream: string; text: string }[];
    deepStrictEqual(chunks.map(({ stream, text }) => [stream, text]).sort(), [["stderr", "two\n"], [
      "stdout",
      "one\n",
    ]]);
    deepStrictEqual([answer.ended, answer.lost, answer.next], [true, 0, 2]);
    deepStrictEqual((await call("output", { id, since: 2 })).chunks, []);
  }));

Deno.test("OUTPUT follows in protocol 2 until the agent has ended", () =>
  bench(2, async ({ call, parts }) => {
    const { id } = await call("spawn", {
      command: ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.05; done"],
    });
    const answer = await call("output", { id, follow: true });
    strictEqual(parts.map(({ text }) => text).join(""), "1\n2\n3\n");
    deepStrictEqual([answer.ended, answer.chunks, answer.state], [true, [], "stopped"]);
  }));

Deno.test("LIMITS tells what does not hold, and INPUT reaches the agent", () =>
  bench(1, async ({ call }) => {
    const { id } = await call("spawn", { command: ["cat"], stdin: "pipe" });
    const limits = await call("limits", { id, limits: { memory_mb: 512 } });
    strictEqual((limits.limits as { memory: number }).memory, 512 * 1024 * 1024);
    strictEqual((limits.applied as { memory: null }).memory, null);
    ok((limits.missing as string[]).includes("memory"));
    strictEqual((await call("input", { id, text: "hé", end: true })).bytes_written, 3);
    strictEqual((await call("wait", { id })).exit_code, 0);
    const [chunk] = (await call("output", { id })).chunks as { text: string }[];
    strictEqual(chunk?.text, "hé");
    match(((await call("explain", sleep)).steps as string[])[0]!, /^start .*sleep 60/);
  }));

Deno.test("EXEC answers as the original did, and says more", () =>
  bench(1, async ({ call, kernel }) => {
    const sync = { async: false };
    deepStrictEqual(await call("exec", sync), {
      success: false,
      stdout: "",
      stderr: "",
      exit_code: -1,
      error: "command required",
      code: "bad_request",
    });
    const denied = await call("exec", { ...sync, command: "ls" }, principal(kernel, "standard"));
    match(denied.error!, /^Permission denied: command not allowed/);
    strictEqual(denied.exit_code, -1);
    const fine = await call("exec", { ...sync, command: "printf 'a\\377'", base64: true });
    deepStrictEqual([fine.success, fine.stdout, fine.stderr, fine.exit_code, fine.stdout_base64], [
      true,
      "a\ufffd",
      "",
      0,
      "Yf8=",
    ]);
    strictEqual((await call("exec", { ...sync, command: "false" })).success, false);
    const late = await call("exec", { ...sync, command: "echo begun; sleep 9", shell: true, timeout: 0.2 });
    deepStrictEqual([late.success, late.code, late.timed_out, late.stdout, late.exit_code], [
      false,
      "timeout",
      true,
      "begun\n",
      -1,
    ]);
    strictEqual((await call("exec", { command: "true" })).status, "accepted");
  }));
