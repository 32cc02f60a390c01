/**
 * Limits as clients write them: the original's five keys, and the friendlier ones its documents and tools use.
 *
 * @module
 */
import { z } from "zod";
import type { Limits } from "./launch.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** CPU period of cgroup v2's cpu.max: the kernel accepts 1 ms to 1 s. */
const PERIOD_MIN_US = 1_000;
const PERIOD_MAX_US = 1_000_000;
/** cpu.max takes no quota below 1 ms. */
const QUOTA_MIN_US = 1_000;

/** What an agent gets when its SPAWN says nothing about limits: the original's values. */
export const DEFAULT_LIMITS: Limits = {
  memory: 256 * MIB,
  max_pids: 64,
  cpu_quota: 100_000,
  cpu_period: 100_000,
  cpu_shares: 1024,
  disk: GIB,
};

/** Limits that are plain numbers, and absent where nobody asked for them. */
const PLAIN = [
  "memory_high",
  "memory_swap",
  "io_read_bps",
  "io_write_bps",
  "io_read_iops",
  "io_write_iops",
  "disk",
] as const satisfies readonly (keyof Limits)[];

/** Limits as a client writes them; {@link limitsSchema} has the units. */
export interface LimitsInput {
  readonly memory?: number;
  readonly memory_mb?: number;
  readonly max_pids?: number;
  readonly cpu_quota?: number;
  readonly cpu_period?: number;
  readonly cpu_shares?: number;
  readonly cpu_percent?: number;
  readonly cpu?: number;
  readonly memory_high?: number;
  readonly memory_swap?: number;
  readonly io_read_bps?: number;
  readonly io_write_bps?: number;
  readonly io_read_iops?: number;
  readonly io_write_iops?: number;
  readonly disk?: number;
}

const bytes = (least: number) => z.int().min(least).optional();
/** A disk's limit is 64 bits wide; this is what a JSON number carries exactly of that. */
const rate = z.int().min(1).optional();

/** The `limits` object. Unknown keys are ignored, as in the original. */
export const limitsSchema: z.ZodType<LimitsInput, LimitsInput> = z.object({
  memory: z.int().min(1 * MIB, "memory is counted in bytes and is at least 1048576 (1 MiB)").optional()
    .describe("Bytes. Default 268435456 (256 MiB)."),
  memory_mb: z.number().min(1).max(2 ** 33).optional().describe("The same in MiB; `memory` wins."),
  max_pids: z.int().min(1).max(4_194_304).optional().describe("Processes and threads. Default 64."),
  cpu_quota: z.int().min(QUOTA_MIN_US).optional().describe(
    "Microseconds of CPU in each period. Default 100000.",
  ),
  cpu_period: z.int().min(PERIOD_MIN_US).max(PERIOD_MAX_US).optional()
    .describe("Length of a period in microseconds. Default 100000."),
  cpu_shares: z.int().min(2).max(262_144).optional().describe(
    "Weight against others; 1024 is normal, the default.",
  ),
  cpu_percent: z.number().positive().max(1_000_000).optional()
    .describe("Share of one CPU, 100 is a whole one, more are several; `cpu_quota` wins."),
  cpu: z.number().positive().max(10_000).optional().describe("CPUs; `cpu_quota` and `cpu_percent` win."),
  memory_high: bytes(1 * MIB).describe(
    "Bytes above which it is slowed down and its memory taken back, before `memory` ends it. Default none.",
  ),
  memory_swap: bytes(0).describe("Bytes of swap it may use besides. Default 0."),
  io_read_bps: rate.describe(
    "Bytes a second it reads from each disk of its writable places. Default no limit.",
  ),
  io_write_bps: rate.describe("Bytes a second it writes to each, likewise."),
  io_read_iops: rate.describe("Reads a second from each, likewise."),
  io_write_iops: rate.describe("Writes a second to each, likewise."),
  disk: bytes(1 * MIB).describe(
    "Bytes in its private /work and /tmp, and of one file. It is warned near that, and stopped beyond. Default 1073741824 (1 GiB).",
  ),
});

/** Turns the forms into one, with `base` for what is not said. */
export function resolveLimits(input: LimitsInput, base: Limits = DEFAULT_LIMITS): Limits {
  const period = input.cpu_period ?? base.cpu_period;
  const cpus = input.cpu_percent === undefined ? input.cpu : input.cpu_percent / 100;
  const basis = base.cpu_quota === null ? null : Math.round(base.cpu_quota * (period / base.cpu_period));
  return {
    memory: input.memory ?? (input.memory_mb === undefined ? base.memory : Math.round(input.memory_mb * MIB)),
    max_pids: input.max_pids ?? base.max_pids,
    cpu_quota: input.cpu_quota ??
      (cpus === undefined ? basis : Math.max(QUOTA_MIN_US, Math.round(cpus * period))),
    cpu_period: period,
    cpu_shares: input.cpu_shares ?? base.cpu_shares,
    ...plain((name) => input[name] ?? base[name]),
  };
}

/** Those of the plain limits that somebody asked for. */
function plain(value: (name: typeof PLAIN[number]) => number | null | undefined): Partial<Limits> {
  return Object.fromEntries(PLAIN.flatMap((name) => {
    const found = value(name);
    return found === undefined ? [] : [[name, found]];
  }));
}

/**
 * Where `wanted` goes beyond `most`; null when nowhere. Shares are relative to siblings and take no part.
 *
 * @returns A phrase such as `memory 536870912, at most 268435456`.
 */
export function exceeds(wanted: Limits, most: Limits): string | null {
  const beyond = (want: number | null, most: number | null): boolean =>
    most !== null && (want === null || want > most);
  const shown = (value: number | null): string => value === null ? "unlimited" : String(value);
  if (beyond(wanted.memory, most.memory)) {
    return `memory ${shown(wanted.memory)}, at most ${shown(most.memory)}`;
  }
  if (beyond(wanted.max_pids, most.max_pids)) {
    return `max_pids ${shown(wanted.max_pids)}, at most ${shown(most.max_pids)}`;
  }
  for (const name of PLAIN) {
    // Where nothing is said, swap is none.
    const none = name === "memory_swap" ? 0 : null;
    const [want, have] = [wanted[name] ?? none, most[name] ?? none];
    if (beyond(want, have)) return `${name} ${shown(want)}, at most ${shown(have)}`;
  }
  const [want, have] = [cpusOf(wanted), cpusOf(most)];
  return beyond(want, have) ? `cpu ${shown(want)}, at most ${shown(have)}` : null;
}

/** The lesser of both, for a child that asked for nothing. */
export function lesser(a: Limits, b: Limits): Limits {
  const cpu = (cpusOf(a) ?? Infinity) <= (cpusOf(b) ?? Infinity) ? a : b;
  return {
    memory: least(a.memory, b.memory),
    max_pids: least(a.max_pids, b.max_pids),
    cpu_quota: cpu.cpu_quota,
    cpu_period: cpu.cpu_period,
    cpu_shares: Math.min(a.cpu_shares, b.cpu_shares),
    ...plain((name) => least(a[name] ?? null, b[name] ?? null) ?? undefined),
  };
}

function least(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b);
}

function cpusOf(limits: Limits): number | null {
  return limits.cpu_quota === null ? null : limits.cpu_quota / limits.cpu_period;
}
