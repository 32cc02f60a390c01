/**
 * What the SDK adds to an agent's start: the time from starting a program to its end, importing and connecting, over
 * the same program doing nothing. Runs as agents do: the bundle by an import map, no permission but for their own
 * socket, or none and descriptor 3.
 *
 *     deno run -A bench/sdk_start.ts
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createServer, type Socket } from "node:net";
import { serve } from "../sdk/testing/child.ts";
import { TestKernel } from "../sdk/testing/kernel.ts";
import { report } from "./lib/report.ts";

const BUNDLE = new URL("../kernel/agents/sdk_bundle.js", import.meta.url).href;
const MAP = `data:application/json,${
  encodeURIComponent(JSON.stringify({ imports: { "@clove/sdk": BUNDLE } }))
}`;
const ROUNDS = 40;

/** What programs do. */
const PROGRAMS = {
  empty: "",
  import: 'import { connect } from "@clove/sdk"; connect;',
  socket: 'import { connect } from "@clove/sdk"; const clove = await connect(); await clove.close();',
  descriptor: 'import { connect } from "@clove/sdk"; const clove = await connect(); await clove.close();',
} as const;

/** One start to end, in milliseconds. */
async function once(script: string, reach: { path?: string; descriptor?: boolean }): Promise<number> {
  const { path, descriptor = false } = reach;
  const flags = path === undefined ? [] : [
    `--allow-read=${path}`,
    `--allow-write=${path}`,
    `--allow-net=unix:${path}`,
    "--allow-env=CLOVE_SOCKET",
  ];
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
    env: {
      PATH: Deno.env.get("PATH") ?? "",
      HOME: Deno.env.get("HOME") ?? "",
      DENO: Deno.execPath(),
      ...(path === undefined ? {} : { CLOVE_SOCKET: path }),
    },
  });
  const channel = child.stdio[3] as Socket;
  if (descriptor) serve(new TestKernel(), channel);
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
  const path = `${dir}/kernel.sock`;
  const server = createServer((socket) => serve(new TestKernel(), socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    for (const name of names) await Deno.writeTextFile(`${dir}/${name}.js`, PROGRAMS[name]);
    for (let round = -2; round < ROUNDS; round++) {
      for (const name of names) {
        const reach = name === "socket" ? { path } : { descriptor: name === "descriptor" };
        const took = await once(`${dir}/${name}.js`, reach);
        // The first two fill the caches.
        if (round >= 0) times.get(name)!.push(took);
      }
    }
  } finally {
    server.close();
    await Deno.remove(dir, { recursive: true });
  }
  const over = (name: keyof typeof PROGRAMS) =>
    median(times.get(name)!.map((took, round) => took - times.get("empty")![round]!));
  report("an empty program, start to end", { value: median(times.get("empty")!) }, {
    limit: "-",
    unit: "ms",
  });
  report("  + importing the SDK", { value: over("import") }, { limit: "-", unit: "ms" });
  report("  + connecting on its own socket, as agents do", { value: over("socket") }, {
    limit: "<= 15 ms",
    unit: "ms",
  });
  report("  + connecting on descriptor 3", { value: over("descriptor") }, { limit: "-", unit: "ms" });
}

if (import.meta.main) await sdkStart();
