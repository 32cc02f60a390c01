/**
 * What limits do, shown on a machine with a pure cgroup v2. `vm_test.ts` runs this in the guest; on a machine that has
 * cgroup v2 itself, `deno test -A tests/vm/cgroup_suite.ts` as root does too.
 */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import type { LaunchRequest, Limits, Pressure, Process } from "../../kernel/agents/launch.ts";
import { collect, type Fixture, NO_LIMITS, PYTHON, requestFor, sandbox, until } from "../sandbox_fixture.ts";

const MIB = 1024 * 1024;

function limitTest(name: string, fn: (box: Fixture) => Promise<void>): void {
  Deno.test({
    name,
    sanitizeResources: false,
    sanitizeOps: false,
    async fn() {
      await using box = await sandbox();
      await fn(box);
    },
  });
}

function limited(
  argv: readonly string[],
  limits: Partial<Limits>,
  more: Partial<LaunchRequest> = {},
): LaunchRequest {
  return requestFor(argv, { limits: { ...NO_LIMITS, ...limits }, require: ["cgroup"], ...more });
}

const HOG = [PYTHON, "-c", "x = b'x' * (256 << 20)"];
const SLEEPER = ["/bin/sleep", "100"];

/** Forgets the pages of files: whoever reads one next is charged for it, instead of a test before. */
function forgetFiles(): void {
  Deno.writeTextFileSync("/proc/sys/vm/drop_caches", "1");
}

