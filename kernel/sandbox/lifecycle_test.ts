/** How sandboxes begin, live and end. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { lacks } from "../../tests/facilities.ts";
import { collect, NO_LIMITS, PYTHON, requestFor, sandbox, until } from "../../tests/sandbox_fixture.ts";
import { LaunchError } from "../agents/launch.ts";
import { readMachineFacts } from "./facts.ts";
import { listenInside } from "./mod.ts";
import { SandboxProcess } from "./process.ts";

const ignore = lacks("linux") || (Deno.uid() !== 0 && lacks("userns"));

const isRoot = Deno.uid() === 0;

function lifeTest(name: string, fn: () => Promise<void>, lacking = false): void {
  Deno.test({ name, ignore: ignore || lacking, fn, sanitizeResources: false, sanitizeOps: false });
}

function alive(pid: number): boolean {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]?.[0] !== "Z";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

lifeTest("a program that is not there fails by step, errno and remedy", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  await rejects(() => box.run(["/nonexistent"]), (error) => {
    ok(error instanceof LaunchError);
    deepStrictEqual([error.step, error.errno, error.refused], ["execute /nonexistent", "ENOENT", false]);
    match(
      error.message,
      /^Cannot execute \/nonexistent: ENOENT, is it, .* visible inside\? Mount its directory with --ro$/,
    );
    return true;
  });
  await rejects(
    () => box.run(["/bin/true"], { cwd: "/nowhere" }),
    /^LaunchError: Cannot enter \/nowhere: ENOENT/,
  );
});

lifeTest("what cannot be passed is refused before anything starts", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  await rejects(() => box.run(["/bin/echo", "x".repeat(300_000)]), /Cannot lay out a program of \d+ bytes/);
  await rejects(() => box.run(["/bin/echo", "a\0b"]), /it contains a NUL byte/);
  await rejects(() => box.run(["/bin/true"], { require: ["cgroup"] }), (error) => {
    ok(error instanceof LaunchError && error.refused);
    return true;
  });
});

lifeTest("status, streams, usage and cause of an end are told", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const { exit, stdout, stderr } = await box.run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"]);
  deepStrictEqual([stdout, stderr], ["out\n", "err\n"]);
  deepStrictEqual([exit.code, exit.signal, exit.reason, exit.cause], [
    3,
    null,
    "exited",
    "exited with status 3",
  ]);
  ok(exit.usage && exit.usage.max_rss > 500_000);
  const crashed = (await box.run(["/bin/sh", "-c", "kill -SEGV $$"])).exit;
  deepStrictEqual([crashed.code, crashed.reason, crashed.cause], [139, "crashed", "crashed with SIGSEGV"]);
});

lifeTest("output can be opened again by name, and input is the kernel's pipe or nothing", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  strictEqual((await box.run(["/bin/sh", "-c", "echo again > /dev/stdout; cat"])).stdout, "again\n");
  const process = await box.launcher.launch(requestFor(["/bin/cat"], { stdin: "pipe" }));
  process.stdin!.end("hello");
  strictEqual((await collect(process)).stdout, "hello");
});

lifeTest("descriptor 3 is the kernel's channel", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const process = await box.launcher.launch(
    requestFor(["/bin/sh", "-c", "read line <&3; echo got $line >&3"]),
  );
  const answer = new Promise((resolve) =>
    process.channel.once("data", (d: Uint8Array) => resolve(new TextDecoder().decode(d)))
  );
  process.channel.write("ping\n");
  strictEqual(await answer, "got ping\n");
  await collect(process);
});

lifeTest("SIGTERM reaches the agent, which is not the first process and so heeds it", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const process = await box.launcher.launch(requestFor(["/bin/sleep", "100"]));
  strictEqual(await process.signal("SIGTERM"), true);
  const { exit } = await collect(process);
  deepStrictEqual([exit.code, exit.signal, exit.reason], [143, "SIGTERM", "killed"]);
  strictEqual(await process.signal("SIGTERM"), false);
  await rejects(() => process.signal("SIGNOTHING"), /there is no such signal/);
});

lifeTest("killing ends every process of the agent, also one that left its session", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const script = "setsid sleep 1000 & (setsid setsid sleep 1000 &) ; echo ready; sleep 1000";
  const process = await box.launcher.launch(requestFor(["/bin/sh", "-c", script]));
  ok(process instanceof SandboxProcess);
  await new Promise((resolve) => process.stdout.once("data", resolve));
  const { descendants } = await import("./tree.ts");
  await until(() => descendants(process.init).length >= 4, "the sleepers");
  const members = descendants(process.init);
  await process.kill();
  strictEqual((await collect(process)).exit.signal, "SIGKILL");
  deepStrictEqual([process.init, ...members].filter(alive), []);
});

lifeTest("the agent's end takes its descendants along", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const started = performance.now();
  const { exit, stdout } = await box.run(["/bin/sh", "-c", "setsid sleep 1000 & echo left; exit 0"]);
  deepStrictEqual([exit.code, stdout], [0, "left\n"]);
  ok(performance.now() - started < 5000);
});

lifeTest(
  "pausing stops all its processes, resuming lets them go on, and a paused one can be killed",
  async () => {
    await using box = await sandbox([], { cgroup: "off" });
    const script = "(while :; do echo x; sleep 0.01; done) & while :; do echo y; sleep 0.01; done";
    const process = await box.launcher.launch(requestFor(["/bin/sh", "-c", script]));
    let bytes = 0;
    process.stdout.on("data", (d: Uint8Array) => bytes += d.length);
    await until(() => bytes > 20, "output");
    await process.pause();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = bytes;
    await new Promise((resolve) => setTimeout(resolve, 150));
    strictEqual(bytes, before);
    await process.resume();
    await until(() => bytes > before + 10, "output after resuming");
    await process.pause();
    await process.kill();
    strictEqual((await process.exited).signal, "SIGKILL");
  },
);

lifeTest("a terminal has its size, controls its session, and cannot be typed into", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const code = `
import os, fcntl, termios, sys
size = lambda: tuple(os.get_terminal_size())
print(size(), os.isatty(0), os.isatty(1), os.tcgetpgrp(os.open("/dev/tty", os.O_RDWR)) == os.getpgrp())
try: fcntl.ioctl(0, termios.TIOCSTI, b"x")
except OSError as e: print(type(e).__name__)
line = input(); print("read", line, size())`;
  const process = await box.launcher.launch(
    requestFor([PYTHON, "-c", code], { tty: { rows: 30, columns: 100 } }),
  );
  strictEqual(process.stderr, null);
  let text = "";
  process.stdout.on("data", (d: Uint8Array) => text += new TextDecoder().decode(d));
  await until(() => text.includes("PermissionError"), "the first lines");
  process.resize(40, 120);
  process.stdin!.write("typed\n");
  strictEqual((await process.exited).code, 0);
  match(text, /^\(100, 30\) True True True\r\nPermissionError\r\ntyped\r\nread typed \(120, 40\)\r\n$/);
});

lifeTest("a listener inside is reached by the agent, and by nobody else", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const code = `
import socket
input()
s = socket.create_connection(("127.0.0.1", 8123), 5); s.sendall(b"ping"); print(s.recv(10).decode())`;
  const process = await box.launcher.launch(requestFor([PYTHON, "-c", code], { stdin: "pipe" }));
  const server = await listenInside(process, 8123);
  server.on("connection", (socket) => void socket.on("data", () => socket.end("pong")));
  await rejects(() => listenInside(process, 8123), /EADDRINUSE/);
  await rejects(() => Deno.connect({ hostname: "127.0.0.1", port: 8123 }));
  process.stdin!.end("go\n");
  const { stdout, exit } = await collect(process);
  server.close();
  deepStrictEqual([stdout, exit.code], ["pong\n", 0]);
  await rejects(
    () => listenInside(process, 8124),
    /Cannot listen inside process \d+: it has no network namespace/,
  );
});

lifeTest("without walls an ordinary process is started, and said to be one", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const { process, stdout } = await box.run(["/bin/sh", "-c", "id -u"], {
    sandboxed: false,
    network: "host",
  });
  strictEqual(stdout.trim(), String(Deno.uid()));
  strictEqual(process.isolation.fully_isolated, false);
  strictEqual(process.isolation.degraded_reason, "Sandboxing disabled");
});

lifeTest("the steps of a launch can be printed without taking them", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const steps = box.launcher.explain(requestFor(["/bin/true", "x"], { name: "w" }));
  strictEqual(steps.at(-1), "execute /bin/true x");
  for (const step of ["set the hostname clove-w", "install the seccomp filter", "set no_new_privs"]) {
    ok(steps.includes(step), step);
  }
  match(steps[0]!, /^clone init into new namespaces: (user, )?pid, mount, net, uts, ipc$/);
});

lifeTest("a fork bomb is stopped without a cgroup too", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const code = `
import os, time
n = 0
try:
  while n < 2000:
    if os.fork() == 0: time.sleep(60)
    n += 1
except OSError: pass
print(n, flush=True)
os._exit(0)`;
  const { stdout } = await box.run([PYTHON, "-c", code], { limits: { ...NO_LIMITS, max_pids: 50 } });
  // As root the kernel gives the first three hundred numbers out once; a user namespace counts exactly.
  ok(Number(stdout) >= 40 && Number(stdout) < (isRoot ? 350 : 50), stdout);
}, isRoot && !readMachineFacts().pidNamespaceLimit); // before Linux 6.14 only a cgroup can

lifeTest("a file larger than the limit on the disk cannot be written", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const code = `
import os
try:
  with open("/tmp/f", "wb") as file: file.write(b"x" * (3 << 20))
except OSError as error: print(error.strerror, os.stat("/tmp/f").st_size)`;
  strictEqual(
    await box.python(code, { limits: { ...NO_LIMITS, disk: 2 << 20 } }),
    "File too large 2097152",
  );
});

/** What a kernel holds, that a sandbox could leave behind. */
function holdings(): { descriptors: number; mounts: string; children: readonly number[] } {
  const children = Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/children`).trim().split(" ").filter(
    Boolean,
  );
  return {
    descriptors: [...Deno.readDirSync("/proc/self/fd")].length,
    mounts: Deno.readTextFileSync("/proc/self/mountinfo"),
    children: children.map(Number),
  };
}

lifeTest("fifty launches leave no descriptor, mount, process or file behind", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const launchSome = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      if (i % 10 === 0) await box.run(["/nonexistent"]).catch(() => {});
      const process = await box.launcher.launch(
        requestFor(["/bin/true"], i % 2 ? { tty: { rows: 9, columns: 9 } } : {}),
      );
      if (i % 5 === 0) (await listenInside(process, 0).catch(() => null))?.close();
      await collect(process);
    }
  };
  await launchSome(10);
  const files = (): string[] => [...Deno.readDirSync(`${box.runDir}/sandbox`)].map(({ name }) => name).sort();
  const [before, filesBefore] = [holdings(), files()];
  await launchSome(50);
  await until(() => holdings().descriptors <= before.descriptors, "descriptors to be closed");
  const after = holdings();
  deepStrictEqual(after, before);
  deepStrictEqual(files(), filesBefore);
});

lifeTest("two hundred at once all run", async () => {
  await using box = await sandbox([], { cgroup: "off" });
  const runs = await Promise.all(
    Array.from({ length: 200 }, (_, i) => box.run(["/bin/sh", "-c", `echo ${i}`])),
  );
  deepStrictEqual(runs.map(({ stdout }) => Number(stdout)), Array.from({ length: 200 }, (_, i) => i));
});

for (
  const flags of [["-A"], ["--allow-read", "--allow-write", "--allow-run", "--allow-env", "--allow-sys"]]
) {
  lifeTest(`a kernel killed without warning takes its agents along (${flags[0]})`, async () => {
    const program = `
      import { sandbox, requestFor } from ${
      JSON.stringify(new URL("../../tests/sandbox_fixture.ts", import.meta.url).href)
    };
      const box = await sandbox([], { cgroup: "off" });
      const pids = [];
      for (let i = 0; i < 3; i++) {
        const process = await box.launcher.launch(requestFor(["/bin/sh", "-c", "setsid sleep 1000 & exec sleep 1000"]));
        pids.push(process.init, process.pid);
      }
      console.log(JSON.stringify([box.runDir, ...pids]));
      await new Promise((resolve) => setTimeout(resolve, 60_000));`;
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    try {
      await Deno.writeTextFile(file, program);
      const kernel = new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-check", ...flags, file],
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      let text = "";
      for await (const bytes of kernel.stdout) {
        text += new TextDecoder().decode(bytes);
        if (text.includes("\n")) break;
      }
      const [runDir, ...pids] = JSON.parse(text) as [string, ...number[]];
      ok(pids.every(alive), "the agents run");
      kernel.kill("SIGKILL");
      await kernel.status;
      await until(() => !pids.some(alive), "the agents to end");
      await Deno.remove(runDir, { recursive: true });
    } finally {
      await Deno.remove(file);
    }
  });
}
