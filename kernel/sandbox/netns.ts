/**
 * A listener inside a sandbox's network: only the agent can reach it, and the kernel accepts from it. That is how an
 * agent without any network talks to the egress proxy.
 *
 * @module
 */
import type { Server } from "node:net";
import { ARCH } from "../../ffi/arch.ts";
import { closeDescriptor, socketPair } from "../../ffi/descriptors.ts";
import { errnoName, LibcError } from "../../ffi/errno.ts";
import { receiveDescriptors, sendDescriptors } from "../../ffi/handover.ts";
import { listenInProgram, listenOnLoopback } from "../../ffi/listening.ts";
import { CLONE, inNetworkNamespace } from "../../ffi/namespaces.ts";
import { Chain, findFailure, Program } from "../../ffi/program.ts";
import type { Process } from "../agents/launch.ts";
import { DESCRIPTORS } from "./assemble.ts";
import { adoptListener } from "./network.ts";
import { SandboxProcess } from "./process.ts";
import type { StartMethod } from "./start.ts";

/**
 * Listens on 127.0.0.1 inside a process's network namespace. Connections are taken with the server's `connection`
 * event; close the server when the process has ended.
 *
 * @param port 0 lets the machine choose; see `server.address()`.
 * @throws {Error} If the process has no network namespace of its own, has ended, or the port is taken.
 */
export async function listenInside(process: Process, port: number): Promise<Server> {
  const place = process instanceof SandboxProcess ? process.network : null;
  if (!place) {
    throw new Error(
      `Cannot listen inside process ${process.pid}: it has no network namespace that can be entered, ` +
        "start it with network none by a kernel with --allow-ffi",
    );
  }
  const { netns, userns, method } = place;
  const fd = userns === null
    ? inNetworkNamespace(netns, () => listenOnLoopback(port))
    : await listenThroughHelper(method, netns, userns, port);
  return await adoptListener(fd);
}

/**
 * An ordinary user may enter the namespaces of a sandbox of his, but only with a process of one thread: a helper goes
 * there, makes the socket and hands it over.
 */
async function listenThroughHelper(
  method: StartMethod,
  netns: number,
  userns: number,
  port: number,
): Promise<number> {
  const program = new Program(ARCH);
  const end = program.entry("end", "exit_group", [1]);
  program.always(end, end);
  const report = program.entry("report a failure", "write", [DESCRIPTORS.status], true);
  program.always(report, end);

  const first = DESCRIPTORS.status + 2; // after the kernel's pidfd
  const [user, network, through, socket] = [first, first + 1, first + 2, first + 3];
  const chain = new Chain(program, report);
  chain.add("close what was inherited", "close_range", [socket, 0x7fffffff, 0]);
  chain.add("enter the user namespace", "setns", [user, CLONE.NEWUSER]);
  chain.add("enter the network namespace", "setns", [network, CLONE.NEWNET]);
  listenInProgram(chain, socket, port);
  sendDescriptors(chain, through, [socket]);
  chain.add("leave", "exit_group", [0]);
  program.startAt(chain.first);
  const { address, length } = program.results;
  program.arena.setWord(program.argument(report, 1), address);
  program.arena.setWord(program.argument(report, 2), length);

  const [ours, theirs] = socketPair();
  try {
    const started = method.start(program, { stdin: "null", handOver: [userns, netns, theirs], tty: null });
    const results: Uint8Array[] = [];
    started.status.on("data", (bytes: Uint8Array) => results.push(bytes));
    await new Promise<void>((resolve) => started.status.once("close", () => resolve()));
    for (const stream of [started.stdout, started.stderr, started.channel]) stream?.destroy();
    while (method.control.ended(started.launcher) === "running") {
      await new Promise((done) => setTimeout(done, 1));
    }
    const [fd] = receiveDescriptors(ours, 1);
    if (fd !== undefined) return fd;
    const failure = findFailure(program.entries, results[0] ?? new Uint8Array());
    const why = failure
      ? `Cannot ${failure.step}: ${errnoName(failure.errno)}`
      : "its helper ended without a word";
    throw new Error(`Cannot listen inside the sandbox: ${why}`);
  } catch (error) {
    if (error instanceof LibcError) {
      throw new Error(`Cannot listen inside the sandbox: ${error.message}`, { cause: error });
    }
    throw error;
  } finally {
    closeDescriptor(ours);
    closeDescriptor(theirs);
  }
}
