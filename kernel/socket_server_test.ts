import { ok, rejects, strictEqual } from "node:assert/strict";
import { answers, listenUnix, SocketInUseError } from "./socket_server.ts";

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a path on which somebody answers is refused and left alone", () =>
  inDirectory(async (directory) => {
    const first = await listenUnix(`${directory}/s`, (socket) => socket.end());
    await rejects(() => listenUnix(`${directory}/s`, () => {}), SocketInUseError);
    ok(await answers(`${directory}/s`));
    await first.close();
  }));

Deno.test("a file that is no socket is refused and left alone", () =>
  inDirectory(async (directory) => {
    await Deno.writeTextFile(`${directory}/s`, "precious");
    await rejects(() => listenUnix(`${directory}/s`, () => {}), SocketInUseError);
    strictEqual(await Deno.readTextFile(`${directory}/s`), "precious");
  }));

Deno.test("a path too long for a socket is refused, not cut", async () => {
  await rejects(() => listenUnix(`/tmp/${"x".repeat(110)}`, () => {}), /at most 107/);
});

Deno.test("a stale socket is replaced, the new one is private, and it is gone after close", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/s`;
    const script = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])";
    await new Deno.Command("python3", { args: ["-c", script, path] }).output();
    ok((await Deno.lstat(path)).isSocket);
    const server = await listenUnix(path, (socket) => socket.end());
    strictEqual((await Deno.lstat(path)).mode! & 0o777, 0o600);
    await server.close();
    await rejects(() => Deno.lstat(path), Deno.errors.NotFound);
  }));

Deno.test("closing removes only its own file", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/s`;
    const server = await listenUnix(path, (socket) => socket.end());
    await Deno.remove(path);
    await Deno.writeTextFile(path, "somebody else's");
    await server.close();
    strictEqual(await Deno.readTextFile(path), "somebody else's");
  }));

Deno.test("many sockets at once change nothing for what else the process makes meanwhile", () =>
  inDirectory(async (directory) => {
    const before = Deno.umask();
    const made = Array.from({ length: 16 }, async (_, i) => {
      const server = await listenUnix(`${directory}/${i}/s`, (socket) => socket.end());
      await Deno.mkdir(`${directory}/${i}/beside`, { mode: 0o700 });
      return server;
    });
    const servers = await Promise.all(made);
    await Deno.chmod(`${directory}/0`, 0o755);
    servers.push(await listenUnix(`${directory}/0/open`, (socket) => socket.end()));
    strictEqual((await Deno.lstat(`${directory}/0/open`)).mode! & 0o777, 0o600);
    await servers.pop()!.close();
    for (const [i, server] of servers.entries()) {
      strictEqual((await Deno.lstat(`${directory}/${i}/beside`)).mode! & 0o777, 0o700);
      strictEqual([...Deno.readDirSync(`${directory}/${i}`)].length, 2, "the hiding place was left behind");
      await server.close();
    }
    strictEqual(Deno.umask(), before);
  }));
