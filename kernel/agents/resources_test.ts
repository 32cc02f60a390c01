import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { DEFAULT_LIMITS, exceeds, lesser, limitsSchema, resolveLimits } from "./resources.ts";

const GIB = 1024 ** 3;
const limits = (input: unknown) => resolveLimits(limitsSchema.parse(input));

Deno.test("limits that make no sense are refused with the field's name", () => {
  for (
    const bad of [
      { memory: -1 },
      { memory: 1.5 },
      { memory: "1G" },
      { max_pids: 0 },
      { cpu_period: 1 },
      { cpu: 0 },
      {
        cpu_percent: -5,
      },
      { memory: 2 ** 60 },
      { memory_high: 0 },
      { memory_swap: -1 },
      { io_read_bps: 0 },
      { io_write_iops: 2.5 },
      { disk: 1 },
      { memory_mb: Infinity },
    ]
  ) {
    const parsed = limitsSchema.safeParse(bad);
    strictEqual(parsed.success, false, JSON.stringify(bad));
    deepStrictEqual(parsed.error?.issues[0]?.path, Object.keys(bad));
  }
});

Deno.test("what is not said is the original's default, and unknown keys change nothing", () => {
  deepStrictEqual(limits({}), DEFAULT_LIMITS);
  deepStrictEqual(limits({ colour: "red" }), DEFAULT_LIMITS);
});

Deno.test("memory is counted in 64 bits: 2, 4 and 16 GiB stay what they are", () => {
  for (const n of [2, 4, 16]) {
    strictEqual(limits({ memory: n * GIB }).memory, n * GIB);
    strictEqual(limits({ memory_mb: n * 1024 }).memory, n * GIB);
  }
});

Deno.test("the friendly forms mean the native ones, and the native ones win", () => {
  strictEqual(limits({ cpu_percent: 250 }).cpu_quota, 250_000);
  strictEqual(limits({ cpu_percent: 50, cpu_period: 20_000 }).cpu_quota, 10_000);
  strictEqual(limits({ cpu: 1.5 }).cpu_quota, 150_000);
  strictEqual(limits({ cpu: 8, cpu_percent: 10 }).cpu_quota, 10_000);
  strictEqual(limits({ cpu_quota: 5_000, cpu_percent: 100 }).cpu_quota, 5_000);
  strictEqual(limits({ memory: 2 * 1024 * 1024, memory_mb: 64 }).memory, 2 * 1024 * 1024);
  deepStrictEqual(limits({ cpu_period: 50_000 }).cpu_quota, 50_000);
});

Deno.test("a child asks for no more than its parent has", () => {
  match(exceeds(limits({ memory: GIB }), DEFAULT_LIMITS) ?? "", /memory 1073741824, at most 268435456/);
  match(exceeds(limits({ cpu: 2 }), DEFAULT_LIMITS) ?? "", /cpu 2, at most 1/);
  match(exceeds({ ...DEFAULT_LIMITS, max_pids: null }, DEFAULT_LIMITS) ?? "", /max_pids unlimited/);
  strictEqual(exceeds(limits({ cpu_quota: 10_000, cpu_period: 10_000 }), DEFAULT_LIMITS), null);
  deepStrictEqual(lesser(limits({ memory: GIB, cpu: 0.5 }), DEFAULT_LIMITS), {
    ...DEFAULT_LIMITS,
    cpu_quota: 50_000,
  });
});

Deno.test("limits of disks and swap stay what they are, beyond 32 bits too, and what is not said is not there", () => {
  const input = {
    io_read_bps: 6 * GIB,
    io_write_iops: 7,
    memory_high: 5 * GIB,
    memory_swap: 0,
    disk: 9 * GIB,
  };
  deepStrictEqual(limits(input), { ...DEFAULT_LIMITS, ...input });
  deepStrictEqual(resolveLimits({ disk: GIB / 2 }, limits(input)), { ...limits(input), disk: GIB / 2 });
  match(exceeds(limits({ memory_swap: 1 }), DEFAULT_LIMITS) ?? "", /^memory_swap 1, at most 0$/);
  match(exceeds(limits({ disk: 2 * GIB }), DEFAULT_LIMITS) ?? "", /^disk 2147483648, at most 1073741824$/);
  match(exceeds(limits({}), limits({ io_read_bps: 5 })) ?? "", /^io_read_bps unlimited, at most 5$/);
  deepStrictEqual(lesser(limits({ io_read_bps: 5 }), DEFAULT_LIMITS), { ...DEFAULT_LIMITS, io_read_bps: 5 });
});
