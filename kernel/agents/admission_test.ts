import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { fileNeed, plainNeed } from "../../permissions/mod.ts";
import { type Clock, VirtualClock } from "../../worlds/clock.ts";
import type { Agent } from "./agent.ts";
import type { SpawnRequest } from "./admission.ts";
import { Bench, FakeLauncher } from "./fake_launcher_test.ts";

const sleep = ["sleep", "60"];
const fails = (code: string, text: RegExp) => (error: Error & { code?: string }) => {
  match(error.message, text);
  strictEqual(error.code, code);
  return true;
};

/** A bench whose launcher has every wall, or none. */
async function bench(
  walls: boolean,
  test: (bench: Bench, launcher: FakeLauncher) => Promise<void>,
): Promise<void> {
  let launcher!: FakeLauncher;
  await using made = new Bench(
    (clock: Clock) => launcher = new FakeLauncher(clock, walls),
    new VirtualClock(),
  );
  await test(made, launcher);
}

/** An agent of some level, spawned by the operator. */
function agentOf(bench: Bench, request: SpawnRequest): Promise<Agent> {
  return bench.spawn({ command: sleep, ...request });
}

Deno.test("who holds no spawn cannot spawn, and the receipt says what is missing", () =>
  bench(false, async (bench) => {
    const parent = await agentOf(bench, { level: "minimal" });
    await rejects(
      bench.spawn({ script: "/x.ts" }, parent.principal),
      (error: Error & { receipt?: { missing: string } }) => {
        match(error.message, /^failed to spawn agent: /);
        return error.receipt?.missing === "spawn:deno count=1 depth=1";
      },
    );
  }));

Deno.test("an interpreter that the policy does not name cannot be chosen", () =>
  bench(true, async (bench) => {
    const script = "/usr/share/clove-no-such-script";
    const parent = await agentOf(bench, { policy: ["spawn:python3 count=2"], ro: ["/usr/share"] });
    for (const request of [{ script, python: "/bin/sh" }, { command: ["/bin/sh"] }, { script: "/x.ts" }]) {
      await rejects(bench.spawn(request, parent.principal), fails("denied", /spawn/));
    }
    await rejects(bench.spawn({ script }, parent.principal), fails("not_found", /Cannot find/));
  }));

Deno.test("children are counted, those still being started too", () =>
  bench(true, async (bench) => {
    const parent = await agentOf(bench, { policy: ["spawn:* count=2"] });
    const tries = [1, 2, 3, 4].map(() => bench.spawn({ command: sleep }, parent.principal));
    const outcomes = await Promise.allSettled(tries);
    strictEqual(outcomes.filter(({ status }) => status === "fulfilled").length, 2);
  }));

Deno.test("depth is counted down the tree", () =>
  bench(true, async (bench) => {
    const first = await agentOf(bench, { level: "sandboxed" });
    const second = await bench.spawn({ command: sleep }, first.principal);
    const third = await bench.spawn({ command: sleep }, second.principal);
    await rejects(bench.spawn({ command: sleep }, third.principal), fails("denied", /2 levels/));
  }));

Deno.test("a child never has more rights than its parent, whatever it asks for, and loses what the parent loses", () =>
  bench(true, async (bench) => {
    const parent = await agentOf(bench, { policy: ["spawn:*", "state:*", "fs.read:/data/**"] });
    const child = await bench.spawn({ command: sleep, level: "unrestricted" }, parent.principal);
    const may = (capability: "state" | "admin" | "ipc") =>
      child.principal.authority.weigh(plainNeed(capability, "x"), 0).allowed;
    deepStrictEqual([may("state"), may("admin"), may("ipc")], [true, false, false]);
    ok(child.principal.authority.weigh(fileNeed("fs.read", "/data/x"), 0).allowed);
    const { Policy } = await import("../../permissions/mod.ts");
    parent.principal.authority.replace(Policy.level("minimal"));
    strictEqual(may("state"), true);
    strictEqual(child.principal.authority.weigh(fileNeed("fs.read", "/data/x"), 0).allowed, false);
  }));