limitTest("all walls stand, and the isolation says so", async ({ launcher }) => {
  const process = await launcher.launch(
    limited(["/bin/true"], { memory: 64 * MIB, max_pids: 32, cpu_quota: 50_000 }),
  );
  await collect(process);
  const { isolation } = process;
  deepStrictEqual(isolation.missing, []);
  strictEqual(isolation.fully_isolated, true);
  deepStrictEqual(isolation.cgroups, {
    available: true,
    memory_limit: true,
    cpu_quota: true,
    pids_limit: true,
  });
  match(
    launcher.description,
    /^sandbox \(root, cgroup v2, the machine's whole hierarchy, at \/sys\/fs\/cgroup\/clove-\d+-\d+\)$/,
  );
});

limitTest("the memory limit kills the hog, says so, and leaves its neighbour alone", async ({ launcher }) => {
  const neighbour = await launcher.launch(limited(SLEEPER, { memory: 64 * MIB }));
  const { exit } = await collect(await launcher.launch(limited(HOG, { memory: 64 * MIB })));
  deepStrictEqual([exit.reason, exit.code, exit.cause], ["oom", 137, "killed by the memory limit, 64 MiB"]);
  strictEqual(await neighbour.signal("SIGTERM"), true);
  strictEqual((await collect(neighbour)).exit.signal, "SIGTERM");
});

limitTest("the memory limit ends the whole agent, not one process of it", async ({ launcher }) => {
  const code = `import os, time
if os.fork() == 0: x = b"x" * (256 << 20)
time.sleep(60)`;
  const { exit } = await collect(await launcher.launch(limited([PYTHON, "-c", code], { memory: 64 * MIB })));
  strictEqual(exit.reason, "oom");
  ok(exit.duration_ms < 30_000, "the parent slept on");
});

limitTest("a hog that takes a mebibyte at a time ends as fast", async ({ launcher }) => {
  const code = "x = []\nwhile True: x.append(b'x' * (1 << 20))";
  const { exit } = await collect(await launcher.launch(limited([PYTHON, "-c", code], { memory: 64 * MIB })));
  deepStrictEqual([exit.reason, exit.cause], ["oom", "killed by the memory limit, 64 MiB"]);
  ok(exit.duration_ms < 15_000, `only after ${exit.duration_ms} ms`);
});

limitTest("an agent is ended that does nothing but read its own pages again", async ({ launcher }) => {
  // Linux never ends this one: there always is a page that can be taken back.
  const code = `import mmap, os, sys
file = open(os.path.realpath(sys.executable), "rb")
pages = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
taken = []
while True:
  if len(taken) < 58: taken.append(b"x" * (1 << 20))
  for i in range(0, len(pages), 4096): pages[i]`;
  forgetFiles();
  const process = await launcher.launch(limited([PYTHON, "-c", code], { memory: 64 * MIB }));
  const told: string[] = [];
  process.onPressure(({ detail }) => told.push(detail));
  const guard = setTimeout(() => process.kill(), 40_000);
  const { exit } = await collect(process);
  clearTimeout(guard);
  deepStrictEqual([exit.reason, exit.cause], ["oom", "killed by the memory limit, 64 MiB"]);
  ok(exit.duration_ms < 25_000, `only after ${exit.duration_ms} ms`);
  ok(told.includes("memory is so short that nothing goes on, the agent is ended"), told.join("; "));
});

limitTest("one that reads many files beside its data is left alone", async ({ launcher }) => {
  const code = `import glob, time
taken, end = b"x" * (30 << 20), time.monotonic() + 8
while time.monotonic() < end:
  for name in glob.glob("/usr/lib/python3*/*.py"):
    try:
      with open(name, "rb") as file: file.read()
    except OSError: pass # a link to where no sandbox leads
print("through")`;
  const { stdout, exit } = await collect(
    await launcher.launch(limited([PYTHON, "-c", code], { memory: 48 * MIB })),
  );
  strictEqual(stdout, "through\n", exit.cause);
});

limitTest("files in /tmp count as the agent's memory", async ({ launcher }) => {
  const script = "head -c 60M /dev/zero > /tmp/f && echo through";
  const { exit, stdout } = await collect(
    await launcher.launch(limited(["/bin/sh", "-c", script], { memory: 24 * MIB })),
  );
  strictEqual(stdout, "");
  ok(exit.reason === "oom" || exit.code !== 0, exit.cause);
});

limitTest("a fork bomb stops at the limit of processes", async ({ launcher }) => {
  const code = `import os, time
n = 1
try:
  while True:
    if os.fork() == 0: time.sleep(60)
    n += 1
except OSError: print(n, flush=True)
os._exit(0)`;
  const { stdout } = await collect(await launcher.launch(limited([PYTHON, "-c", code], { max_pids: 20 })));
  strictEqual(Number(stdout), 19); // the twentieth is init
});

limitTest("the CPU quota holds to within a tenth", async ({ launcher }) => {
  const code = `import time
def used(seconds):
  start, end = time.process_time(), time.monotonic() + seconds
  while time.monotonic() < end: pass
  return (time.process_time() - start) / seconds
used(1)
print(used(6))`;
  const { stdout } = await collect(
    await launcher.launch(limited([PYTHON, "-c", code], { cpu_quota: 30_000 })),
  );
  const share = Number(stdout);
  ok(share > 0.27 && share < 0.33, `${share} of a CPU instead of 0.3`);
});

limitTest("limits are 64 bits wide, and read back", async ({ launcher }) => {
  const process = await launcher.launch(limited(SLEEPER, { memory: 6 * 1024 * MIB, cpu_shares: 2048 }));
  const read = (file: string): string => Deno.readTextFileSync(`${process.cgroup}/${file}`).trim();
  deepStrictEqual(
    [read("memory.max"), read("memory.swap.max"), read("cpu.weight"), read("main/memory.oom.group")],
    [
      String(6 * 1024 * MIB),
      "0",
      "200",
      "1",
    ],
  );
  await process.kill();
});

limitTest("limits change on a running agent", async ({ launcher }) => {
  const process = await launcher.launch(limited(SLEEPER, { memory: 64 * MIB }));
  const wanted = { ...NO_LIMITS, memory: 32 * MIB, max_pids: 7, cpu_quota: 200_000 };
  deepStrictEqual(await process.setLimits(wanted), { applied: wanted, missing: [] });
  strictEqual(Deno.readTextFileSync(`${process.cgroup}/cpu.max`).trim(), "200000 100000");
  await process.kill();
});

limitTest("above memory_high an agent is slowed down, warned, and lives", async ({ launcher }) => {
  const code = `import time
taken = []
for _ in range(24):
  taken.append(b"x" * (1 << 20))
  time.sleep(0.05)
time.sleep(2)`;
  forgetFiles();
  const process = await launcher.launch(
    limited([PYTHON, "-c", code], { memory: 128 * MIB, memory_high: 28 * MIB, memory_swap: 8 * MIB }),
  );
  const read = (file: string): string => Deno.readTextFileSync(`${process.cgroup}/${file}`).trim();
  deepStrictEqual([read("memory.high"), read("memory.swap.max")], [String(28 * MIB), String(8 * MIB)]);
  const told: string[] = [];
  process.onPressure(({ detail }) => told.push(detail.replaceAll(/\d+/g, "#")));
  strictEqual((await collect(process)).exit.cause, "exited with status 0");
  ok(told.includes("memory.high was exceeded # times"), told.join("; "));
});

limitTest("what a disk is written to in a second is limited, and changes live", async ({ launcher }) => {
  const disk = await Deno.makeTempDir();
  for (
    const [program, ...args] of [["mkfs.ext4", "-q", "/dev/ram0"], ["mount", "/dev/ram0", disk]] as const
  ) {
    ok((await new Deno.Command(program, { args: [...args] }).output()).success, program);
  }
  await Deno.chmod(disk, 0o777);
  const mounts = [{ source: disk, target: "/work", mode: "rw" }] as const;
  const write = ["dd", "if=/dev/zero", "of=/work/f", "bs=64k", "count=48", "oflag=direct"];
  const seconds = async (limits: Partial<Limits>): Promise<number> => {
    const process = await launcher.launch(limited(["/bin/sh", "-c", write.join(" ")], limits, { mounts }));
    const { exit, stderr } = await collect(process);
    strictEqual(exit.code, 0, stderr);
    return exit.duration_ms / 1000;
  };
  try {
    const limited3 = await seconds({ io_write_bps: MIB });
    ok(limited3 > 2.2 && limited3 < 6, `3 MiB at 1 MiB a second took ${limited3} s`);
    const free = await seconds({});
    ok(free < 2, `3 MiB without a limit took ${free} s`);
    const process = await launcher.launch(limited(SLEEPER, {}, { mounts }));
    const wanted = { ...NO_LIMITS, io_read_bps: 8 * 1024 * MIB, io_read_iops: 100 };
    deepStrictEqual(await process.setLimits(wanted), { applied: wanted, missing: [] });
    const line = "1:0 rbps=8589934592 wbps=max riops=100 wiops=max\n";
    strictEqual(Deno.readTextFileSync(`${process.cgroup}/io.max`), line);
    deepStrictEqual(await process.setLimits(NO_LIMITS), { applied: NO_LIMITS, missing: [] });
    strictEqual(Deno.readTextFileSync(`${process.cgroup}/io.max`), "");
    await process.kill();
  } finally {
    await new Deno.Command("umount", { args: ["-l", disk] }).output();
  }
});

limitTest("a limit on disks is missing by name where there is no disk", async ({ launcher }) => {
  const memory = await Deno.makeTempDir();
  await Deno.chmod(memory, 0o777);
  const mounts = [{ source: memory, target: "/work", mode: "rw" }] as const;
  const process = await launcher.launch(
    limited(["/bin/true"], { io_write_bps: MIB }, { mounts, require: [] }),
  );
  await collect(process);
  match(process.isolation.degraded_reason ?? "", /io_write_bps could not be limited/);
  await rejects(
    launcher.launch(limited(["/bin/true"], { io_write_bps: MIB }, { mounts })),
    /with the wall cgroup: io_write_bps could not be applied/,
  );
});

limitTest(
  "commands share what their agent may use, and go alone when they take it all",
  async ({ launcher }) => {
    const agent = await launcher.launch(limited(SLEEPER, { memory: 64 * MIB, max_pids: 12 }));
    const command = (code: string): Promise<Process> =>
      launcher.launch(limited([PYTHON, "-c", code], { memory: 64 * MIB }, { shares: agent.cgroup! }));
    const forks = `import os, time
n = 1
try:
  while True:
    if os.fork() == 0: time.sleep(60)
    n += 1
except OSError: print(n, flush=True)
os._exit(0)`;
    // Two are the agent and its init, two the sleeper of a command.
    const other = await launcher.launch(limited(SLEEPER, {}, { shares: agent.cgroup! }));
    strictEqual((await collect(await command(forks))).stdout, "7\n");
    const halves = [
      command("x = b'x' * (40 << 20); import time; time.sleep(60)"),
      command(
        "import time; time.sleep(1); x = b'x' * (40 << 20); time.sleep(60)",
      ),
    ];
    const first = await Promise.race(halves.map(async (half) => (await collect(await half)).exit));
    strictEqual(first.cause, "killed by the memory limit, 64 MiB");
    strictEqual(await agent.signal("SIGCONT"), true); // the agent is still there
    await agent.pause();
    match(Deno.readTextFileSync(`${agent.cgroup}/exec_1/cgroup.events`), /frozen 1/);
    await agent.resume();
    const paths = [...Deno.readDirSync(agent.cgroup!)].filter(({ isDirectory }) => isDirectory);
    strictEqual(paths.length, 3); // the agent, the sleeper, one half
    await agent.kill();
    strictEqual((await other.exited).signal, "SIGKILL"); // commands go with their agent
    await rejects(command("pass"), /the agent it is for has ended/);
  },
);

limitTest("pausing freezes every process, and a frozen agent can be killed", async ({ launcher }) => {
  const process = await launcher.launch(limited(["/bin/sh", "-c", "sleep 100 & while :; do :; done"], {}));
  await process.pause();
  match(Deno.readTextFileSync(`${process.cgroup}/cgroup.events`), /frozen 1/);
  await process.resume();
  match(Deno.readTextFileSync(`${process.cgroup}/cgroup.events`), /frozen 0/);
  await process.pause();
  await process.kill();
  strictEqual((await process.exited).signal, "SIGKILL");
});

limitTest("pressure is told: memory at its limit, forks refused, CPU throttled", async ({ launcher }) => {
  const told = async (process: Process, resource: string): Promise<Pressure> => {
    const { promise, resolve, reject } = Promise.withResolvers<Pressure>();
    process.onPressure((warning) => warning.resource === resource && resolve(warning));
    // The watch itself does not keep a kernel running; the timer does.
    const timer = setTimeout(
      () => reject(new Error(`Cannot wait any longer for a warning on ${resource}`)),
      20_000,
    );
    const warning = await promise;
    clearTimeout(timer);
    await process.kill();
    return warning;
  };
  const memory = "import time\nx = b'x' * (56 << 20)\ntime.sleep(60)";
  const near = await told(
    await launcher.launch(limited([PYTHON, "-c", memory], { memory: 64 * MIB })),
    "memory",
  );
  strictEqual(near.limit, 64 * MIB);
  ok(near.percent >= 90, near.detail);
  const bomb = `import os, time
time.sleep(0.5)
while True:
  try:
    if os.fork() == 0: time.sleep(60)
  except OSError: time.sleep(0.1)`;
  const forks = await told(await launcher.launch(limited([PYTHON, "-c", bomb], { max_pids: 10 })), "pids");
  match(forks.detail, /^the limit of processes refused \d+ forks$/);
  const busy = await launcher.launch(
    limited(["/bin/sh", "-c", "while :; do :; done"], { cpu_quota: 10_000 }),
  );
  match((await told(busy, "cpu")).detail, /^the CPU quota ran out in \d+ of \d+ periods$/);
  // PSI: more to do than CPUs, and more memory taken than memory_high lets go on at full speed.
  const spin = "for i in 1 2 3 4 5 6; do while :; do :; done & done; wait";
  const crowd = await launcher.launch(limited(["/bin/sh", "-c", spin], {}));
  match((await told(crowd, "cpu")).detail, /^stalled on cpu \d+% of the time$/);
  const greedy = "x = []\nwhile True: x.append(b'x' * (1 << 20))";
  const slowed = await launcher.launch(
    limited([PYTHON, "-c", greedy], { memory: 512 * MIB, memory_high: 24 * MIB }),
  );
  const stalled: Pressure[] = [];
  slowed.onPressure((warning) => stalled.push(warning));
  await until(
    () => stalled.some(({ detail }) => detail.startsWith("stalled on memory")),
    "a stall on memory",
  );
  await slowed.kill();
});

limitTest("a kill by the memory limit is told, though it came between two looks", async ({ launcher }) => {
  const process = await launcher.launch(limited(HOG, { memory: 32 * MIB }));
  const told: Pressure[] = [];
  process.onPressure((warning) => told.push(warning));
  await collect(process);
  match(told.at(-1)?.detail ?? "", /^the memory limit killed \d+ processes$/);
});

limitTest("nothing is left of a cgroup, and none is used twice", async ({ launcher }) => {
  const first = await launcher.launch(limited(SLEEPER, {}));
  const second = await launcher.launch(limited(SLEEPER, {}));
  ok(first.cgroup && second.cgroup && first.cgroup !== second.cgroup);
  await Promise.all([first.kill(), second.kill()]);
  const left = (path: string): boolean => {
    try {
      return Deno.statSync(path).isDirectory;
    } catch {
      return false; // removed
    }
  };
  await until(() => !left(first.cgroup!) && !left(second.cgroup!), "the cgroups to go");
  await launcher.launch(limited(["/nonexistent"], {})).catch(() => {});
  const parent = first.cgroup.slice(0, first.cgroup.lastIndexOf("/"));
  deepStrictEqual([...Deno.readDirSync(parent)].filter(({ isDirectory }) => isDirectory), []);
});

Deno.test("a launcher takes its own directory with it", () => {
  deepStrictEqual(
    [...Deno.readDirSync("/sys/fs/cgroup")].filter(({ name }) => name.startsWith("clove-")),
    [],
  );
});

/** Runs a kernel in a cgroup made for it, as a user, and returns what it prints. */
async function kernelIn(cgroup: string, uid: number, extra = ""): Promise<string> {
  const program = `
    import { sandbox, collect, requestFor, NO_LIMITS } from ${
    JSON.stringify(new URL("../sandbox_fixture.ts", import.meta.url).href)
  };
    const box = await sandbox();
    const limits = { ...NO_LIMITS, memory: 67108864, max_pids: 30, cpu_quota: 50000 };
    const process = await box.launcher.launch(requestFor(["/bin/cat", "/proc/self/cgroup"], { limits }));
    const { stdout } = await collect(process);
    console.log(JSON.stringify([
      process.isolation.cgroups,
      process.isolation.degraded_reason ?? null,
      stdout,
      Deno.readTextFileSync("/proc/self/cgroup").trim(),
      box.launcher.description,
    ]));`;
  const home = await Deno.makeTempDir();
  await Deno.chown(home, uid, uid);
  // Compiling takes the guest ten seconds: root has this machine's cache, an ordinary user one for all tests.
  const cache = uid === 0 ? Deno.env.get("DENO_DIR") ?? `${home}/deno` : "/tmp/deno-of-user";
  await Deno.mkdir(cache, { recursive: true });
  if (uid !== 0) await Deno.chown(cache, uid, uid);
  await Deno.writeTextFile(`${home}/kernel.ts`, program);
  const script = `echo $$ > ${cgroup}/cgroup.procs; ${extra}
    exec setpriv --reuid=${uid} --regid=${uid} --clear-groups "$0" run -A --no-check ${home}/kernel.ts`;
  const { stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, Deno.execPath()],
    env: { HOME: home, DENO_DIR: cache },
  }).output();
  return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
}

