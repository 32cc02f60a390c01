/**
 * Fault isolation: one agent burns the CPU, one eats memory, and a third goes on answering as if nothing happened.
 *
 *     deno run -A cli/main.ts run examples/fault_isolation.ts
 *
 * Where the machine offers no cgroup, nobody can hold the first two back, and the table says so. Ends with status 1
 * when the healthy agent suffered, or a limit did not hold that the kernel had reported as holding.
 */
import { type AgentSpawnParams, type AgentSpawnResult, connect } from "@clove/sdk";

const PINGS = 30;
const PERIOD_MS = 60;
const CPUS = 0.2;
const MEMORY_MIB = 64;
/** A healthy answer takes about a millisecond; this leaves room for a machine that is busy otherwise. */
const LATE_MS = 250;

await using clove = await connect();

/** Starts one of the three, by its file in `fault_isolation/`. */
function start(name: string, file: string, limits: AgentSpawnParams["limits"]): Promise<AgentSpawnResult> {
  const script = new URL(`fault_isolation/${file}`, import.meta.url).pathname;
  return clove.agent.spawn({ name, script, args: [], level: "minimal", limits });
}

const answers = clove.messages();
const healthy = await start("healthy", "healthy.ts", {});
// Its start is not what is measured.
await clove.ipc.send({ to: healthy.id, message: "ready?" });
await answers.next();
const cpu = await start("cpu-hog", "cpu_hog.py", { cpu: CPUS });
const memory = await start("memory-hog", "memory_hog.py", { memory_mb: MEMORY_MIB });

const waits: number[] = [];
for (let i = 0; i < PINGS; i++) {
  const sent = performance.now();
  await clove.ipc.send({ to: healthy.id, message: i });
  await answers.next();
  waits.push(performance.now() - sent);
  await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
}
const worst = Math.max(...waits);

const [cpuEnd, memoryEnd] = await Promise.all([cpu, memory].map(({ id }) => clove.agent.wait({ id })));
const used = cpuEnd!.usage && (cpuEnd!.usage.user_ms + cpuEnd!.usage.system_ms) / cpuEnd!.duration_ms;
const throttled = used !== null && used < CPUS * 1.5;
const killed = memoryEnd!.reason === "oom";
const limited = (agent: AgentSpawnResult, which: "cpu_quota" | "memory_limit") =>
  agent.isolation.cgroups[which];

const rows = [
  ["AGENT", "WHAT IT DID", "WHAT CAME OF IT"],
  ["healthy", `answered ${waits.length} of ${PINGS}`, `the slowest after ${worst.toFixed(1)} ms`],
  [
    "cpu-hog",
    "span for 2 s",
    `${throttled ? "throttled to " : ""}${used === null ? "an unknown share" : used.toFixed(2)} of a CPU; ` +
    (limited(cpu, "cpu_quota") ? `its limit is ${CPUS}` : "no cgroup here, nothing limits it"),
  ],
  [
    "memory-hog",
    "took 200 MiB",
    memoryEnd!.cause + (limited(memory, "memory_limit") ? "" : "; no cgroup here, nothing limits it"),
  ],
];
for (const row of rows) console.log(row.map((cell, i) => cell.padEnd([12, 20, 0][i]!)).join("").trimEnd());

await clove.agent.kill({ id: healthy.id });
const failures = [
  worst > LATE_MS && "the healthy agent was held up",
  limited(cpu, "cpu_quota") && !throttled && "the CPU limit did not hold",
  limited(memory, "memory_limit") && !killed && "the memory limit did not hold",
].filter(Boolean);
for (const failure of failures) console.log(`FAILED: ${failure}`);
Deno.exit(failures.length > 0 ? 1 : 0);
