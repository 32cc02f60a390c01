/**
 * What the permission broker costs: an agent for each of its checks, and everybody else while many agents check.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { type Clove, connect } from "../sdk/mod.ts";
import { load, type Measured } from "./lib/load.ts";
import { report } from "./lib/report.ts";
import { startKernelProcess } from "./lib/servers.ts";

const SCRIPT = fileURLToPath(new URL("lib/checks.ts", import.meta.url));
const CHECKS = 20_000;
const CROWD = 64;
const NOOPS = 20_000;
const ROUNDS = 9;

type Quantiles = Pick<Measured, "p50" | "p95" | "p99">;

/** Runs the measuring agent once. */
async function checks(clove: Clove, options: { permissions: "broker" | "flags"; sandboxed: boolean }) {
  const { agent_id } = await clove.agent.spawn({
    script: SCRIPT,
    args: ["measure", String(CHECKS)],
    limits: { cpu: 2 },
    ...options,
  });
  let text = "";
  for await (const part of clove.agent.output({ id: agent_id, follow: true })) text += part.text ?? "";
  try {
    return JSON.parse(text) as Record<"variable" | "whole" | "relative", Quantiles>;
  } catch {
    throw new Error(`Cannot measure: the agent said ${JSON.stringify(text.slice(0, 200))}`);
  }
}

async function decisions(): Promise<void> {
  await using kernel = await startKernelProcess();
  await using clove = await connect({ path: kernel.socket });
  for (const sandboxed of [true, false]) {
    const where = sandboxed ? "sandboxed" : "no mount namespace";
    const asked = await checks(clove, { permissions: "broker", sandboxed });
    const flags = await checks(clove, { permissions: "flags", sandboxed });
    for (const kind of ["variable", "whole", "relative"] as const) {
      const name = `broker, ${where}: ${
        { variable: "a variable", whole: "a path", relative: "a relative path" }[kind]
      }`;
      const { p50, p95, p99 } = asked[kind];
      report(name, { a: { p50, p95, p99, max: 0, rate: 1e6 / p50, answered: CHECKS } }, {
        limit: `<= 60 us p50, flags take ${flags[kind].p50.toFixed(1)}`,
        unit: "us",
      });
    }
  }
}

/** NOOP beside a crowd of agents, each of which asks as fast as it is answered, and beside the same crowd asleep. */
async function crowd(): Promise<void> {
  await using kernel = await startKernelProcess();
  await using clove = await connect({ path: kernel.socket });
  const noop = { requests: NOOPS, socket: kernel.socket } as const;
  const names = Array.from({ length: CROWD }, (_, i) => `crowd-${i}`);
  for (const name of names) await clove.agent.spawn({ script: SCRIPT, args: ["load"], name });
  for (const name of names) {
    for await (const _ of clove.agent.output({ name, follow: true })) break;
  }
  const all = (act: (name: string) => Promise<unknown>): Promise<unknown> => Promise.all(names.map(act));
  await load(noop);
  const runs: { a: Measured; b: Measured }[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    await all((name) => clove.agent.pause({ name }));
    const b = await load(noop);
    await all((name) => clove.agent.resume({ name }));
    runs.push({ a: await load(noop), b });
  }
  const [median] = runs.map((run) => ({ ...run, ratio: run.a.p99 / run.b.p99 }))
    .sort((x, y) => x.ratio - y.ratio).slice(ROUNDS >> 1);
  report(`NOOP p99 while ${CROWD} agents check at once`, { a: median!.a, ratio: median!.ratio }, {
    limit: "<= 2",
    unit: "us",
  });
  report("the same, while they sleep", { a: median!.b }, { limit: "-", unit: "us" });
}

/** Every figure of this file. */
export async function broker(): Promise<void> {
  await decisions();
  await crowd();
}