Deno.test("an agent cannot ask for fewer walls or for the network, and an administrator can", () =>
  bench(true, async (bench) => {
    const parent = await agentOf(bench, { level: "standard" });
    await rejects(
      bench.spawn({ command: sleep, sandboxed: false }, parent.principal),
      fails("denied", /admin/),
    );
    await rejects(bench.spawn({ command: sleep, network: true }, parent.principal), fails("denied", /admin/));
    const weak = bench.principal("operator", "standard");
    await rejects(bench.spawn({ command: sleep, sandboxed: false }, weak), fails("denied", /admin/));
    const free = await agentOf(bench, { level: "standard", sandboxed: false, network: true });
    const child = await bench.spawn({ command: sleep }, free.principal);
    deepStrictEqual([child.plan.sandboxed, child.plan.network], [false, "host"]);
  }));

Deno.test("a child must have the walls its parent has", () =>
  bench(true, async (bench, launcher) => {
    const parent = await agentOf(bench, { level: "sandboxed" });
    await bench.spawn({ command: sleep }, parent.principal);
    deepStrictEqual([...launcher.last.request.require].sort(), [
      "caps",
      "cgroup",
      "ipc",
      "landlock",
      "mount",
      "net",
      "pid",
      "seccomp",
      "user",
      "uts",
    ]);
  }));

Deno.test("where nothing holds native code, an agent that may not run commands cannot spawn native programs", () =>
  bench(false, async (bench) => {
    const parent = await agentOf(bench, { level: "sandboxed" });
    await rejects(bench.spawn({ command: sleep }, parent.principal), fails("unavailable", /Cannot have pid/));
    const capable = await agentOf(bench, { policy: ["level:sandboxed", "exec:sleep"] });
    await bench.spawn({ command: sleep }, capable.principal);
    await rejects(
      bench.spawn({ command: ["id"] }, capable.principal),
      fails("unavailable", /Cannot have pid/),
    );
  }));

Deno.test("a child gets no more memory, processes or CPU than its parent", () =>
  bench(true, async (bench) => {
    const parent = await agentOf(bench, { level: "sandboxed", limits: { memory_mb: 64, max_pids: 10 } });
    await rejects(
      bench.spawn({ command: sleep, limits: { memory_mb: 128 } }, parent.principal),
      fails("limit", /memory 134217728, at most 67108864/),
    );
    const child = await bench.spawn({ command: sleep }, parent.principal);
    deepStrictEqual([child.limits.memory, child.limits.max_pids], [64 * 1024 * 1024, 10]);
  }));

Deno.test("names are unique among agents and registered names, and free again at the end", () =>
  bench(true, async (bench, launcher) => {
    ok(bench.principals.claim(bench.operator, "orchestrator"));
    await rejects(
      agentOf(bench, { name: "orchestrator" }),
      fails("conflict", /^failed to spawn agent: .*the name is taken/),
    );
    const agent = await agentOf(bench, { name: "worker" });
    await rejects(agentOf(bench, { name: "worker" }), fails("conflict", /taken/));
    launcher.last.exit(0);
    await agent.finished;
    await agentOf(bench, { name: "worker" });
    match((await agentOf(bench, {})).name, /^agent_\d+$/);
  }));

Deno.test("places are given only by who holds all of them, and never for writing from a read-only view", () =>
  bench(true, async (bench, launcher) => {
    const data = `${bench.runDir}/data`;
    await Deno.mkdir(`${data}/sub`, { recursive: true });
    const parent = await agentOf(bench, { ro: [data], level: "sandboxed" });
    ok(
      launcher.last.request.mounts.some(({ source, target, mode }) =>
        source === data && target === data && mode === "ro"
      ),
    );
    ok(parent.principal.authority.weigh(fileNeed("fs.read", `${data}/sub/x`), 0).allowed);
    await bench.spawn({ command: sleep, ro: [`${data}/sub`] }, parent.principal);
    await rejects(bench.spawn({ command: sleep, rw: [data] }, parent.principal), fails("denied", /fs.write/));
    await rejects(
      bench.spawn({ command: sleep, ro: ["/etc"] }, parent.principal),
      fails("not_found", /outside of what/),
    );
    await rejects(
      bench.spawn({ command: sleep, workdir: data }, parent.principal),
      fails("denied", /fs.write/),
    );
  }));

