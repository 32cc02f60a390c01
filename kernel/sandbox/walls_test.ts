/**
 * Each wall holds, alone where that can be shown, and its probe gets through when the wall is left off. Run as root
 * and, by `rootless_test.ts`, as an ordinary user.
 */
import { match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createServer } from "node:net";
import { lacks } from "../../tests/facilities.ts";
import { type Fixture, PYTHON, sandbox } from "../../tests/sandbox_fixture.ts";
import type { LaunchRequest, Wall } from "../agents/launch.ts";
import { readMachineFacts } from "./facts.ts";

const isRoot = Deno.uid() === 0;
const noWalls = lacks("linux") || !exists(PYTHON) || (!isRoot && lacks("userns"));
const noLandlock = noWalls || lacks("landlock");

/** One launcher for each set of walls left off, kept for the whole file: finding walls out takes a launch. */
const launchers = new Map<string, Promise<Fixture>>();
function fixture(without: readonly Wall[]): Promise<Fixture> {
  const key = without.join();
  let made = launchers.get(key);
  if (!made) launchers.set(key, made = sandbox(without, { cgroup: "off" }));
  return made;
}
globalThis.addEventListener("unload", () => {
  for (const made of launchers.values()) {
    made.then(({ runDir }) => Deno.removeSync(runDir, { recursive: true }));
  }
});

