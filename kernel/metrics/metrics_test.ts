import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { VirtualClock } from "../../worlds/clock.ts";
import { type AgentFacts, Metrics } from "./metrics.ts";

const linux = { ignore: Deno.build.os !== "linux" };

function factsOf(id: number, more: Partial<AgentFacts> = {}): AgentFacts {
  return {
    id,
    name: `agent-${id}`,
    pid: Deno.pid,
    state: "running",
    cgroup: null,
    uptimeMs: 10_000,
    sandboxed: false,
    counts: { syscalls: 5, denials: 1, sent: 2, received: 3, bytesRead: 4, bytesWritten: 6 },
    usage: { calls: 7, tokens: 8 },
    ...more,
  };
}

async function withCgroup(
  run: (dir: string, usage: (usec: number) => Promise<void>) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  const usage = (usec: number) => Deno.writeTextFile(`${dir}/cpu.stat`, `usage_usec ${usec}\n`);
  try {
    await Deno.writeTextFile(`${dir}/cgroup.procs`, "");
    await Deno.writeTextFile(`${dir}/memory.current`, "4096\n");
    await usage(0);
    await run(dir, usage);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("nothing is read twice within a tick, and everything anew after it", linux, async () => {
  const clock = new VirtualClock();
  const metrics = new Metrics({ clock });
  const system = metrics.system();
  const agent = metrics.agent(factsOf(1));
  await clock.advance(200);
  strictEqual(metrics.system(), system);
  strictEqual(metrics.agent(factsOf(1)), agent);
  strictEqual((await metrics.all([factsOf(1)]))[0], agent);
  await clock.advance(100);
  ok(metrics.system() !== system && metrics.agent(factsOf(1)) !== agent);
});

Deno.test("a change of state or of the process shows at once", linux, () => {
  const metrics = new Metrics({ clock: new VirtualClock() });
  strictEqual(metrics.agent(factsOf(1)).status, "RUNNING");
  strictEqual(metrics.agent(factsOf(1, { state: "paused" })).status, "PAUSED");
  strictEqual(metrics.agent(factsOf(1, { pid: 1 })).process.pid, 1);
  const ended = metrics.agent(factsOf(1, { state: "crashed", pid: 0, uptimeMs: 0 }));
  deepStrictEqual([ended.status, ended.pid, ended.process.state, ended.cpu_percent], ["FAILED", 0, "?", 0]);
});

Deno.test("an agent's counters are its own", linux, () => {
  const { kernel_stats, syscalls_count, uptime_seconds, uptime_ms } = new Metrics({
    clock: new VirtualClock(),
  })
    .agent(factsOf(1));
  deepStrictEqual(kernel_stats, {
    syscall_count: 5,
    denial_count: 1,
    llm_calls: 7,
    llm_tokens_used: 8,
    messages_sent: 2,
    messages_recv: 3,
    bytes_read: 4,
    bytes_written: 6,
  });
  deepStrictEqual([syscalls_count, uptime_seconds, uptime_ms], [5, 10, 10_000]);
});

Deno.test(
  "CPU of a cgroup is measured over its life at first, then over the last seconds, whoever asks",
  linux,
  () =>
    withCgroup(async (dir, usage) => {
      const clock = new VirtualClock();
      const metrics = new Metrics({ clock, cgroupRoot: dir.slice(0, dir.lastIndexOf("/")) });
      await usage(2_500_000);
      const first = metrics.agent(factsOf(1, { cgroup: dir }));
      strictEqual(first.cpu_percent, 25, "2.5 s of CPU in a life of 10 s");
      strictEqual(first.memory_bytes, 4_096);
      strictEqual(first.cgroup?.cgroup_path, dir.slice(dir.lastIndexOf("/") + 1));
      for (let second = 1; second <= 4; second++) {
        await usage(2_500_000 + second * 1_000_000);
        await clock.advance(1_000);
        const [one] = await metrics.all([factsOf(1, { cgroup: dir, uptimeMs: 10_000 + second * 1_000 })]);
        if (second > 1) strictEqual(one!.cpu_percent, 100);
      }
    }),
);

Deno.test("with many agents the answer has every agent whole, new ones too", linux, async () => {
  const clock = new VirtualClock();
  const metrics = new Metrics({ clock });
  const facts = Array.from({ length: 60 }, (_, i) => factsOf(i + 1));
  for (let round = 0; round < 3; round++) {
    const all = await metrics.all(facts);
    deepStrictEqual(all.map((one) => one.agent_id), facts.map((one) => one.id));
    for (const { process } of all) {
      ok(process.cmdline !== "" && process.memory.rss > 0 && process.memory.data > 0 && process.fds > 0);
    }
    await clock.advance(1_000);
  }
});