Deno.test("what a sandboxed agent could exchange after the check is not mounted; its script is copied", () =>
  bench(true, async (bench, launcher) => {
    const parent = await agentOf(bench, { level: "sandboxed" });
    const work = `${bench.runDir}/agents/${parent.id}/work`;
    await Deno.mkdir(`${work}/dir`);
    await rejects(
      bench.spawn({ command: sleep, ro: ["/work/dir"] }, parent.principal),
      fails("denied", /send the contents/),
    );
    await Deno.symlink("/etc/passwd", `${work}/link.ts`);
    await rejects(
      bench.spawn({ script: "/work/link.ts" }, parent.principal),
      fails("not_found", /leads out/),
    );
    await Deno.writeTextFile(`${work}/child.ts`, "console.log(1)");
    const child = await bench.spawn({ script: "child.ts" }, parent.principal);
    const copy = `${bench.runDir}/agents/${child.id}/scripts/child.ts`;
    ok(launcher.last.request.argv.includes("/run/clove/scripts/child.ts"));
    await Deno.writeTextFile(`${work}/child.ts`, "changed");
    strictEqual(await Deno.readTextFile(copy), "console.log(1)");
    ok(!launcher.last.request.mounts.some(({ source }) => source.startsWith(work)));
  }));

Deno.test("in a sandbox everything has its usual name, and the process and the file syscalls agree", () =>
  bench(true, async (bench, launcher) => {
    const project = `${bench.runDir}/project`;
    await Deno.mkdir(project);
    await Deno.writeTextFile(`${project}/deno.json`, "{}");
    await Deno.writeTextFile(`${project}/a.ts`, "");
    const agent = await bench.spawn({ script: `${project}/a.ts`, name: "a" });
    const { request } = launcher.last;
    strictEqual(request.cwd, "/work");
    strictEqual(request.env.CLOVE_SOCKET, "/run/clove/clove.sock");
    ok(request.argv.includes(`--config=${project}/deno.json`));
    const view = bench.agents.viewOf(agent.principal);
    for (const { source, target, mode } of request.mounts) {
      deepStrictEqual(view.mounts!.find(({ inside }) => inside === target), {
        inside: target,
        outside: source,
        mode,
      });
    }
    ok(request.mounts.some(({ target, mode }) => target === project && mode === "ro"));
    const read = request.argv.find((word) => word.startsWith("--allow-read="))!.split("=")[1]!.split(",");
    deepStrictEqual(read.sort(), ["/run/clove/clove.sock", "/tmp", "/work", project].sort());
  }));

Deno.test("a missing script or program is told as such", () =>
  bench(true, async (bench) => {
    await rejects(
      bench.spawn({ script: "/no/such.ts" }),
      fails("not_found", /^failed to spawn agent: Cannot find "\/no\/such.ts"/),
    );
    await rejects(bench.spawn({ command: ["no-such-program"] }), fails("not_found", /no such program/));
    await rejects(bench.spawn({ script: "/etc" }), fails("bad_request", /no regular file/));
    await rejects(
      bench.spawn({ command: sleep, permissions: "broker" }),
      fails("bad_request", /only a Deno script/),
    );
  }));

Deno.test("only owner, ancestors and operators manage an agent", () =>
  bench(true, async (bench) => {
    const parent = await agentOf(bench, { level: "standard" });
    const child = await bench.spawn({ command: sleep }, parent.principal);
    const grandchild = await bench.spawn({ command: sleep }, child.principal);
    const sibling = await bench.spawn({ command: sleep }, parent.principal);
    const remote = bench.principal("remote", "standard");
    const may = (who: { principal: Agent["principal"] }, agent: Agent) =>
      bench.agents.mayManage(who.principal, agent);
    deepStrictEqual(
      [
        may(parent, child),
        may(parent, grandchild),
        may(child, parent),
        may(sibling, child),
        may(child, child),
      ],
      [true, true, false, false, false],
    );
    strictEqual(bench.agents.mayManage(remote, child), false);
    strictEqual(bench.agents.mayManage(bench.principal("operator", "standard"), grandchild), true);
  }));

Deno.test("what would be done is explained without doing it", () =>
  bench(true, async (bench, launcher) => {
    const steps = await bench.agents.explain(
      { command: sleep },
      bench.operator,
      bench.demand(bench.operator),
    );
    match(steps[0]!, /^start \/.*sleep 60$/);
    strictEqual(launcher.started.length, 0);
    strictEqual([...bench.agents.all()].length, 0);
  }));
