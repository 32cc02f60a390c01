/** The parts of limits that need no cgroup; `tests/vm` has the others. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { NO_LIMITS } from "../../tests/sandbox_fixture.ts";
import type { Limits } from "../agents/launch.ts";
import { holds, ioHolds, ioLine, ioWanted, limitFiles, weightOf } from "./cgroup_limits.ts";
import { deviceNumbers, deviceOf } from "./devices.ts";
import { describePlace, findPlace } from "./cgroup_place.ts";
import { type Counters, isStuck, warnings } from "./pressure.ts";

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
    "memory.high": "max",
    "memory.swap.max": "0",
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
  waited: 0,
  reclaim: null,
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
  deepStrictEqual(told({ stalled: { memory: 300_000, cpu: 400_000, io: 200_000 } }), [
    "memory: stalled on memory 30% of the time",
    "io: stalled on io 20% of the time",
  ]);
  deepStrictEqual(told({ stalled: { memory: 0, cpu: 900_000, io: 0 } }), [
    "cpu: stalled on cpu 90% of the time",
  ]);
  deepStrictEqual(
    told({ cpu: { nr_periods: 10, nr_throttled: 9 }, stalled: { memory: 0, cpu: 900_000, io: 0 } }),
    ["cpu: the CPU quota ran out in 9 of 10 periods"],
  );
});

Deno.test("stuck is who does nothing for lack of memory, with little that could be taken back", () => {
  const near = (held: number, faults: number): Partial<Counters> => ({
    memory: 99,
    reclaim: { held, faults },
  });
  const stuck = (now: Partial<Counters>, before: Partial<Counters> = near(90, 0)): boolean =>
    isStuck({ ...CALM, ...before }, { ...CALM, atMs: 1000, ...now });
  const cpu = { usage_usec: 900_000, user_usec: 100_000 };
  strictEqual(stuck({ waited: 900_000 }, {}), false); // not near the limit
  strictEqual(stuck({ ...near(90, 0), waited: 400_000 }), false);
  strictEqual(stuck({ ...near(50, 0), waited: 900_000 }), false); // a reader of much
  strictEqual(stuck({ ...near(90, 20), cpu }), false);
  strictEqual(stuck({ ...near(90, 200), cpu: { ...cpu, user_usec: 300_000 } }), false); // gets on
  strictEqual(stuck({ ...near(90, 0), waited: 600_000 }), true);
  strictEqual(stuck({ ...near(90, 200), cpu }), true);
});

const DISK = { io_read_bps: 2 ** 33, io_write_iops: 10 };

Deno.test("limits of disks are one line for each, and hold only if all of it is there", () => {
  const limits = { ...NO_LIMITS, ...DISK };
  deepStrictEqual(ioWanted(limits), ["io_read_bps", "io_write_iops"]);
  const line = "8:16 rbps=8589934592 wbps=max riops=max wiops=10";
  strictEqual(ioLine("8:16", limits), line);
  strictEqual(ioHolds(line, null), false);
  strictEqual(ioHolds(line, "8:1 rbps=1 wbps=max riops=max wiops=max"), false);
  strictEqual(ioHolds(line, "8:16 rbps=8589934592 wbps=max riops=max wiops=max"), false);
  strictEqual(ioHolds(line, `8:0 rbps=1 wbps=max riops=max wiops=max\n${line}`), true);
  strictEqual(ioHolds(ioLine("8:16", NO_LIMITS), ""), true); // without limits there is no line
});

Deno.test("swap follows memory unless it is said otherwise", () => {
  const swap = (limits: Partial<Limits>): string | undefined =>
    limitFiles({ ...NO_LIMITS, ...limits }).find(({ file }) => file === "memory.swap.max")?.value;
  deepStrictEqual([swap({}), swap({ memory: 1 }), swap({ memory: 1, memory_swap: 2 ** 33 })], [
    "max",
    "0",
    "8589934592",
  ]);
});

Deno.test("device numbers are taken apart beyond eight bits, and what is on no disk has none", () => {
  deepStrictEqual(deviceNumbers(0x0801n), { major: 8, minor: 1 });
  deepStrictEqual(deviceNumbers(0x1000_1000_0305n), { major: 0x1003, minor: 0x10005 });
  strictEqual(deviceOf("/proc"), null);
  strictEqual(deviceOf("/nonexistent"), null);
});

Deno.test("whose cgroup is divided is told: a machine's, a container's, a unit's, a user's", () => {
  const told = (base: string, own: string, uid: number, isRealRoot = false): string =>
    describePlace(base, { mount: "/m", own }, { uid, isRealRoot });
  match(told("/m", "/m/a", 0, true), /the machine's whole hierarchy/);
  match(told("/m", "/m", 0), /a container's/);
  match(
    told("/m/clove.service", "/m/clove.service", 0),
    /a subtree delegated by systemd to clove\.service,$/,
  );
  const user = "/m/user.slice/user-1.slice/user@1.service/app.slice/clove.scope";
  match(told(user, user, 1), /delegated by systemd to clove\.scope to an ordinary user,$/);
  match(told("/m/a", "/m/a", 1), /a subtree delegated to an ordinary user,$/);
  match(told("/m/a", "/m/a", 0), /the kernel's own/);
});
