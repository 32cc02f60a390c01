import { ok, strictEqual } from "node:assert/strict";
import { cpuUsage } from "node:process";
import { lowerLimits } from "./limits.ts";
import { simulate, type Verdict } from "./simulate.ts";
import type { Share } from "./worker.ts";

lowerLimits();

/** The one seed that is asked for; else the first so many. */
const ONE = Deno.env.get("CLOVE_SEED");
const COUNT = Number(Deno.env.get("CLOVE_SEEDS") ?? 2_000);
/** For each two thousand, on one processor; counted as its time, whatever else the machine does. */
const BUDGET_S = 60;
/** Lines of the trace that are shown of a run that failed. */
const SHOWN = 60;

/** Runs seeds on two processors, and gives the first of them that shows something wrong. */
async function firstWrong(first: number, last: number): Promise<Verdict | null> {
  const workers = Math.min(2, navigator.hardwareConcurrency, last - first + 1);
  const shares = Array.from({ length: workers }, (_, i) => share({ first: first + i, last, step: workers }));
  const wrong = (await Promise.all(shares)).filter((verdict) => verdict !== null);
  return wrong.sort((a, b) => a.seed - b.seed)[0] ?? null;
}

async function share(task: Share): Promise<Verdict | null> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.addEventListener("message", ({ data }) => resolve(data));
      worker.addEventListener("error", (event) => {
        event.preventDefault();
        reject(new Error(`Cannot run the seeds from ${task.first}: ${event.message}`));
      });
      worker.postMessage(task);
    });
  } finally {
    worker.terminate();
  }
}

async function report({ seed, violation }: Verdict): Promise<string> {
  const { lines } = await simulate(seed, { keep: true });
  const shown = lines.slice(-SHOWN).map((line) => `  ${line.slice(0, 240)}`).join("\n");
  const again = `CLOVE_SEED=${seed} deno test -A tests/simulation/simulation_test.ts`;
  return `CLOVE_SEED=${seed}: ${violation}\n${shown}\nAgain: ${again}`;
}

Deno.test("whatever clients, agents and disks do, the kernel keeps its promises", async () => {
  const [first, last] = ONE === undefined ? [1, COUNT] : [Number(ONE), Number(ONE)];
  const before = cpuUsage();
  const startedAt = performance.now();
  const wrong = await firstWrong(first, last);
  if (wrong) throw new Error(await report(wrong));
  const { user, system } = cpuUsage(before);
  const seconds = (user + system) / 1e6;
  const count = last - first + 1;
  const took = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${count} seeds in ${took} s, ${seconds.toFixed(1)} s of processor time`);
  const budget = BUDGET_S * Math.max(1, count / 2_000);
  ok(seconds <= budget, `Cannot run ${count} seeds within ${budget} s: they took ${seconds} s`);
});

Deno.test("the same seed is the same run, in this process and in another", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const first = await simulate(seed);
    const second = await simulate(seed);
    strictEqual(second.digest, first.digest, `CLOVE_SEED=${seed}`);
  }
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("./main.ts", import.meta.url).pathname],
    env: { CLOVE_SEED: "7", NO_COLOR: "1" },
  }).output();
  const last = new TextDecoder().decode(stdout).trim().split("\n").at(-1);
  strictEqual(last, `well, ${(await simulate(7)).digest}`);
});
