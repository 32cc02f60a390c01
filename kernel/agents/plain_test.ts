import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import type { Socket } from "node:net";
import { LaunchError, type LaunchRequest, type Process, WALLS } from "./launch.ts";
import { createPlainLauncher } from "./plain.ts";
import { processStat, sessionMembers } from "./processes.ts";

const linux = Deno.build.os === "linux";
const launcher = createPlainLauncher();

function request(argv: string[], more: Partial<LaunchRequest> = {}): LaunchRequest {
  return {
    id: 1,
    name: "probe",
    argv,
    env: { PATH: "/usr/bin:/bin" },
    cwd: "/",
    mounts: [],
    network: "none",
    sandboxed: true,
    limits: { memory: null, max_pids: null, cpu_quota: null, cpu_period: 100_000, cpu_shares: 1024 },
    require: [],
    stdin: "null",
    tty: null,
    ...more,
  };
}

async function text(stream: Socket | null): Promise<string> {
  let all = "";
  if (stream) { for await (const chunk of stream) all += new TextDecoder().decode(chunk); }
  return all;
}

async function run(argv: string[], more: Partial<LaunchRequest> = {}) {
  const child = await launcher.launch(request(argv, more));
  const [stdout, stderr, exit] = await Promise.all([text(child.stdout), text(child.stderr), child.exited]);
  return { stdout, stderr, exit };
}

async function stateOf(pid: number): Promise<string | undefined> {
  return (await processStat(pid))?.state;
}

async function until(what: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await what()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`Never became true: ${what}`);
}

async function sleepers(child: Process, count: number): Promise<void> {
  await until(async () => (await sessionMembers(child.pid)).length === count);
}

Deno.test("a required wall refuses the launch", async () => {
  await rejects(
    () => launcher.launch(request(["/bin/true"], { require: ["mount"] })),
    (error) => error instanceof LaunchError && error.refused && /the wall mount/.test(error.message),
  );
});

Deno.test("a program that does not exist is refused with its errno", async () => {
  await rejects(
    () => launcher.launch(request(["/nowhere/program"])),
    (error) => error instanceof LaunchError && error.errno === "ENOENT" && !error.refused,
  );
});

Deno.test("every wall is reported missing", async () => {
  const child = await launcher.launch(request(["/bin/true"]));
  strictEqual(child.isolation.fully_isolated, false);
  deepStrictEqual(child.isolation.missing, WALLS);
  match(child.isolation.degraded_reason ?? "", /^Sandboxing disabled/);
  await child.exited;
});

Deno.test("a program gets descriptors 0 to 3 and no other", { ignore: !linux }, async () => {
  // A Unix listener of node:net is opened without close-on-exec: it is what would leak.
  const directory = await Deno.makeTempDir();
  const server = createServer().listen(`${directory}/s`);
  await once(server, "listening");
  const count = "ls /proc/self/fd | wc -l";
  try {
    const open = createPlainLauncher({ seal: () => false });
    const leaky = await open.launch(request(["/bin/sh", "-c", count]));
    // ls itself holds one more: the directory it lists.
    ok(Number(await text(leaky.stdout)) > 5, "the probe must see a leak where there is one");
    await leaky.exited;
    strictEqual((await run(["/bin/sh", "-c", count])).stdout.trim(), "5");
  } finally {
    server.close();
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("a program gets the environment of the request and not the kernel's", async () => {
  Deno.env.set("CLOVE_TEST_SECRET", "leak");
  try {
    const { stdout } = await run(["/usr/bin/env"], { env: { A: "b" } });
    // One marks the run, the other is Deno's own and tells that descriptor 3 was passed on.
    deepStrictEqual(
      stdout.trim().split("\n").filter((line) => !/^(DENO_EXTRA_STDIO_FDS|CLOVE_RUN)=/.test(line)),
      [
        "A=b",
      ],
    );
  } finally {
    Deno.env.delete("CLOVE_TEST_SECRET");
  }
});

Deno.test("exits are told apart: status, signal, crash", async () => {
  deepStrictEqual(
    (({ code, reason, signal }) => ({ code, reason, signal }))((await run(["/bin/sh", "-c", "exit 3"])).exit),
    {
      code: 3,
      reason: "exited",
      signal: null,
    },
  );
  const killed = (await run(["/bin/sh", "-c", "kill -9 $$"])).exit;
  deepStrictEqual([killed.code, killed.signal, killed.reason], [137, "SIGKILL", "killed"]);
  const crashed = (await run(["/bin/sh", "-c", "kill -SEGV $$"])).exit;
  deepStrictEqual([crashed.code, crashed.reason, crashed.cause], [139, "crashed", "crashed with SIGSEGV"]);
});

Deno.test("descriptor 3 is a socket both ends can write to", async () => {
  const child = await launcher.launch(
    request(["/bin/sh", "-c", "echo ping >&3; read answer <&3; echo $answer"]),
  );
  const [data] = await once(child.channel, "data");
  strictEqual(String(data), "ping\n");
  child.channel.write("pong\n");
  strictEqual(await text(child.stdout), "pong\n");
  await child.exited;
});

Deno.test(
  "a child that keeps the pipes open does not hold back the exit, and is ended",
  { ignore: !linux },
  async () => {
    const started = performance.now();
    const child = await launcher.launch(request(["/bin/sh", "-c", "sleep 30 & exit 4"]));
    strictEqual((await child.exited).code, 4);
    ok(performance.now() - started < 5_000);
    deepStrictEqual(await sessionMembers(child.pid), []);
  },
);

Deno.test("a process that left the session does not hold back the exit", { ignore: !linux }, async () => {
  const child = await launcher.launch(request(["/bin/sh", "-c", "setsid sleep 3 & exit 0"]));
  strictEqual((await child.exited).code, 0);
});

Deno.test("pause stops the whole session, and a paused one can be killed", { ignore: !linux }, async () => {
  const child = await launcher.launch(request(["/bin/sh", "-c", "sleep 30 & sleep 30"]));
  await sleepers(child, 3);
  const members = await sessionMembers(child.pid);
  await child.pause();
  for (const pid of members) await until(async () => await stateOf(pid) === "T");
  await child.resume();
  for (const pid of members) await until(async () => await stateOf(pid) === "S");
  await child.pause();
  await child.kill();
  strictEqual((await child.exited).signal, "SIGKILL");
  deepStrictEqual(await sessionMembers(child.pid), []);
  strictEqual(await child.signal("SIGTERM"), false);
});

Deno.test("input goes in and its end is seen", async () => {
  const child = await launcher.launch(request(["/bin/cat"], { stdin: "pipe" }));
  child.stdin!.end("hello");
  strictEqual(await text(child.stdout), "hello");
  strictEqual((await child.exited).code, 0);
});