const ALL = { available: true, memory_limit: true, cpu_quota: true, pids_limit: true };
const NONE = { available: false, memory_limit: false, cpu_quota: false, pids_limit: false };

Deno.test("an ordinary user with a delegated subtree gets limits", async () => {
  const cgroup = "/sys/fs/cgroup/delegated";
  await Deno.mkdir(cgroup);
  for (const file of ["", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"]) {
    await Deno.chown(cgroup + file, 65534, 65534);
  }
  const [cgroups, reason, seen, own, description] = JSON.parse(await kernelIn(cgroup, 65534));
  match(description, /rootless, cgroup v2, a subtree delegated to an ordinary user, at/);
  deepStrictEqual([cgroups, reason], [ALL, null]);
  strictEqual(seen, "0::/\n");
  strictEqual(own, "0::/delegated/clove-kernel"); // it moved out of the cgroup that it divides
});

Deno.test("an ordinary user without delegation is told by name what is missing", async () => {
  const cgroup = "/sys/fs/cgroup/foreign";
  await Deno.mkdir(cgroup);
  const [cgroups, reason] = JSON.parse(await kernelIn(cgroup, 65534));
  deepStrictEqual(cgroups, NONE);
  match(reason, /Cannot make \/sys\/fs\/cgroup\/foreign\/clove-kernel: Permission denied/);
});

Deno.test("root in a cgroup of its own divides that one", async () => {
  const cgroup = "/sys/fs/cgroup/service";
  await Deno.mkdir(cgroup);
  const [cgroups, , , own] = JSON.parse(await kernelIn(cgroup, 0));
  deepStrictEqual([cgroups, own], [ALL, "0::/service/clove-kernel"]);
});

Deno.test("root beside other processes uses the top, and moves nobody", async () => {
  const cgroup = "/sys/fs/cgroup/session";
  await Deno.mkdir(cgroup);
  const [cgroups, , , own] = JSON.parse(await kernelIn(cgroup, 0, "sleep 60 > /dev/null 2>&1 &"));
  deepStrictEqual([cgroups, own], [ALL, "0::/session"]);
});

Deno.test("root in a container moves everybody there to a leaf, and divides the rest", async () => {
  const cgroup = "/sys/fs/cgroup/container";
  await Deno.mkdir(cgroup);
  // What a container engine does: a cgroup namespace, and the hierarchy mounted as it shows there.
  const container = `sleep 60 > /dev/null 2>&1 &
    [ -n "$IN" ] || IN=1 exec unshare --cgroup --mount sh -c 'umount -l /sys/fs/cgroup; mount -t cgroup2 c /sys/fs/cgroup && exec "$0" "$@"' \
      "$0" run -A --no-check "$HOME/kernel.ts"`;
  const [cgroups, reason, seen, own, description] = JSON.parse(await kernelIn(cgroup, 0, container));
  deepStrictEqual([cgroups, reason, own, seen], [ALL, null, "0::/clove-kernel", "0::/\n"]);
  match(description, /root, cgroup v2, a container's, whose processes are in one leaf of it, at/);
  strictEqual(Deno.readTextFileSync(`${cgroup}/cgroup.procs`), "");
  ok(
    Deno.readTextFileSync(`${cgroup}/clove-kernel/cgroup.procs`).trim() !== "",
    "the sleeper is not in the leaf",
  );
});

Deno.test("a kernel that systemd gave a unit says so", async () => {
  const cgroup = "/sys/fs/cgroup/clove.service";
  await Deno.mkdir(cgroup);
  const [cgroups, , , , description] = JSON.parse(await kernelIn(cgroup, 0));
  deepStrictEqual(cgroups, ALL);
  match(description, /a subtree delegated by systemd to clove\.service, at/);
});

Deno.test("fault isolation: one agent is throttled, one killed, and the healthy one goes on", async () => {
  const root = new URL("../../", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${root}cli/main.ts`, "run", `${root}examples/fault_isolation.ts`],
    env: { NO_COLOR: "1", CLOVE_SOCKET: "/tmp/clove-test-nobody/clove.sock" },
    stdin: "null",
  }).output();
  const table = new TextDecoder().decode(stdout);
  match(table, /^healthy +answered 30 of 30 /m, new TextDecoder().decode(stderr));
  match(table, /^cpu-hog .* throttled to 0\.\d+ of a CPU; its limit is 0\.2$/m);
  match(table, /^memory-hog .* killed by the memory limit, 64 MiB$/m);
  // The guest's CPUs are emulated, and slow enough for a late answer; the limits have to hold all the same.
  ok(code === 0 || !/limit did not hold/.test(table), table);
});
