/**
 * Facts about Deno that the broker is built on, each seen on a real Deno. When one fails after an update of Deno, the
 * broker has to be looked at before anything else.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";

const ENDED_BY_BROKER = 87;

interface Seen {
  /** Questions as `permission value`. */
  readonly asked: string[];
  readonly raw: Record<string, unknown>[];
  connections: number;
}

interface Run extends Seen {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Answer = (question: { id: number; permission: string; value: string | null }) => string;

const allow: Answer = ({ id }) => JSON.stringify({ id, result: "allow" });
const deny = (reason?: string): Answer => ({ id }) => JSON.stringify({ id, result: "deny", reason });

/** Runs a program whose broker answers as it is told. */
async function run(
  program: string,
  answer: Answer,
  options: { flags?: string[]; script?: string } = {},
): Promise<Run> {
  const dir = Deno.realPathSync(await Deno.makeTempDir({ prefix: "clove-test-" }));
  const seen: Seen = { asked: [], raw: [], connections: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    seen.connections++;
    sockets.add(socket);
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk;
      for (let end; (end = text.indexOf("\n")) >= 0;) {
        const question = JSON.parse(text.slice(0, end));
        text = text.slice(end + 1);
        seen.raw.push(question);
        seen.asked.push(`${question.permission} ${question.value}`.replaceAll(dir, "DIR"));
        const line = answer(question);
        if (line === "") socket.destroy();
        else socket.write(`${line}\n`);
      }
    });
  });
  server.listen(`${dir}/broker.sock`);
  await once(server, "listening");
  try {
    await Deno.writeTextFile(`${dir}/main.ts`, program);
    await Deno.mkdir(`${dir}/sub`);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-lock", "--no-config", ...options.flags ?? [], "main.ts"],
      cwd: dir,
      env: {
        PATH: "/usr/bin:/bin",
        HOME: "/nowhere",
        NO_COLOR: "1",
        DENO_DIR: `${dir}/cache`,
        DENO_LOG: "info,deno=error",
        DENO_PERMISSION_BROKER_PATH: `${dir}/broker.sock`,
      },
      clearEnv: true,
      stdin: "null",
    });
    const { code, stdout, stderr } = await command.output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { ...seen, code, stdout: out!, stderr: err! };
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    await Deno.remove(dir, { recursive: true });
  }
}

const TRY = `const attempt = (act: () => unknown) => {
  try { return String(act()); } catch (error) { return (error as Error).name + ": " + (error as Error).message; }
};
`;

Deno.test("a question has these keys and no others", async () => {
  const { raw } = await run(`Deno.env.get("X");`, allow);
  deepStrictEqual(Object.keys(raw[0]!).sort(), ["datetime", "id", "permission", "pid", "v", "value"]);
  strictEqual(raw[0]!.v, 1);
  strictEqual(typeof raw[0]!.pid, "number");
});

Deno.test("values come as the program wrote them: relative, with dots, from wherever it has gone", async () => {
  const { asked } = await run(
    `${TRY}
    attempt(() => Deno.readTextFileSync("a"));
    attempt(() => Deno.readTextFileSync("sub/../a"));
    attempt(() => Deno.readTextFileSync(new URL("./a%20b", import.meta.url)));
    Deno.chdir("sub");
    attempt(() => Deno.readTextFileSync("a"));
    attempt(() => Deno.makeTempDirSync());
    attempt(() => Deno.readTextFileSync("/dev/null"));`,
    allow,
  );
  deepStrictEqual(asked, [
    "read a",
    "read sub/../a",
    "read DIR/a b",
    "read sub",
    "read a",
    "write <TMP>",
    "read /dev/null",
  ]);
});

Deno.test("a path with dots is opened as its text says, not as its links lead", async () => {
  const { stdout } = await run(
    `Deno.mkdirSync("far/off", { recursive: true });
    Deno.symlinkSync("far/off", "link");
    Deno.writeTextFileSync("x", "text");
    Deno.writeTextFileSync("far/x", "links");
    console.log(Deno.readTextFileSync("link/../x"), Deno.readTextFileSync("./link/.././x"));`,
    allow,
  );
  strictEqual(stdout, "text text\n");
});

Deno.test("null is asked first where a program runs another, makes a link or wants all variables", async () => {
  const refuseAll: Answer = (question) => question.value === null ? deny("no")(question) : allow(question);
  const { asked, stdout } = await run(
    `${TRY}
    console.log(attempt(() => new Deno.Command("true").outputSync().code));
    console.log(attempt(() => new Deno.Command("/bin/true", { args: ["secret"] }).outputSync().code));
    console.log(attempt(() => new Deno.Command("true", { env: { LD_PRELOAD: "x" } }).outputSync().code));
    console.log(attempt(() => Deno.symlinkSync("a", "b")));
    console.log(attempt(() => Deno.kill(1, "SIGCONT")));
    console.log(attempt(() => Deno.env.toObject()));`,
    refuseAll,
  );
  deepStrictEqual(asked, [
    "run null",
    "run true",
    "run null",
    "run /bin/true",
    "run null",
    "write null",
    "run null",
    "env null",
  ]);
  const lines = stdout.trim().split("\n");
  deepStrictEqual(lines.slice(0, 2), ["0", "0"]);
  match(lines[2]!, /^NotCapable: Requires --allow-run .*LD_PRELOAD/);
  for (const line of lines.slice(3)) strictEqual(line, "NotCapable: no");
});

