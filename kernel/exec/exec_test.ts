import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { Bench } from "../agents/fake_launcher_test.ts";
import { createPlainLauncher } from "../agents/plain.ts";
import { sessionMembers } from "../agents/processes.ts";
import { systemClock } from "../../worlds/clock.ts";
import { LIMITS } from "../limits.ts";
import { Log } from "../log.ts";
import { Authority, Policy } from "../../permissions/mod.ts";
import type { Principal } from "../principals.ts";
import { type ExecOutcome, type ExecRequest, ExecRunner } from "./exec.ts";

type Run = (request: Partial<ExecRequest>, caller?: Principal, signal?: AbortSignal) => Promise<ExecOutcome>;

async function runner(test: (run: Run, bench: Bench) => Promise<void>): Promise<void> {
  const launcher = createPlainLauncher();
  await using bench = new Bench(() => launcher);
  const log = new Log({ level: "error", format: "text", write: () => {} });
  const exec = new ExecRunner({ clock: systemClock, log, agents: bench.agents, launcher });
  await test((request, caller = bench.operator, signal = new AbortController().signal) => {
    return exec.run({ timeoutMs: 10_000, ...request }, { caller, signal, demand: bench.demand(caller) });
  }, bench);
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const fails = (code: string, pattern: RegExp) => (error: Error & { code?: string }) => {
  match(error.message, pattern);
  strictEqual(error.code, code);
  return true;
};

/** An operator with less than everything. */
function limited(bench: Bench, ...rules: string[]): Principal {
  return bench.principals.create("operator", { authority: new Authority(Policy.parse(rules)) });
}

Deno.test("nothing to run, two things to run, and a shell for argv are refused", () =>
  runner(async (run) => {
    await rejects(run({}), fails("bad_request", /^command required$/));
    await rejects(run({ command: "  " }), fails("bad_request", /^command required$/));
    await rejects(run({ argv: ["ls"], command: "ls" }), fails("bad_request", /leave one out/));
    await rejects(run({ argv: ["ls"], shell: true }), fails("bad_request", /use command/));
    await rejects(run({ argv: ["echo", "a\0b"] }), fails("bad_request", /zero byte/));
    await rejects(run({ command: "no-such-program" }), fails("not_found", /no such program/));
  }));

Deno.test("an allowed program is a program, not a piece of text", () =>
  runner(async (run, bench) => {
    const caller = limited(bench, "exec:ls", "fs.read:/tmp/**");
    await rejects(run({ command: "echo I-am-not-ls" }, caller), fails("denied", /exec/));
    await rejects(run({ command: "ls; id" }, caller), fails("bad_request", /only a shell understands ";"/));
    await rejects(run({ command: "ls", shell: true }, caller), fails("denied", /exec.shell/));
    await rejects(run({ argv: ["/tmp/ls"] }, caller), fails("denied", /exec/));
    await rejects(
      run({ command: "ls", cwd: "/tmp && echo INJECTED" }, caller),
      fails("not_found", /Cannot find/),
    );
    await rejects(run({ command: "ls", cwd: "/etc" }, caller), fails("denied", /fs.read/));
    const outcome = await run({ command: "ls 'a;b'", cwd: "/tmp" }, caller);
    strictEqual(outcome.exitCode, 2);
    match(text(outcome.stderr), /a;b/);
  }));

Deno.test("both streams are told apart, and the exit code is the program's", () =>
  runner(async (run) => {
    const outcome = await run({ command: "echo out; echo err >&2; exit 7", shell: true });
    deepStrictEqual([text(outcome.stdout), text(outcome.stderr), outcome.exitCode, outcome.signal], [
      "out\n",
      "err\n",
      7,
      null,
    ]);
  }));

Deno.test("a command gets a clean environment, its input, and the directory it asked for", () =>
  runner(async (run) => {
    Deno.env.set("CLOVE_TEST_SECRET", "leak");
    const { stdout } = await run({ argv: ["env"], env: { GIVEN: "yes" } });
    Deno.env.delete("CLOVE_TEST_SECRET");
    ok(text(stdout).includes("GIVEN=yes") && !text(stdout).includes("leak"));
    strictEqual(text((await run({ argv: ["cat"], input: "in €" })).stdout), "in €");
    strictEqual(text((await run({ argv: ["cat"] })).stdout), "");
    strictEqual(text((await run({ argv: ["pwd"], cwd: "/usr" })).stdout), "/usr\n");
    strictEqual((await run({ argv: ["true"], input: "x".repeat(1 << 20) })).exitCode, 0);
  }));

Deno.test("time is limited: what came before is kept, and everything is ended", {
  ignore: Deno.build.os !== "linux",
}, () =>
  runner(async (run) => {
    const started = performance.now();
    const outcome = await run({ command: "echo $$; sleep 30 & sleep 30", shell: true, timeoutMs: 200 });
    ok(performance.now() - started < 5_000);
    deepStrictEqual([outcome.timedOut, outcome.exitCode], [true, -1]);
    deepStrictEqual(await sessionMembers(Number(text(outcome.stdout))), []);
  }));

Deno.test("a caller that goes takes its command along", () =>
  runner(async (run) => {
    const gone = new AbortController();
    const outcome = run({ argv: ["sleep", "30"] }, undefined, gone.signal);
    setTimeout(() => gone.abort(), 50);
    strictEqual((await outcome).signal, "SIGKILL");
  }));

Deno.test("output is bounded and the rest is dropped without blocking the command", () =>
  runner(async (run) => {
    const outcome = await run({ command: "head -c 3000000 /dev/zero; echo done >&2", shell: true });
    strictEqual(outcome.stdout.byteLength, LIMITS.execOutputBytes);
    deepStrictEqual([outcome.stdoutTruncated, outcome.stderrTruncated, text(outcome.stderr)], [
      true,
      false,
      "done\n",
    ]);
  }));

Deno.test("bytes that are no text arrive as they are", () =>
  runner(async (run) => {
    deepStrictEqual([...(await run({ argv: ["printf", "\\377a"] })).stdout], [0xff, 0x61]);
  }));

Deno.test("one caller runs so many commands at once and no more; others are not concerned", () =>
  runner(async (run, bench) => {
    const all = Array.from({ length: LIMITS.execAtOnce }, () => run({ argv: ["sleep", "1"] }));
    await rejects(run({ argv: ["true"] }), fails("limit", /are running, wait/));
    strictEqual((await run({ argv: ["true"] }, limited(bench, "exec:*"))).exitCode, 0);
    await Promise.all(all);
    strictEqual((await run({ argv: ["true"] })).exitCode, 0);
  }));

Deno.test("a signal is told", () =>
  runner(async (run) => {
    const outcome = await run({ command: "kill -9 $$", shell: true });
    deepStrictEqual([outcome.exitCode, outcome.signal], [-1, "SIGKILL"]);
  }));

Deno.test("an agent's command runs in what the agent runs in", () =>
  runner(async (run, bench) => {
    const agent = await bench.spawn({ command: ["sleep", "60"], policy: ["level:sandboxed", "exec:*"] });
    const outcome = await run({ argv: ["pwd"] }, agent.principal);
    strictEqual(text(outcome.stdout), `${bench.runDir}/agents/${agent.id}/work\n`);
    strictEqual(
      text((await run({ argv: ["pwd"], cwd: "/work" }, agent.principal)).stdout),
      text(outcome.stdout),
    );
    await rejects(
      run({ argv: ["pwd"], cwd: "/etc" }, agent.principal),
      fails("not_found", /outside of what/),
    );
    const remote = bench.principals.create("remote", {
      authority: new Authority(Policy.level("unrestricted")),
    });
    await rejects(run({ argv: ["pwd"] }, remote), fails("unavailable", /no place on this machine/));
    await agent.stop({ by: 1, graceMs: 0 });
  }));

Deno.test("the end of one command does not end another, nor the agent that ran it", () =>
  runner(async (run, bench) => {
    const agent = await bench.spawn({ command: ["sleep", "60"], policy: ["level:sandboxed", "exec:*"] });
    const first = run({ argv: ["sleep", "0.1"] }, agent.principal);
    const second = run({ argv: ["sleep", "0.5"] }, agent.principal);
    deepStrictEqual([(await first).exitCode, (await second).exitCode, agent.state], [0, 0, "running"]);
    await agent.stop({ by: 1, graceMs: 0 });
  }));
