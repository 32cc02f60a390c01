/**
 * What the SDK adds to an agent's start: the time from starting a program to its end, importing and connecting, over
 * the same program doing nothing. Runs as agents do: no permission, the bundle by an import map, descriptor 3.
 *
 *     deno run -A bench/sdk_start.ts
 *
 * @module
 */
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { serve } from "../sdk/testing/child.ts";
import { TestKernel } from "../sdk/testing/kernel.ts";
import { report } from "./lib/report.ts";

const BUNDLE = new URL("../kernel/agents/sdk_bundle.js", import.meta.url).href;
const MAP = `data:application/json,${
  encodeURIComponent(JSON.stringify({ imports: { "@clove/sdk": BUNDLE } }))
}`;
const ROUNDS = 40;

/** The programs, and what each is allowed beyond nothing. */
const PROGRAMS = {
  empty: { text: "", flags: [] },
  import: { text: 'import { connect } from "@clove/sdk"; connect;', flags: [] },
  descriptor: { text: CONNECT(""), flags: [] },
} as const satisfies Record<string, { text: string; flags: readonly string[] }>;

function CONNECT(options: string): string {
  return `import { connect } from "@clove/sdk"; const clove = await connect(${options}); await clove.close();`;
}

/** One start to end, in milliseconds. */
async function once(script: string, flags: readonly string[], withKernel: boolean): Promise<number> {
  const args = [
    "run",
    "--no-lock",
    "--no-config",
    "--no-remote",
    "--no-npm",
    `--import-map=${MAP}`,
    ...flags,
    script,
  ];
  const startedAt = performance.now();
  // Not by Deno's own path: Deno's spawn would add -A to a command without permissions.
  const child = spawn("sh", ["-c", 'exec "$DENO" "$@"', "sh", ...args], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
    env: { PATH: Deno.env.get("PATH") ?? "", HOME: Deno.env.get("HOME") ?? "", DENO: Deno.execPath() },
  });
  const channel = child.stdio[3] as Socket;
  if (withKernel) serve(new TestKernel(), channel);
  else channel.on("error", () => {});
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  const took = performance.now() - startedAt;
  channel.destroy();
  if (code !== 0) throw new Error(`Cannot measure: "${script}" ended with status ${code}`);
  return took;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Measures the programs in turns, so that whatever else the machine does falls on all of them. */
export async function sdkStart(): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "clove-bench-" });
  const names = Object.keys(PROGRAMS) as (keyof typeof PROGRAMS)[];
  const times = new Map(names.map((name) => [name, [] as number[]]));
  try {
    for (const name of names) await Deno.writeTextFile(`${dir}/${name}.js`, PROGRAMS[name].text);
    for (let round = -2; round < ROUNDS; round++) {
      for (const name of names) {
        const took = await once(`${dir}/${name}.js`, PROGRAMS[name].flags, name === "descriptor");
        // The first two fill the caches.
        if (round >= 0) times.get(name)!.push(took);
      }
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  const over = (name: keyof typeof PROGRAMS) =>
    median(times.get(name)!.map((took, round) => took - times.get("empty")![round]!));
  report("an empty program, start to end", { value: median(times.get("empty")!) }, {
    limit: "-",
    unit: "ms",
  });
  report("  + importing the SDK", { value: over("import") }, { limit: "-", unit: "ms" });
  report("  + connecting on descriptor 3", { value: over("descriptor") }, { limit: "<= 15 ms", unit: "ms" });
}

if (import.meta.main) await sdkStart();
