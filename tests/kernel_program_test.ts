/** The kernel as a program: options, its socket, and how it ends. */
import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { RawClient } from "./raw_client.ts";
import { ROOT } from "./root.ts";

const SPAWN = 0x10;
const HELLO = 0xfe;

function kernel(args: string[], environment: Record<string, string> = {}): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", `${ROOT}/kernel/main.ts`, ...args],
    env: { ...environment, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
}

async function output(args: string[], environment?: Record<string, string>) {
  const { code, stdout, stderr } = await kernel(args, environment).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

async function connect(socket: string): Promise<RawClient> {
  for (let tries = 0; tries < 400; tries++) {
    try {
      return new RawClient(await Deno.connect({ transport: "unix", path: socket }));
    } catch (error) {
      const soon = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused;
      if (!soon) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  throw new Error(`nobody answers on ${socket}`);
}

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** True when a process is gone, or only its entry is left, within a second. */
async function ends(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 40; tries++) {
    try {
      if (/\) [ZX] /.test(await Deno.readTextFile(`/proc/${pid}/stat`))) return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return true;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return false;
}

/** A kernel that ends with the test, whatever happens. */
function start(
  directory: string,
  args: string[] = [],
): { child: Deno.ChildProcess; socket: string } & AsyncDisposable {
  const socket = `${directory}/clove.sock`;
  const options = [
    "--socket",
    socket,
    "--data",
    `${directory}/data`,
    "--no-sandbox",
    "--log-level",
    "error",
    ...args,
  ];
  const child = kernel(options).spawn();
  let over = false;
  child.status.then(() => over = true);
  return {
    child,
    socket,
    async [Symbol.asyncDispose]() {
      if (!over) child.kill("SIGKILL");
      await Promise.all([child.stdout.cancel(), child.stderr.cancel(), child.status]);
    },
  };
}

Deno.test("an unknown option is refused with status 2, on stderr, and nothing is started", async () => {
  const { code, stdout, stderr } = await output(["--sokcet", "/tmp/x"]);
  strictEqual(code, 2);
  strictEqual(stdout, "");
  match(stderr, /Unknown option '--sokcet'/);
});

Deno.test("--help and --version answer on stdout and leave", async () => {
  match((await output(["--help"])).stdout, /--socket PATH[\s\S]*--require WALL/);
  const { code, stdout } = await output(["--version"]);
  strictEqual(code, 0);
  match(stdout, /^clove \d+\.\d+\.\d+\n$/);
});

Deno.test("a second kernel is refused on a live socket and on a held data directory, and the first goes on", () =>
  inDirectory(async (directory) => {
    await using first = start(directory);
    await using client = await connect(first.socket);
    const same = await output(["--socket", first.socket, "--ephemeral"]);
    strictEqual(same.code, 1);
    match(same.stderr, /a kernel answers there/);
    const data = await output(["--socket", `${directory}/other.sock`, "--data", `${directory}/data`]);
    strictEqual(data.code, 1);
    match(data.stderr, /Cannot/);
    await rejects(() => Deno.lstat(`${directory}/other.sock`), Deno.errors.NotFound);
    strictEqual((await client.call(HELLO)).success, true);
  }));

Deno.test("a kernel killed with SIGKILL leaves a socket that the next one replaces", () =>
  inDirectory(async (directory) => {
    {
      await using first = start(directory);
      await using _client = await connect(first.socket);
    }
    ok((await Deno.lstat(`${directory}/clove.sock`)).isSocket);
    await using second = start(directory);
    await using client = await connect(second.socket);
    strictEqual((await client.call(HELLO)).success, true);
  }));

Deno.test("SIGTERM stops agents in order, keeps what was stored, removes the socket and exits 0", () =>
  inDirectory(async (directory) => {
    await using running = start(directory);
    await using client = await connect(running.socket);
    strictEqual((await Deno.lstat(running.socket)).mode! & 0o777, 0o600);
    const told = `${directory}/told`;
    const script = `trap 'echo bye > ${told}; exit 0' TERM; while :; do sleep 0.05; done`;
    const spawned = await client.call(SPAWN, {
      command: ["/bin/sh", "-c", script],
      sandboxed: false,
      name: "polite",
    });
    strictEqual(spawned.success, true, spawned.error);
    await client.call(0x30, { key: "kept", value: 7 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    running.child.kill("SIGTERM");
    strictEqual((await running.child.status).code, 0);
    match(await Deno.readTextFile(told), /bye/);
    await rejects(() => Deno.lstat(running.socket), Deno.errors.NotFound);
    await using again = start(directory);
    await using reader = await connect(again.socket);
    strictEqual((await reader.call(0x31, { key: "kept" })).value, 7);
  }));

Deno.test("a second signal ends the kernel at once, and the agent that would not end with it", () =>
  inDirectory(async (directory) => {
    await using running = start(directory);
    await using client = await connect(running.socket);
    const script = "trap '' TERM INT; while :; do sleep 0.05; done";
    const spawned = await client.call(SPAWN, { command: ["/bin/sh", "-c", script], sandboxed: false });
    await new Promise((resolve) => setTimeout(resolve, 300));
    running.child.kill("SIGINT");
    await new Promise((resolve) => setTimeout(resolve, 200));
    const asked = performance.now();
    running.child.kill("SIGINT");
    strictEqual((await running.child.status).code, 130);
    // The grace period alone would be five seconds.
    ok(performance.now() - asked < 2500);
    ok(await ends(spawned.pid), `the agent, process ${spawned.pid}, is still there`);
  }));

Deno.test("options come from the environment too", () =>
  inDirectory(async (directory) => {
    const socket = `${directory}/env.sock`;
    const child = kernel([], {
      CLOVE_SOCKET: socket,
      CLOVE_EPHEMERAL: "1",
      CLOVE_NO_SANDBOX: "1",
      CLOVE_LOG_FORMAT: "json",
    })
      .spawn();
    {
      await using client = await connect(socket);
      strictEqual((await client.call(HELLO)).success, true);
    }
    child.kill("SIGTERM");
    const { code, stderr } = await child.output();
    strictEqual(code, 0);
    for (const line of new TextDecoder().decode(stderr).trim().split("\n")) ok(JSON.parse(line).level);
  }));

Deno.test("a client that goes away in the middle of anything harms nobody", () =>
  inDirectory(async (directory) => {
    await using running = start(directory);
    await using steady = await connect(running.socket);
    // Sends a request and shuts its reading side, so that the answer has nowhere to go.
    const rude = `
import socket, struct, sys
frame = lambda op, body: struct.pack("<IIBQ", 0x41474E54, 0, op, len(body)) + body
for how in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR, None):
    for cut in (0, 5, 17, 60):
        s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
        data = frame(0, b"x" * 4096) * 20
        s.sendall(data + data[:cut])
        if how is not None: s.shutdown(how)
        s.close()
`;
    const { success, stderr } = await new Deno.Command("python3", { args: ["-c", rude, running.socket] })
      .output();
    ok(success, new TextDecoder().decode(stderr));
    for (let i = 0; i < 20; i++) strictEqual((await steady.call(HELLO)).success, true);
  }));
