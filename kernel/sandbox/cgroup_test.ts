/** The parts of limits that need no cgroup; `tests/vm` has the others. */
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { NO_LIMITS } from "../../tests/sandbox_fixture.ts";
import { holds, limitFiles, weightOf } from "./cgroup_limits.ts";
import { findPlace } from "./cgroup_place.ts";
import { type Counters, warnings } from "./pressure.ts";

const mountLine = (root: string, mount: string): string =>
  `31 23 0:28 / /sys rw - sysfs sysfs rw\n41 31 0:38 ${root} ${mount} rw,relatime - cgroup2 cgroup2 rw`;

Deno.test("a machine without cgroup v2 is told apart from one where this process is elsewhere", () => {
  strictEqual(findPlace(mountLine("/", "/x"), "1:cpu:/"), "this process is in no cgroup of version 2");
  strictEqual(findPlace("", "0::/a"), "cgroup v2 is not mounted");
  strictEqual(
    findPlace(mountLine("/b", "/x"), "0::/a"),
    "this process's cgroup /a is not below the mount /x",
  );
  strictEqual(
    findPlace(mountLine("/", "/x"), "0::/../a"),
    "this process's cgroup /../a is not below the mount /x",
  );
});

Deno.test("a process's own cgroup is found below the mount, whatever part of the hierarchy that shows", () => {
  deepStrictEqual(findPlace(mountLine("/", "/sys/fs/cgroup"), "3:cpu:/y\n0::/a/b"), {
    mount: "/sys/fs/cgroup",
    own: "/sys/fs/cgroup/a/b",
  });
  deepStrictEqual(findPlace(mountLine("/a", "/x\\040y"), "0::/a/b"), { mount: "/x y", own: "/x y/b" });
  deepStrictEqual(findPlace(mountLine("/", "/x"), "0::/"), { mount: "/x", own: "/x" });
});

Deno.test("limits are written as they are, beyond 32 bits too", () => {
  const files = limitFiles({ ...NO_LIMITS, memory: 6 * 2 ** 30, cpu_quota: 20_000, max_pids: 9 });
  deepStrictEqual(Object.fromEntries(files.map(({ file, value }) => [file, value])), {
    "memory.max": "6442450944",
    "memory.swap.max": "0",
    "memory.oom.group": "1",
    "cpu.max": "20000 100000",
    "cpu.weight": "100",
    "pids.max": "9",
  });
  strictEqual(limitFiles(NO_LIMITS)[0]?.value, "max");
});

Deno.test("shares become weights within their bounds", () => {
  deepStrictEqual([2, 1024, 2048, 262_144].map(weightOf), [1, 100, 200, 10_000]);
});

Deno.test("a limit holds only if the file says so, in whole pages", () => {
  const memory = { file: "memory.max", value: "100000", limit: "memory" } as const;
  strictEqual(holds(memory, "98304"), true);
  strictEqual(holds(memory, "max"), false);
  strictEqual(holds(memory, null), false);
  strictEqual(holds({ file: "pids.max", value: "9", limit: "max_pids" }, "90"), false);
});

const CALM: Counters = {
  atMs: 0,
  memory: 10,
  memoryLimit: 100,
  pids: 1,
  pidsLimit: 10,
  memoryEvents: {},
  forksRefused: 0,
  cpu: {},
  stalled: { memory: 0, cpu: 0, io: 0 },
};

function told(now: Partial<Counters>): readonly string[] {
  return warnings(CALM, { ...CALM, atMs: 1000, ...now }).map(({ resource, detail }) =>
    `${resource}: ${detail}`
  );
}

Deno.test("calm is not told, and each kind of pressure is told once", () => {
  deepStrictEqual(told({}), []);
  deepStrictEqual(told({ memory: 95 }), ["memory: memory is at 95% of its limit"]);
  deepStrictEqual(told({ memory: 95, memoryEvents: { max: 3 } }), [
    "memory: the memory limit was hit 3 times",
  ]);
  deepStrictEqual(told({ memoryEvents: { max: 3, oom_kill: 2 } }), [
    "memory: the memory limit killed 2 processes",
  ]);
  deepStrictEqual(told({ memoryEvents: { high: 1 } }), ["memory: memory.high was exceeded once"]);
  deepStrictEqual(told({ forksRefused: 4 }), ["pids: the limit of processes refused 4 forks"]);
  deepStrictEqual(told({ cpu: { nr_periods: 10, nr_throttled: 4 } }), []);
  deepStrictEqual(told({ cpu: { nr_periods: 10, nr_throttled: 9 } }), [
    "cpu: the CPU quota ran out in 9 of 10 periods",
  ]);
  deepStrictEqual(told({ stalled: { memory: 300_000, cpu: 900_000, io: 0 } }), [
    "memory: stalled on memory 30% of the time",
  ]);
});
