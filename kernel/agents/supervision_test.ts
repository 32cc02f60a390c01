import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { VirtualClock } from "../../worlds/clock.ts";
import { Bench, FakeLauncher } from "./fake_launcher_test.ts";

/** A bench in virtual time. */
async function bench(
  test: (b: { bench: Bench; launcher: FakeLauncher; clock: VirtualClock }) => Promise<void>,
) {
  const clock = new VirtualClock();
  let launcher!: FakeLauncher;
  const made = new Bench((clock) => launcher = new FakeLauncher(clock), clock);
  try {
    await test({ bench: made, launcher, clock });
  } finally {
    await made[Symbol.asyncDispose]();
  }
}

/** Lets promises and file operations settle; virtual time stands still. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}

const sleep = ["sleep", "60"];
const crashing = { command: sleep, restart_policy: "on-failure", name: "worker" } as const;

Deno.test("a policy of never restarts nothing, and every end is told once", () =>
  bench(async ({ bench, launcher, clock }) => {
    const agent = await bench.spawn({ command: sleep, name: "once" });
    launcher.last.exit(3);
    strictEqual((await agent.finished).code, 3);
    await clock.advance(600_000);
    strictEqual(launcher.started.length, 1);
    strictEqual(agent.state, "crashed");
    deepStrictEqual(bench.events("name", "exit_code", "reason", "restart_count"), [
      ["AGENT_SPAWNED", "once", undefined, undefined, 0],
      ["AGENT_EXITED", "once", 3, "exited", undefined],
    ]);
  }));

Deno.test("a restart keeps number and name, waits longer each time, and is told as a spawn", () =>
  bench(async ({ bench, launcher, clock }) => {
    const agent = await bench.spawn(crashing);
    const starts: number[] = [];
    for (const wait of [1_100, 2_200, 4_400]) {
      launcher.last.exit(1);
      await settle();
      strictEqual(agent.state, "starting");
      const before = launcher.started.length;
      await clock.advance(wait * 0.8);
      await settle();
      strictEqual(launcher.started.length, before, "it must not come back too early");
      await clock.advance(wait * 0.2);
      await settle();
      strictEqual(launcher.started.length, before + 1);
      starts.push(launcher.last.request.id);
    }
    deepStrictEqual(starts, [agent.id, agent.id, agent.id]);
    strictEqual(bench.principals.named("worker"), agent.principal);
    deepStrictEqual(bench.events("agent_id", "restart_count").slice(0, 4), [
      ["AGENT_SPAWNED", agent.id, 0],
      ["AGENT_EXITED", agent.id, undefined],
      ["AGENT_RESTARTING", agent.id, 1],
      ["AGENT_SPAWNED", agent.id, 1],
    ]);
  }));

Deno.test("too many restarts escalate: an event, mail to the parent, and nothing more", () =>
  bench(async ({ bench, launcher, clock }) => {
    const parent = await bench.spawn({ command: sleep, name: "parent", level: "unrestricted" });
    const child = await bench.spawn({ ...crashing, max_restarts: 2 }, parent.principal);
    for (let i = 0; i < 3; i++) {
      launcher.last.exit(9);
      await settle();
      await clock.advance(10_000);
      await settle();
    }
    strictEqual(child.state, "crashed");
    strictEqual(launcher.started.length, 4);
    const escalated = bench.events("name", "restart_count", "exit_code").filter(([type]) =>
      type === "AGENT_ESCALATED"
    );
    deepStrictEqual(escalated, [["AGENT_ESCALATED", "worker", 2, 9]]);
    const [letter] = bench.mail.take(parent.principal, 10);
    strictEqual((letter?.message as { type: string }).type, "AGENT_ESCALATED");
  }));

Deno.test("a start that fails counts, is tried again, and escalates", () =>
  bench(async ({ bench, launcher, clock }) => {
    const agent = await bench.spawn({ ...crashing, max_restarts: 2 });
    launcher.failures = 100;
    launcher.last.exit(1);
    for (let i = 0; i < 4; i++) {
      await settle();
      await clock.advance(10_000);
    }
    await settle();
    strictEqual(agent.state, "crashed");
    const ends = bench.events("exit_code").filter(([type]) => type === "AGENT_EXITED");
    deepStrictEqual(ends, [["AGENT_EXITED", 1], ["AGENT_EXITED", 127], ["AGENT_EXITED", 127]]);
  }));

Deno.test("a long healthy run makes earlier crashes forgotten", () =>
  bench(async ({ bench, launcher, clock }) => {
    const agent = await bench.spawn({ ...crashing, max_restarts: 1, restart_window: 60 });
    for (let i = 0; i < 4; i++) {
      await clock.advance(61_000);
      launcher.last.exit(1);
      await settle();
      await clock.advance(1_100);
      await settle();
    }
    strictEqual(agent.state, "running");
    strictEqual(agent.restartCount, 4);
  }));

Deno.test("a kill during the back-off finds the agent, and it does not come back", () =>
  bench(async ({ bench, launcher, clock }) => {
    const agent = await bench.spawn(crashing);
    launcher.last.exit(1);
    await settle();
    strictEqual(agent.state, "starting");
    strictEqual(bench.agents.named("worker"), agent);
    await agent.stop({ by: 1 });
    strictEqual(agent.state, "stopped");
    await clock.advance(600_000);
    await settle();
    strictEqual(launcher.started.length, 1);
    // A later agent of that name has its own policy and its own program.
    const later = await bench.spawn({ command: ["true"], name: "worker" });
    launcher.last.exit(1);
    await later.finished;
    await clock.advance(600_000);
    strictEqual(launcher.started.length, 2);
  }));

Deno.test("a kill clears the policy of a running agent", () =>
  bench(async ({ bench, launcher, clock }) => {
    const agent = await bench.spawn({ ...crashing, restart_policy: "always" });
    launcher.last.onTerm = () => launcher.last.exit(0);
    const exit = await agent.stop({ by: 5 });
    strictEqual(exit.reason, "killed");
    await clock.advance(600_000);
    strictEqual(launcher.started.length, 1);
    deepStrictEqual(bench.events("reason", "killed_by").at(-1), ["AGENT_EXITED", "killed", 5]);
  }));

Deno.test("who ignores SIGTERM is killed after the grace period, and a second kill shortens it", () =>
  bench(async ({ bench, launcher, clock }) => {
    const agent = await bench.spawn({ command: sleep });
    const stopped = agent.stop({ by: 1 });
    await clock.advance(4_900);
    strictEqual(launcher.last.ended, false);
    await clock.advance(200);
    strictEqual((await stopped).signal, "SIGKILL");
    deepStrictEqual(launcher.last.signals, ["SIGTERM", "SIGKILL"]);
    const other = await bench.spawn({ command: sleep });
    const slow = other.stop({ by: 1, graceMs: 60_000 });
    const quick = other.stop({ by: 1, graceMs: 10 });
    await clock.advance(20);
    strictEqual((await slow).signal, "SIGKILL");
    strictEqual((await quick).signal, "SIGKILL");
  }));

Deno.test("a paused agent can be killed", () =>
  bench(async ({ bench, launcher }) => {
    const agent = await bench.spawn({ command: sleep });
    await agent.pause(1);
    await rejects(agent.pause(1), /it is paused/);
    launcher.last.onTerm = () => launcher.last.exit(null, "SIGTERM");
    strictEqual((await agent.stop({ by: 1 })).signal, "SIGTERM");
    await rejects(agent.resume(1), /it is stopped/);
  }));

Deno.test("a paused agent that dies is noticed", () =>
  bench(async ({ bench, launcher }) => {
    const agent = await bench.spawn({ command: sleep });
    await agent.pause(1);
    launcher.last.exit(null, "SIGKILL");
    strictEqual((await agent.finished).signal, "SIGKILL");
  }));

Deno.test("when a parent ends its children are stopped first, and a restarted parent can have them anew", () =>
  bench(async ({ bench, launcher, clock }) => {
    const parent = await bench.spawn({ ...crashing, name: "parent", level: "unrestricted" });
    const first = launcher.last;
    const child = await bench.spawn({ command: sleep, name: "child" }, parent.principal);
    first.exit(1);
    await settle();
    strictEqual(child.state, "stopping");
    await clock.advance(1_200);
    await settle();
    strictEqual(launcher.started.length, 2, "the parent waits for the end of its children");
    await clock.advance(5_000);
    await settle();
    strictEqual(child.state, "stopped");
    strictEqual(parent.state, "running");
    await bench.spawn({ command: sleep, name: "child" }, parent.principal);
  }));

Deno.test("a first start that fails leaves nothing behind", () =>
  bench(async ({ bench, launcher }) => {
    launcher.failures = 1;
    await rejects(bench.spawn(crashing), (error: Error & { code?: string; details?: unknown }) => {
      match(error.message, /^failed to spawn agent: Cannot start/);
      deepStrictEqual(error.details, { step: "exec", errno: "ENOEXEC", refused: false });
      return error.code === "unavailable";
    });
    strictEqual(bench.principals.named("worker"), undefined);
    strictEqual([...bench.agents.all()].length, 0);
    await settle();
    deepStrictEqual([...Deno.readDirSync(`${bench.runDir}/agents`)], []);
    await bench.spawn(crashing);
  }));

Deno.test("closing stops everyone and takes nobody more", () =>
  bench(async ({ bench, launcher, clock }) => {
    const agents = [
      await bench.spawn({ command: sleep }),
      await bench.spawn({ ...crashing, restart_policy: "always" }),
    ];
    const closed = bench.agents.close();
    await clock.advance(5_100);
    await closed;
    deepStrictEqual(agents.map((agent) => agent.state), ["stopped", "stopped"]);
    ok(launcher.started.every((process) => process.ended));
    await rejects(bench.spawn({ command: sleep }), /the kernel is stopping/);
  }));
