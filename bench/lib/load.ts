/** Runs the C client, and summarises what it measured. */
import { fileURLToPath } from "node:url";
import { pinned } from "./servers.ts";

/** What the client prints: microseconds, and requests a second. */
export interface Measured {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  readonly rate: number;
  readonly answered: number;
}

/** One load. */
export interface Load {
  readonly socket: string;
  readonly opcode?: number;
  readonly payload?: string;
  readonly requests: number;
  readonly clients?: number;
  readonly depth?: number;
  /** The CPU to stay on, with the server or apart from it. */
  readonly cpu?: number | null;
}

let compiled: string | null = null;

/** Compiles the client once; null where there is no compiler. */
export async function client(): Promise<string | null> {
  if (compiled) return compiled;
  const out = `${await Deno.makeTempDir({ prefix: "clove-bench-cc-" })}/client`;
  const source = fileURLToPath(new URL("client.c", import.meta.url));
  try {
    const { success } = await new Deno.Command("cc", { args: ["-O2", "-o", out, source] }).output();
    return compiled = success ? out : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** 64 bytes, as the original's figures were taken. */
export const PAYLOAD_64 = "x".repeat(64);

/** Runs one load to its end. */
export async function load(options: Load): Promise<Measured> {
  const program = await client();
  if (!program) throw new Error("Cannot measure without a C compiler: install gcc");
  const { socket, opcode = 0, payload = PAYLOAD_64, requests, clients = 1, depth = 1, cpu = null } = options;
  const argv = pinned(cpu, [program, socket, opcode, payload, requests, clients, depth].map(String));
  const { success, stdout } = await new Deno.Command(argv[0]!, { args: argv.slice(1), stderr: "inherit" })
    .output();
  if (!success) throw new Error(`Cannot measure: the client failed on ${socket}`);
  return JSON.parse(new TextDecoder().decode(stdout)) as Measured;
}

/** The median of several runs by one figure. */
export function median(runs: readonly Measured[], by: "p50" | "rate" | "p99"): Measured {
  return [...runs].sort((a, b) => a[by] - b[by])[Math.floor(runs.length / 2)]!;
}

/** Loads two servers in turn, so that a machine that drifts drifts for both. */
export async function paired(
  a: Load,
  b: Load,
  by: "p50" | "rate",
  times = 5,
): Promise<{ a: Measured; b: Measured; ratio: number }> {
  const runs: { a: Measured; b: Measured }[] = [];
  for (let i = 0; i < times; i++) runs.push({ a: await load(a), b: await load(b) });
  const ratios = runs.map(({ a, b }) => a[by] / b[by]).sort((x, y) => x - y);
  return {
    a: median(runs.map((run) => run.a), by),
    b: median(runs.map((run) => run.b), by),
    ratio: ratios[Math.floor(ratios.length / 2)]!,
  };
}
