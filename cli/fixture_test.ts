/**
 * What the tests of the command share: real processes, a scratch directory, a kernel to talk to.
 *
 * @module
 */
import { join } from "node:path";
import { type Kernel, startKernel } from "../kernel/main.ts";

const MAIN = new URL("./main.ts", import.meta.url).pathname;
const decoder = new TextDecoder();

/** What a finished command left. */
export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How to run `clove`. */
export interface RunOptions {
  /** Written to standard input, which is closed then; without it there is none. */
  readonly input?: string | Uint8Array;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

/** Nobody listens there. */
const NOBODY = "/tmp/clove-test-nobody/clove.sock";

/** The command with its surroundings made plain: no kernel of this machine, no colours, no sandbox. */
export function command(args: readonly string[], options: RunOptions = {}, stdin = false): Deno.Command {
  const { env = {}, cwd } = options;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", MAIN, ...args],
    cwd,
    env: { NO_COLOR: "1", CLOVE_NO_SANDBOX: "1", CLOVE_SOCKET: NOBODY, ...env },
    stdin: stdin ? "piped" : "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Runs `clove` to its end. */
export async function clove(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { input } = options;
  const child = command(args, options, input !== undefined).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    // A command that takes no input closes its end; what it did is what the test looks at.
    await writer.write(typeof input === "string" ? new TextEncoder().encode(input) : input).catch(() => {});
    await writer.close().catch(() => {});
  }
  const { code, stdout, stderr } = await child.output();
  return { status: code, stdout: decoder.decode(stdout), stderr: withoutLog(decoder.decode(stderr)) };
}

/** The kernel's own lines are no part of what a command says. */
function withoutLog(text: string): string {
  return text.replace(/^\d{4}-\d\d-\d\dT.*\n/gm, "");
}

/** Lines of a stream, one at a time. */
export class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #buffer = "";

  /** Reads nothing yet. */
  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)
      .getReader();
  }

  /** The next one, or null at the end. */
  async next(): Promise<string | null> {
    for (;;) {
      const end = this.#buffer.indexOf("\n");
      if (end >= 0) {
        const line = this.#buffer.slice(0, end);
        this.#buffer = this.#buffer.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#reader.read();
      if (!done) this.#buffer += value;
      else if (this.#buffer === "") return null;
      else this.#buffer += "\n";
    }
  }

  /** What is left. */
  async rest(): Promise<string> {
    const lines: string[] = [];
    for (let line; (line = await this.next()) !== null;) lines.push(line);
    return lines.join("\n");
  }
}

/** A directory for one test. */
export class Scratch implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes it. */
  static async make(files: Readonly<Record<string, string>> = {}): Promise<Scratch> {
    const scratch = new Scratch(await Deno.makeTempDir({ prefix: "clove-test-" }));
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(scratch.path, name), text);
    }
    return scratch;
  }

  /** The whole path of something in it. */
  at(name: string): string {
    return join(this.path, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** A kernel on a socket, in this process; `env` leads a command to it. */
export interface TestKernel extends AsyncDisposable {
  readonly kernel: Kernel;
  readonly env: Record<string, string>;
}

/** Starts it. */
export async function testKernel(): Promise<TestKernel> {
  const scratch = await Scratch.make();
  const socket = scratch.at("clove.sock");
  const kernel = await startKernel({ socket, data: null, sandbox: false, logLevel: "error" });
  return {
    kernel,
    env: { CLOVE_SOCKET: socket },
    async [Symbol.asyncDispose](): Promise<void> {
      await kernel.close();
      await scratch[Symbol.asyncDispose]();
    },
  };
}