async function probe(
  code: string,
  without: readonly Wall[] = [],
  more?: Partial<LaunchRequest>,
): Promise<string> {
  return await (await fixture(without)).python(code, more);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function wallTest(name: string, ignore: boolean, fn: () => Promise<void>): void {
  Deno.test({ name, ignore, fn, sanitizeResources: false, sanitizeOps: false });
}

wallTest("pid: the kernel's process is nowhere to be seen", noWalls, async () => {
  const code =
    `import os; print(os.path.exists("/proc/${Deno.pid}"), len([p for p in os.listdir("/proc") if p.isdigit()]))`;
  strictEqual(await probe(code), "False 2");
  match(await probe(code, ["pid"]), /^True /);
});

wallTest("mount and Landlock: either alone keeps the host's files away", noLandlock, async () => {
  const file = await Deno.makeTempFile({ dir: "/var/tmp" });
  try {
    await Deno.writeTextFile(file, "host");
    await Deno.chmod(file, 0o644);
    const code = `print(open(${JSON.stringify(file)}).read())`;
    match(await probe(code), /FileNotFoundError/);
    match(await probe(code, ["landlock"]), /FileNotFoundError/);
    match(await probe(code, ["mount"]), /PermissionError/);
    strictEqual(await probe(code, ["mount", "landlock"]), "host");
  } finally {
    await Deno.remove(file);
  }
});

wallTest("mount: system directories cannot be written, as root neither", noWalls || !isRoot, async () => {
  const code = `open("/usr/clove-probe", "w")`;
  match(await probe(code, ["user", "caps", "landlock", "seccomp"]), /Read-only file system/);
});

wallTest("net and Landlock: either alone keeps TCP of the host away", noLandlock, async () => {
  const server = createServer((socket) => void socket.end("host"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  try {
    const { port } = server.address() as { port: number };
    const code = `import socket; print(socket.create_connection(("127.0.0.1", ${port}), 5).recv(9).decode())`;
    match(await probe(code), /ConnectionRefusedError/);
    match(await probe(code, ["landlock"]), /ConnectionRefusedError/);
    if (readMachineFacts().landlockAbi >= 4) match(await probe(code, ["net"]), /PermissionError/);
    strictEqual(await probe(code, ["net", "landlock"]), "host");
  } finally {
    server.close();
  }
});

wallTest("net: loopback is up, and nothing else is there", noWalls, async () => {
  const code = `import socket
s = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(s.getsockname())
print([name for _, name in socket.if_nameindex()])`;
  strictEqual(await probe(code), "['lo']");
});

wallTest(
  "Landlock: abstract sockets of the host cannot be reached",
  noLandlock || readMachineFacts().landlockAbi < 6,
  async () => {
    const name = `clove-probe-${crypto.randomUUID()}`;
    const listener = new Deno.Command(PYTHON, {
      args: [
        "-c",
        `import socket,sys; s=socket.socket(1); s.bind("\\0${name}"); s.listen(); print("up", flush=True); sys.stdin.read()`,
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const reader = listener.stdout.getReader();
    try {
      await reader.read(); // not cancelled: its second line would end it with a broken pipe
      const code = `import socket; s=socket.socket(1); s.connect("\\0${name}"); print("through")`;
      match(await probe(code, [], { network: "host" }), /PermissionError/);
      strictEqual(await probe(code, ["landlock"], { network: "host" }), "through");
    } finally {
      await listener.stdin.close();
      await listener.status;
      await reader.cancel();
    }
  },
);

wallTest("uts: the machine has the agent's name, and the host keeps its own", noWalls, async () => {
  const code = `import socket; print(socket.gethostname())`;
  strictEqual(await probe(code), "clove-probe");
  strictEqual(await probe(code, ["uts"]), Deno.hostname());
});

wallTest("ipc: shared memory of the host is not listed", noWalls, async () => {
  const make = `import ctypes; c=ctypes.CDLL(None); print(c.shmget(0, 4096, 0o1666))`;
  const id = new TextDecoder().decode(
    (await new Deno.Command(PYTHON, { args: ["-c", make] }).output()).stdout,
  ).trim();
  try {
    const code = `print(len(open("/proc/sysvipc/shm").readlines()) - 1)`;
    strictEqual(await probe(code), "0");
    ok(Number(await probe(code, ["ipc"])) >= 1);
  } finally {
    const remove = `import ctypes; ctypes.CDLL(None).shmctl(${id}, 0, None)`;
    await new Deno.Command(PYTHON, { args: ["-c", remove] }).output();
  }
});

wallTest("user: the agent is nobody, and no user of the host's", noWalls || !isRoot, async () => {
  const code = `import os; print(os.getresuid(), os.getresgid(), os.getgroups())`;
  strictEqual(await probe(code), "(65534, 65534, 65534) (65534, 65534, 65534) []");
  match(await probe(code, ["user"]), /^\(0, 0, 0\)/);
});

wallTest("caps: even with user id 0 nothing privileged works", noWalls || !isRoot, async () => {
  const code = `import os; open("/tmp/f","w").close(); os.chown("/tmp/f", 1, 1); print("through")`;
  match(await probe(code, ["user"]), /PermissionError/);
  strictEqual(await probe(code, ["user", "caps"]), "through");
});

wallTest("caps: all five sets are empty", noWalls, async () => {
  const code = `print([l.split()[1] for l in open("/proc/self/status") if l.startswith("Cap")])`;
  strictEqual(await probe(code), `[${Array(5).fill("'0000000000000000'").join(", ")}]`);
});

/** Calls by number through ctypes; prints `through` or errno's word. */
const call = (expression: string): string => `
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
print("through" if ${expression} >= 0 else errno.errorcode[ctypes.get_errno()])`;

for (
  const [name, expression] of [
    ["tracing", "libc.ptrace(0, 0, 0, 0)"],
    ["a user namespace", "libc.unshare(0x10000000)"],
    ["an io_uring", "libc.syscall(425, 1, ctypes.create_string_buffer(120))"],
    ["changing the personality", "libc.personality(0x0040000)"],
  ] as const
) {
  wallTest(`seccomp: ${name} is refused, and would work without the filter`, noWalls, async () => {
    strictEqual(await probe(call(expression)), "EPERM");
    strictEqual(await probe(call(expression), ["seccomp"]), "through");
  });
}

wallTest("seccomp: files cannot be made set-user-id", noWalls, async () => {
  const code = `import os; open("/tmp/f","w").close(); os.chmod("/tmp/f", 0o4755); print("through")`;
  match(await probe(code), /PermissionError/);
  strictEqual(await probe(code, ["seccomp"]), "through");
});

wallTest("init cannot be signalled, traced or looked into", noWalls, async () => {
  const code = `import os
def attempt(act):
    try: act(); return "through"
    except OSError as e: return type(e).__name__
print(open("/proc/1/comm").read().strip(),
  [attempt(lambda: open("/proc/1/"+f).read()) for f in ("environ","maps","mem","auxv")],
  [attempt(lambda: os.readlink("/proc/1/"+f)) for f in ("exe","root","cwd","fd/4")])`;
  const refused = (count: number): string => `[${Array(count).fill("'PermissionError'").join(", ")}]`;
  match(
    await probe(code, ["seccomp", "landlock"]),
    new RegExp(`${escape(refused(4))} ${escape(refused(4))}$`),
  );
  const kill = `import os,time
try: os.kill(1, 9)
except PermissionError: pass
time.sleep(0.05); print("alive")`;
  strictEqual(await probe(kill), "alive");
});

wallTest("descriptors are 0 to 3 and no other", noWalls, async () => {
  const code =
    `import os; print(sorted(int(f) for f in os.listdir("/proc/self/fd"))[:-1], os.readlink("/proc/self/fd/3")[:6])`;
  strictEqual(await probe(code), "[0, 1, 2, 3] socket");
});

wallTest("/proc shows no secrets of the machine and cannot be written", noWalls, async () => {
  const code = `import os
for f in ("/proc/keys", "/proc/timer_list", "/proc/kcore"):
    try: assert open(f, "rb").read(1) == b"", f
    except FileNotFoundError: pass
    except PermissionError: pass
for d in ("/proc/acpi", "/proc/scsi"): assert not os.path.exists(d) or os.listdir(d) == [], d
for f in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger"):
    if os.path.exists(f):
        try: open(f, "w"); raise SystemExit(f)
        except OSError: pass
print(os.path.exists("/sys"))`;
  strictEqual(await probe(code), "False");
});

wallTest("/proc/sys is read-only by its mount, not only by its owner", noWalls || !isRoot, async () => {
  const code = `open("/proc/sys/kernel/domainname", "w")`;
  match(await probe(code, ["user", "caps", "landlock", "seccomp"]), /Read-only file system/);
});

wallTest("the environment is the request's and nothing else", noWalls, async () => {
  const code = `import os; print(sorted(os.environ.items()))`;
  strictEqual(await probe(code, [], { env: { A: "1" } }), "[('A', '1'), ('LC_CTYPE', 'C.UTF-8')]");
});

wallTest("/tmp is private, writable, and as large as promised", noWalls, async () => {
  const code = `import os
s = os.statvfs("/tmp"); print(s.f_blocks * s.f_frsize, os.listdir("/tmp"), oct(os.stat("/tmp").st_mode))`;
  strictEqual(await probe(code), "67108864 [] 0o41777");
});

wallTest("a wall left off is missing by name, with the reason, and cannot be required", noWalls, async () => {
  const { launcher, run } = await fixture(["seccomp"]);
  const { process: { isolation } } = await run(["/bin/true"]);
  strictEqual(isolation.seccomp, false);
  ok(isolation.missing.includes("seccomp"));
  match(isolation.degraded_reason ?? "", /seccomp was left off on purpose/);
  notStrictEqual(isolation.fully_isolated, true);
  await run(["/bin/true"], { require: ["seccomp"] }).then(
    () => ok(false, "the launch was not refused"),
    (error) => {
      strictEqual(error.refused, true);
      match(error.message, /^Cannot start "probe" with the wall seccomp: seccomp was left off/);
    },
  );
  strictEqual((await launcher.probe()).find(({ wall }) => wall === "seccomp")?.available, false);
});

function escape(text: string): string {
  return text.replaceAll(/[[\]()*.?]/g, "\\$&");
}
