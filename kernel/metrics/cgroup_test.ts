import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { cgroupDir, cgroupRoot, readCgroup, UNLIMITED } from "./cgroup.ts";

async function withCgroup(files: Record<string, string>, run: (dir: string) => void): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${dir}/${name}`, text);
    run(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("no path leads out of the root", () => {
  for (const path of ["..", "../../etc", "a/../../b", "a/..", "/..", "x\0y", "a".repeat(5_000)]) {
    strictEqual(cgroupDir("/sys/fs/cgroup", path), null, path);
  }
  strictEqual(cgroupDir("/sys/fs/cgroup", "/clove//a_1/./"), "/sys/fs/cgroup/clove/a_1");
  strictEqual(cgroupDir("/sys/fs/cgroup", ""), "/sys/fs/cgroup");
});

Deno.test("a directory that is no cgroup gives nothing, whatever it holds", () =>
  withCgroup({ "memory.current": "5" }, (dir) => {
    strictEqual(readCgroup(dir, "x", 1), null);
    strictEqual(readCgroup(`${dir}/missing`, "x", 1), null);
  }));

Deno.test("every field is read, and limits that are none say so", () =>
  withCgroup({
    "cgroup.procs": "",
    "cpu.stat":
      "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 2\nthrottled_usec 7\n",
    "cpu.max": "50000 200000\n",
    "memory.current": "4096\n",
    "memory.min": "0\n",
    "memory.low": "1\n",
    "memory.high": "max\n",
    "memory.max": "268435456\n",
    "memory.peak": "8192\n",
    "memory.swap.current": "3\n",
    "memory.swap.max": "0\n",
    "memory.events": "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n",
    "pids.current": "6\n",
    "pids.max": "max\n",
    "io.stat":
      "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:0 rbytes=10 wbytes=20 rios=30 wios=40 dbytes=0 dios=0\n",
  }, (dir) => {
    deepStrictEqual(readCgroup(dir, "clove/a_1", 99), {
      timestamp: 99,
      cgroup_path: "clove/a_1",
      valid: true,
      cpu: {
        usage_usec: 30,
        user_usec: 20,
        system_usec: 10,
        throttled_usec: 7,
        nr_periods: 4,
        nr_throttled: 2,
        quota_usec: 50_000,
        period_usec: 200_000,
      },
      memory: {
        current: 4_096,
        min: 0,
        low: 1,
        high: UNLIMITED,
        max: 268_435_456,
        peak: 8_192,
        swap_current: 3,
        swap_max: 0,
        oom_kills: 4,
      },
      pids: { current: 6, max: -1 },
      io: { read_bytes: 11, write_bytes: 22, read_ops: 33, write_ops: 44 },
    });
  }));

Deno.test("where controllers are missing, counters are 0 and limits are none", () =>
  withCgroup({ "cgroup.procs": "", "cpu.max": "max 100000\n" }, (dir) => {
    const { cpu, memory, pids, io } = readCgroup(dir, "x", 1)!;
    strictEqual(cpu.quota_usec, 0);
    strictEqual(memory.max, UNLIMITED);
    deepStrictEqual(pids, { current: 0, max: -1 });
    deepStrictEqual(io, { read_bytes: 0, write_bytes: 0, read_ops: 0, write_ops: 0 });
  }));

Deno.test("the root is where cgroup2 is mounted", () => {
  const v1 = "30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
  strictEqual(cgroupRoot(v1), null);
  strictEqual(
    cgroupRoot(`${v1}41 31 0:38 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw\n`),
    "/sys/fs/cgroup/unified",
  );
});
