/**
 * What walls cost: one program from start to observed end behind all walls, beside others' sandboxes and beside none,
 * in turns.
 *
 * @module
 */
import { connect } from "../sdk/mod.ts";
import { turnOf } from "./lib/blocked.ts";
import { bwrapArgv, has, makeSandboxes, runPlain, type Sandboxes, unshareArgv } from "./lib/contestants.ts";
import { report } from "./lib/report.ts";
import { startKernelProcess } from "./lib/servers.ts";
import { crowd, inTurns, medianExcess, medianRatio, quantile, rate, spreadOf } from "./lib/spread.ts";

const TRUE = ["/bin/true"];
const PYTHON = ["/usr/bin/python3", "-c", "pass"];
const ROUNDS = 200;
const RATE_TOTAL = 400;
const RATE_TIMES = 5;
const IN_FLIGHT = 8;
const AT_ONCE = 200;
const AGENT_ROUNDS = 40;

async function startToEnd(sandboxes: Sandboxes): Promise<void> {
  const acts: Record<string, () => Promise<void>> = {
    clove: () => sandboxes.run(TRUE),
    unshare: () => runPlain(unshareArgv(TRUE)),
    "no sandbox": () => runPlain(TRUE),
  };
  if (await has("bwrap", "bubblewrap")) acts.bwrap = () => runPlain(bwrapArgv(TRUE));
  const times = await inTurns(acts, ROUNDS);
  const spreads = Object.fromEntries(Object.entries(times).map(([who, all]) => [who, spreadOf(all)]));
  report("/bin/true behind all walls, start to end", { times: spreads }, { limit: "-", unit: "ms" });
  if (!times.bwrap) return;
  const [clove, bwrap] = [spreads.clove!, spreads.bwrap!];
  report("  of bwrap's, p50", { ratio: medianRatio(times.clove!, times.bwrap) }, {
    limit: "<= 0.8",
    unit: "",
  });
  report("  of bwrap's, p95", { ratio: clove.p95 / bwrap.p95 }, { limit: "<= 1", unit: "" });
}

async function blocked(sandboxes: Sandboxes): Promise<void> {
  const turns: Record<"clove" | "no sandbox", number[]> = { clove: [], "no sandbox": [] };
  for (let i = 0; i < ROUNDS; i++) {
    turns.clove.push(await turnOf(() => sandboxes.run(TRUE)));
    turns["no sandbox"].push(await turnOf(() => runPlain(TRUE)));
  }
  const times = { clove: spreadOf(turns.clove), "no sandbox": spreadOf(turns["no sandbox"]) };
  report("event loop blocked by one launch", { times }, { limit: "<= 1.5 ms p50", unit: "ms" });
}

async function throughput(sandboxes: Sandboxes): Promise<void> {
  const rates: Record<"clove" | "none", number[]> = { clove: [], none: [] };
  for (let i = 0; i < RATE_TIMES; i++) {
    rates.clove.push(await rate(() => sandboxes.run(TRUE), RATE_TOTAL, IN_FLIGHT));
    rates.none.push(await rate(() => runPlain(TRUE), RATE_TOTAL, IN_FLIGHT));
  }
  report(`sandboxes a second, ${IN_FLIGHT} in flight`, { value: quantile(rates.clove, 0.5) }, {
    limit: ">= 400/s",
    unit: "/s",
  });
  report("  the same without any sandbox", { value: quantile(rates.none, 0.5) }, { limit: "-", unit: "/s" });
  const startedAt = performance.now();
  await crowd(() => sandboxes.run(TRUE), AT_ONCE, AT_ONCE);
  const took = performance.now() - startedAt;
  report(`${AT_ONCE} at once, none failed, until the last ended`, { value: took }, {
    limit: "-",
    unit: "ms",
  });
}

/** Through a whole kernel: from the request to the answer that tells how the agent ended. */
async function agents(sandboxes: Sandboxes): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "clove-bench-" });
  await using kernel = await startKernelProcess();
  await using clove = await connect({ path: kernel.socket });
  const agent = async (request: Parameters<typeof clove.agent.spawn>[0]): Promise<void> => {
    const { agent_id } = await clove.agent.spawn({ limits: { cpu: 4 }, ...request });
    const { exit_code, cause } = await clove.agent.wait({ id: agent_id });
    if (exit_code !== 0) throw new Error(`Cannot measure: an agent ${cause}`);
  };
  try {
    const [empty, greeting, python] = ["empty.ts", "greeting.ts", "agent.py"].map((name) => `${dir}/${name}`);
    await Deno.writeTextFile(empty!, "");
    await Deno.writeTextFile(python!, "");
    await Deno.writeTextFile(greeting!, CONNECTS);
    const bareDeno = [Deno.execPath(), "run", "--no-config", "--no-lock", empty!];
    const times = await inTurns({
      none: () => runPlain(TRUE),
      true: () => agent({ command: TRUE }),
      barePython: () => runPlain(PYTHON),
      python: () => sandboxes.run(PYTHON),
      pythonAgent: () => agent({ script: python!, python: PYTHON[0]! }),
      bareDeno: () => runPlain(bareDeno, { DENO_NO_UPDATE_CHECK: "1" }),
      flags: () => agent({ script: empty!, permissions: "flags" }),
      broker: () => agent({ script: empty! }),
      connected: () => agent({ script: greeting! }),
    }, AGENT_ROUNDS);
    const excess = (name: string, of: keyof typeof times, over: keyof typeof times, limit: string): void =>
      report(name, { value: medianExcess(times[of], times[over]) }, { limit, unit: "ms" });
    excess("SPAWN to the end, /bin/true, over no kernel at all", "true", "none", "-");
    excess("Python behind all walls, over the bare interpreter", "python", "barePython", "<= 8 ms");
    excess("a Python agent of a kernel, over the bare interpreter", "pythonAgent", "barePython", "-");
    excess("a Deno agent of a kernel, over deno run", "flags", "bareDeno", "<= 15 ms");
    excess("  the same, when a broker decides", "broker", "bareDeno", "-");
    excess("  the same, importing the SDK and connecting", "connected", "bareDeno", "-");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const CONNECTS = 'import { connect } from "@clove/sdk"; const clove = await connect(); await clove.close();';

/** Every figure of this file. */
export async function spawn(): Promise<void> {
  const { missing, ...sandboxes } = await makeSandboxes();
  if (missing.length > 0) console.log(`Walls this machine does not have: ${missing.join(", ")}`);
  try {
    await startToEnd(sandboxes);
    await blocked(sandboxes);
    await throughput(sandboxes);
    await agents(sandboxes);
  } finally {
    await sandboxes[Symbol.asyncDispose]();
  }
}

if (import.meta.main) await spawn();
