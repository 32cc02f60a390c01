/**
 * Starts a program without libc: the image lies in a file and is an ordinary child of Deno's. It stays as monitor
 * between the kernel and init, because only through it init ends when the kernel does.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Socket } from "node:net";
import process from "node:process";
import { diskImage } from "../../ffi/image_file.ts";
import { makeImage } from "../../ffi/image.ts";
import type { Program } from "../../ffi/program.ts";
import type { Control } from "./control.ts";
import type { Started, StartMethod, StartOptions } from "./start.ts";

/** Starts through `node:child_process`. */
export class MonitorStarter implements StartMethod {
  readonly kernelPidfd = null;
  readonly control: Control;
  readonly #directory: string;
  readonly #running = new Map<number, ChildProcess>();

  /** @param directory Where images go; programs must be executable there. */
  constructor(directory: string) {
    this.#directory = directory;
    this.control = {
      signal: (pid, _init, signal) => unlessGone(() => process.kill(pid, signal)),
      // Without libc Deno does not let /proc be read either: the agent's process group has to do.
      members: (_init, agent) => [-agent],
      ended: (pid) => this.#running.has(pid) || (exists(pid)) ? "running" : { status: null, signal: null },
    };
  }

  start(program: Program, options: StartOptions): Started {
    using file = diskImage(makeImage(program), this.#directory);
    const input = options.stdin === "pipe" ? "pipe" : "ignore";
    const child = spawn(file.path, [], { env: {}, cwd: "/", stdio: [input, "pipe", "pipe", "pipe", "pipe"] });
    const { pid } = child;
    child.on("error", () => {}); // shows as a status pipe that ends
    if (pid !== undefined) {
      this.#running.set(pid, child);
      child.on("exit", () => this.#running.delete(pid));
    }
    const [, , , channel, status] = child.stdio as unknown as readonly (Socket | null)[];
    if (pid === undefined || !channel || !status) {
      throw new Error(`Cannot start ${file.path}: Deno could not execute it, allow it with --allow-run`);
    }
    for (const stream of child.stdio) stream?.on("error", () => {}); // its exit, not our failure
    return {
      launcher: pid,
      status,
      channel,
      stdin: child.stdin as Socket | null,
      stdout: child.stdout as unknown as Socket,
      stderr: child.stderr as unknown as Socket,
      master: null,
      release: () => {},
    };
  }

  [Symbol.dispose](): void {}
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ESRCH" || code === "EPERM") return false; // gone, or somebody else's by now
    throw error;
  }
}

function unlessGone(act: () => void): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "ESRCH") return false;
    throw error;
  }
}
