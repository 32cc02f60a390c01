/**
 * Many agents at once: how much of the machine each holds, how long it takes to look at all of them, to end them, and
 * that nothing of them is left.
 *
 * @module
 */
import { type Clove, connect } from "../sdk/mod.ts";
import { census } from "./lib/census.ts";
import { report } from "./lib/report.ts";
import { type Server, startKernelProcess } from "./lib/servers.ts";
import { crowd, quantile, spreadOf } from "./lib/spread.ts";

/** Measured for what each holds. */
const SOME = 200;
/** Alive at once. */
const MANY = 1000;
const LISTS = 50;
/** Others' memory comes and goes meanwhile. */
const WEIGHINGS = 3;
const IN_FLIGHT = 8;
const KILLS_IN_FLIGHT = 64;
/** What idle agents run; the fraction tells them from everybody else's. */
export const SLEEP: readonly string[] = ["/bin/sleep", `100000.${Deno.pid}`];
/** What their names begin with. */
export const PREFIX = "crowd-";

/** Starts agents that do nothing; milliseconds until all of them run. */
export async function startCrowd(clove: Clove, count: number): Promise<number> {
  const startedAt = performance.now();
  await crowd((i) => clove.agent.spawn({ command: [...SLEEP], name: `${PREFIX}${i}` }), count, IN_FLIGHT);
  return performance.now() - startedAt;
}

/** Ends them; milliseconds until the last has ended. */
export async function endCrowd(clove: Clove, count: number): Promise<number> {
  const startedAt = performance.now();
  await crowd(
    async (i) => {
      await clove.agent.kill({ name: `${PREFIX}${i}` });
      await clove.agent.wait({ name: `${PREFIX}${i}` });
    },
    count,
    KILLS_IN_FLIGHT,
  );
  return performance.now() - startedAt;
}

/** What is there beyond what was there before; empty when nothing is. */
export async function leftBehind(kernel: Server, before: ReturnType<typeof census>): Promise<string> {
  const left = (): string =>
    Object.entries(census(kernel.pid, PREFIX)).flatMap(([what, count]) => {
      const more = count - before[what as keyof typeof before];
      return more > 0 ? [`${more} ${what}`] : [];
    }).join(", ");
  // Directories are removed after the answer that tells of the end.
  for (let tries = 0; tries < 50 && left() !== ""; tries++) await sleep(100);
  return left();
}

/** Counts after one agent has come and gone: what a kernel opens once is not left behind. */
export async function countBefore(kernel: Server, clove: Clove): Promise<ReturnType<typeof census>> {
  await startCrowd(clove, IN_FLIGHT);
  await endCrowd(clove, IN_FLIGHT);
  for (let tries = 0; tries < 50 && census(kernel.pid, PREFIX).directories > 0; tries++) await sleep(100);
  return census(kernel.pid, PREFIX);
}

/** Weighs a crowd of agents, the kernel's share included, and as many bare processes. */
async function memory(clove: Clove): Promise<void> {
  const bare: number[] = [];
  const agents: number[] = [];
  for (let i = 0; i < WEIGHINGS; i++) {
    const children: Deno.ChildProcess[] = [];
    bare.push(
      await weigh(() => {
        for (let child = 0; child < SOME; child++) {
          children.push(
            new Deno.Command(SLEEP[0]!, { args: SLEEP.slice(1), stdin: "null", stdout: "null" }).spawn(),
          );
        }
      }),
    );
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(children.map(({ status }) => status));
    agents.push(await weigh(() => startCrowd(clove, SOME)));
    await endCrowd(clove, SOME);
  }
  const [own, held] = [quantile(bare, 0.5), quantile(agents, 0.5)];
  report(`memory of the machine for one of ${SOME} idle agents`, { value: held - own }, {
    limit: "<= 1.2 MiB beyond the program's own",
    unit: "MiB",
  });
  report("  the program's own, without a sandbox", { value: own }, { limit: "-", unit: "MiB" });
}

/** MiB by which the machine has less when something was started, for each of {@link SOME}. */
async function weigh(start: () => unknown): Promise<number> {
  await sleep(500);
  const before = availableMiB();
  await start();
  await sleep(500);
  return (before - availableMiB()) / SOME;
}

/** Every figure of this file. */
export async function thousand(): Promise<void> {
  await using kernel = await startKernelProcess();
  await using clove = await connect({ path: kernel.socket });
  const before = await countBefore(kernel, clove);
  await memory(clove);
  const started = await startCrowd(clove, MANY);
  report(`${MANY} idle agents, until all run`, { value: started }, { limit: "-", unit: "ms" });
  report("  agents a second, through the kernel", { value: MANY / started * 1000 }, {
    limit: "-",
    unit: "/s",
  });
  const lists: number[] = [];
  for (let i = 0; i < LISTS; i++) {
    const startedAt = performance.now();
    const all = await clove.agent.list();
    lists.push(performance.now() - startedAt);
    if (all.length !== MANY) throw new Error(`Cannot measure: ${all.length} of ${MANY} agents are alive`);
  }
  report(`LIST of ${MANY}`, { times: { clove: spreadOf(lists) } }, { limit: "<= 20 ms", unit: "ms" });
  report(`${MANY} stopped`, { value: await endCrowd(clove, MANY) }, { limit: "<= 10,000 ms", unit: "ms" });
  console.log(`left behind: ${await leftBehind(kernel, before) || "nothing"}   (promised nothing)`);
}

function availableMiB(): number {
  return Number(/MemAvailable:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/meminfo"))![1]) / 1024;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

if (import.meta.main) await thousand();