Deno.test("a program's name says nothing about which file will run", async () => {
  const { asked, stdout } = await run(
    `Deno.writeTextFileSync("sub/true", "#!/bin/sh\\necho mine\\n", { mode: 0o755 });
    const out = (options: Deno.CommandOptions) => new TextDecoder().decode(new Deno.Command("true", options).outputSync().stdout);
    console.log(out({ env: { PATH: Deno.cwd() + "/sub" } }).trim());`,
    (question) => question.value === null ? deny()(question) : allow(question),
  );
  strictEqual(stdout, "mine\n");
  ok(asked.includes("run true"));
});

Deno.test("hosts come with their port, listeners too; sockets of files as files and as addresses", async () => {
  const { asked } = await run(
    `${TRY}
    const tries: (() => unknown)[] = [
      () => Deno.listen({ port: 0 }).close(),
      () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
      () => fetch("http://EXAMPLE.invalid./path?query"),
      () => fetch("https://[::1]:4443/"),
      () => Deno.connect({ transport: "unix", path: "none.sock" }),
    ];
    for (const act of tries) { try { await act(); } catch { /* nobody is there */ } }`,
    allow,
  );
  deepStrictEqual(asked, [
    "net 0.0.0.0:0",
    "net 127.0.0.1:0",
    "net example.invalid:80",
    "net [::1]:4443",
    "read none.sock",
    "write none.sock",
    "net unix:DIR/none.sock",
  ]);
});

Deno.test("modules from elsewhere are asked about before the program runs, its own modules are not", async () => {
  const { asked, code, stdout, stderr } = await run(
    `import "./main.ts"; import "https://example.invalid/x.ts"; console.log("ran");`,
    deny("not from there"),
  );
  deepStrictEqual(asked, ["import example.invalid:443"]);
  deepStrictEqual([code, stdout], [1, ""]);
  match(stderr, /not from there/);
});

Deno.test("facts of the machine and libraries are asked about by name", async () => {
  const { asked } = await run(
    `${TRY} attempt(() => Deno.hostname()); attempt(() => Deno.dlopen("./none.so", {}));`,
    allow,
  );
  deepStrictEqual(asked, ["sys hostname", "ffi ./none.so"]);
});

Deno.test("a refusal is a NotCapable error with the reason, and nothing is remembered", async () => {
  let count = 0;
  const { asked, stdout } = await run(
    `${TRY} for (let i = 0; i < 3; i++) console.log(attempt(() => Deno.env.get("X")));`,
    (question) => (++count === 2 ? deny('taken "back"') : allow)(question),
  );
  deepStrictEqual(asked, ["env X", "env X", "env X"]);
  strictEqual(stdout, 'undefined\nNotCapable: taken "back"\nundefined\n');
});

Deno.test("flags count for nothing beside a broker, and /proc stays closed", async () => {
  const { stdout } = await run(
    `${TRY} console.log(attempt(() => Deno.env.get("X")));
    console.log(attempt(() => Deno.readTextFileSync("/etc/hostname")));`,
    deny("no"),
    { flags: ["-A"] },
  );
  strictEqual(stdout, "NotCapable: no\nNotCapable: no\n");
  const proc = await run(
    `${TRY} console.log(attempt(() => Deno.readTextFileSync("/proc/self/status")));`,
    allow,
  );
  match(proc.stdout, /^NotCapable: Requires all access/);
});

Deno.test("workers ask on the same connection", async () => {
  const { asked, connections } = await run(
    `if (globalThis.Deno.mainModule === import.meta.url && !("onmessage" in globalThis && globalThis.constructor.name.includes("Worker"))) {
      const worker = new Worker(import.meta.resolve("./main.ts"), { type: "module" });
      await new Promise((resolve) => worker.onmessage = resolve);
      worker.terminate();
    } else { Deno.env.get("FROM_WORKER"); (globalThis as unknown as { postMessage(x: number): void }).postMessage(1); }`,
    allow,
  );
  ok(asked.includes("env FROM_WORKER"), asked.join());
  strictEqual(connections, 1);
});

for (
  const [what, answer] of [
    ["none at all", () => ""],
    ["no JSON", () => "yes"],
    ["another number", () => '{"id":77,"result":"allow"}'],
    ["an unknown result", ({ id }) => `{"id":${id},"result":"maybe"}`],
  ] as const satisfies readonly (readonly [string, Answer])[]
) {
  Deno.test(`an answer that is ${what} ends the program`, async () => {
    const { code, stdout } = await run(`Deno.env.get("X"); console.log("went on");`, answer as Answer);
    deepStrictEqual([code, stdout], [ENDED_BY_BROKER, ""]);
  });
}

Deno.test("a broker that is not there ends the program before it begins", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", "console.log(1)"],
    env: { DENO_PERMISSION_BROKER_PATH: "/no/such/broker.sock" },
    stderr: "null",
  });
  const { code, stdout } = await command.output();
  deepStrictEqual([code, stdout.byteLength], [ENDED_BY_BROKER, 0]);
});

Deno.test("the warning about brokers is kept out of an agent's output, its errors are not", async () => {
  const { stderr } = await run(`throw new Error("seen")`, allow);
  match(stderr, /Uncaught.*seen/);
  ok(!/experimental/.test(stderr), stderr);
});
