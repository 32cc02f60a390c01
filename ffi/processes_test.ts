import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { createConnection, createServer, type Socket } from "node:net";
import { lacks } from "../tests/facilities.ts";
import { closeDescriptor, openDescriptor, pipe, socketPair } from "./descriptors.ts";
import { LibcError } from "./errno.ts";
import { handledRights, rightsOf } from "./landlock.ts";
import { peerCredentials, peerPidfd } from "./peer.ts";
import { openPidfd, reap, signalIf, signalName, signalPidfd } from "./processes.ts";
import { posixSpawn } from "./spawn.ts";

const ignore = lacks("linux");
const isCode = (code: string) => (error: unknown): boolean =>
  error instanceof LibcError && error.code === code;

Deno.test({
  name: "errors of libc carry the call and errno's word",
  ignore,
  fn() {
    throws(() => closeDescriptor(987_654), isCode("EBADF"));
    throws(
      () => openDescriptor("/nonexistent/x", "read"),
      /^LibcError: Cannot open "\/nonexistent\/x": ENOENT$/,
    );
    throws(() => reap({ pid: 1 }), isCode("ECHILD"));
    throws(() => openPidfd(2 ** 22 - 1), isCode("ESRCH"));
  },
});

Deno.test({
  name: "a child's end is told once, by number and by descriptor",
  ignore,
  async fn() {
    const waiting = async (child: Parameters<typeof reap>[0]) => {
      for (;;) {
        const result = reap(child);
        if (result) return result;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    deepStrictEqual(await waiting({ pid: posixSpawn("/bin/true", []) }), { status: 0, signal: null });
    const pid = posixSpawn("/bin/cat", []);
    const pidfd = openPidfd(pid);
    strictEqual(signalIf(pid, "SIGTERM", () => false), false);
    strictEqual(signalPidfd(pidfd, "SIGTERM"), true);
    const end = await waiting({ pidfd });
    ok(end.signal === 15 || end.status === 0); // cat may have met the end of our input first
    strictEqual(signalPidfd(pidfd, "SIGTERM"), false);
    closeDescriptor(pidfd);
  },
});

Deno.test({
  name: "descriptors made here are not inherited",
  ignore,
  fn() {
    const { read, write } = pipe();
    const [a, b] = socketPair();
    for (const fd of [read, write, a, b]) {
      match(Deno.readTextFileSync(`/proc/self/fdinfo/${fd}`), /flags:\s+02\d{6}/);
      closeDescriptor(fd);
    }
  },
});

Deno.test({
  name: "the peer of a Unix socket is known by process, user and group",
  ignore,
  async fn() {
    const directory = await Deno.makeTempDir();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`${directory}/s`, () => resolve()));
    const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
    const client = createConnection(`${directory}/s`);
    const socket = await accepted;
    const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
    deepStrictEqual(peerCredentials(fd), { pid: Deno.pid, uid: Deno.uid(), gid: Deno.gid() });
    try {
      closeDescriptor(peerPidfd(fd));
    } catch (error) {
      ok(isCode("ENOPROTOOPT")(error)); // before Linux 6.5
    }
    throws(() => peerCredentials(0), LibcError);
    client.destroy();
    socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await Deno.remove(directory, { recursive: true });
  },
});

Deno.test("signals have names, real-time ones numbers", () => {
  deepStrictEqual([9, 15, 34].map(signalName), ["SIGKILL", "SIGTERM", "SIGRT34"]);
});

Deno.test("Landlock grants a file no right that only directories have, and none the machine does not know", () => {
  strictEqual(handledRights(1), 0x1fff);
  strictEqual(handledRights(7), 0xffff);
  strictEqual(rightsOf({ path: "/f", kind: "file", mode: "ro" }, 7), 0b101);
  strictEqual(rightsOf({ path: "/d", kind: "directory", mode: "ro" }, 7), 0b1101);
  strictEqual(rightsOf({ path: "/d", kind: "directory", mode: "rw" }, 7), 0x7fff);
  strictEqual(rightsOf({ path: "/f", kind: "file", mode: "rw" }, 1), 0b111);
  strictEqual(rightsOf({ path: "/dev/tty", kind: "file", mode: "device" }, 4), 0x4006);
});
