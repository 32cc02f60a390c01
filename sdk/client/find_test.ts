import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import { fileURLToPath } from "node:url";
import { runChild, serve } from "../testing/child.ts";
import { TestKernel } from "../testing/kernel.ts";
import { connect } from "./connect.ts";
import { openDescriptor, openWithNet } from "./descriptor.ts";
import { ConnectionError } from "./errors.ts";

const HELLO = fileURLToPath(new URL("../testing/hello.ts", import.meta.url));
const NO_PERMISSION = ["run", "--no-prompt", "--no-remote", "--no-npm", HELLO];

function echoing(): TestKernel {
  const kernel = new TestKernel();
  kernel.handlers.set(0, (request) => kernel.answer(request, request.json));
  return kernel;
}

async function withSocket(run: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "clove-sdk-" });
  const path = `${dir}/kernel.sock`;
  const server = net.createServer((socket) => serve(echoing(), socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await run(path);
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("a path where nothing is says so, and how to start a kernel", async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-sdk-" });
  await rejects(connect({ path: `${dir}/none.sock` }), (error) => {
    ok(error instanceof ConnectionError);
    match(
      error.message,
      /^Cannot connect to ".*none\.sock": nothing is there, start a kernel with "clove kernel"$/,
    );
    return true;
  });
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a socket that nobody listens on any more is told apart", async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-sdk-" });
  const path = `${dir}/stale.sock`;
  const listener = Deno.listen({ transport: "unix", path: `${dir}/live.sock` });
  // Closing takes the name away, too.
  await Deno.rename(`${dir}/live.sock`, path);
  listener.close();
  await rejects(connect({ path }), /no kernel listens there any more/);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("descriptors that are no socket are not taken for a kernel", async () => {
  const path = await Deno.makeTempFile();
  const file = fs.openSync(path, "r+");
  for (const descriptor of [file, 100_000]) {
    strictEqual(await openDescriptor(descriptor), null);
    strictEqual(await openWithNet(descriptor), null);
  }
  fs.closeSync(file);
  await Deno.remove(path);
});

Deno.test("without descriptor 3 and without permission, a program is told what it lacks", async () => {
  const { stdout, stderr } = await runChild(NO_PERMISSION);
  match(JSON.parse(stdout).error, /^Cannot connect to "\/tmp\/clove\.sock": this program may not/, stderr);
});

Deno.test("on descriptor 3 a program without any permission reaches its kernel, and ends by itself", async () => {
  const kernel = echoing();
  const { code, stdout, stderr } = await runChild(NO_PERMISSION, { kernel });
  strictEqual(stderr, "");
  deepStrictEqual(JSON.parse(stdout), { protocol: 2, agentId: 7, answer: { n: 1 } });
  strictEqual(code, 0);
});

Deno.test("the same over node:net, where the runtime has no bindings", async () => {
  const kernel = echoing();
  const without = "data:text/javascript,globalThis.process.binding=undefined";
  const args = ["run", "--no-prompt", "--no-remote", "--no-npm", `--preload=${without}`, HELLO];
  const { code, stdout, stderr } = await runChild(args, { kernel });
  strictEqual(stderr, "");
  deepStrictEqual(JSON.parse(stdout), { protocol: 2, agentId: 7, answer: { n: 1 } });
  strictEqual(code, 0);
});

Deno.test("CLOVE_SOCKET is used when it may be read", async () => {
  await withSocket(async (path) => {
    const env = { CLOVE_SOCKET: path };
    const { code, stdout, stderr } = await runChild(["run", "-A", "--no-remote", HELLO], { env });
    strictEqual(stderr, "");
    deepStrictEqual(JSON.parse(stdout).answer, { n: 1 });
    strictEqual(code, 0);
  });
});

Deno.test("CLOVE_SOCKET is not looked at without permission: descriptor 3 is", async () => {
  const env = { CLOVE_SOCKET: "/nowhere/at.all" };
  const { stdout } = await runChild(NO_PERMISSION, { env, kernel: echoing() });
  strictEqual(JSON.parse(stdout).agentId, 7);
});

Deno.test("where nobody answers at CLOVE_SOCKET, CLOVE_FD is there", async () => {
  const env = { CLOVE_SOCKET: "/nowhere/at.all", CLOVE_FD: "3" };
  const { stdout } = await runChild(["run", "-A", "--no-remote", HELLO], { env, kernel: echoing() });
  strictEqual(JSON.parse(stdout).agentId, 7);
});

Deno.test("CLOVE_SOCKET comes before CLOVE_FD, which takes longer to open", async () => {
  await withSocket(async (path) => {
    const mute = new TestKernel();
    mute.handlers.set(0, () => {});
    const env = { CLOVE_SOCKET: path, CLOVE_FD: "3" };
    const flags = [
      `--allow-read=${path}`,
      `--allow-write=${path}`,
      `--allow-net=unix:${path}`,
      "--allow-env",
    ];
    const args = ["run", "--no-prompt", "--no-remote", "--no-npm", ...flags, HELLO];
    const { stdout, stderr } = await runChild(args, { env, kernel: mute });
    deepStrictEqual(JSON.parse(stdout).answer, { n: 1 }, stderr);
  });
});

Deno.test("CLOVE_FD that is no number is refused", async () => {
  const { stdout } = await runChild(["run", "-A", "--no-remote", HELLO], { env: { CLOVE_FD: "three" } });
  strictEqual(
    JSON.parse(stdout).error,
    'Cannot connect: CLOVE_FD is "three", not the number of a descriptor',
  );
});

Deno.test("over a real socket: large answers, reconnection, and a client that is closed twice", async () => {
  await withSocket(async (path) => {
    const clove = await connect({ path, reconnect: { delayMs: 1 } });
    const text = "x".repeat(900_000);
    strictEqual(((await clove.request(0, { text })) as { text: string }).text.length, text.length);
    await Promise.all(Array.from({ length: 200 }, (_, n) => clove.request(0, { n })));
    await clove.close();
    await clove.close();
  });
});
