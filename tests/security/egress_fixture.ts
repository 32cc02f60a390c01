/**
 * What the tests of the way out share: a kernel whose names resolve as a test says, servers on loopback that must or
 * must not be reached, and a probe inside a real sandbox.
 *
 * @module
 */
import { createServer, type Server, type Socket } from "node:net";
import { type Clove, connect } from "@clove/sdk";
import { type Kernel, startKernel, type StartOptions } from "../../kernel/main.ts";
import type { Agent } from "../../kernel/agents/agent.ts";
import { lacks } from "../facilities.ts";
import PROBE from "./egress_probe.py" with { type: "text" };

/** Where Python is on the machines this is tested on; the kernel itself looks in fixed places only. */
const PYTHON = "/usr/bin/python3";

/** True where no real sandbox can be built, or the probe cannot run in it. */
export const NO_SANDBOX: boolean = lacks("linux", "python3") || (lacks("root") && lacks("userns"));

/** One thing the probe does; see `egress_probe.py`. */
export type Step = readonly [string, ...unknown[]];

/** A kernel, an operator's connection, and a directory. */
export class Rig implements AsyncDisposable {
  readonly kernel: Kernel;
  readonly clove: Clove;
  /** Removed at the end. */
  readonly dir: string;
  /** Every line of the kernel's log. */
  readonly log: string[];
  /** What names resolve to, each list for one question, the last for all that follow. */
  readonly names: Map<string, string[][]>;

  private constructor(kernel: Kernel, clove: Clove, parts: Pick<Rig, "dir" | "log" | "names">) {
    this.kernel = kernel;
    this.clove = clove;
    this.dir = parts.dir;
    this.log = parts.log;
    this.names = parts.names;
  }

  static async start(options: StartOptions = {}): Promise<Rig> {
    const dir = await Deno.makeTempDir({ prefix: "clove-egress-" });
    await Deno.writeTextFile(`${dir}/probe.py`, PROBE);
    await Deno.chmod(dir, 0o755);
    const log: string[] = [];
    const names = new Map<string, string[][]>();
    const kernel = await startKernel({
      logLevel: "debug",
      onLog: (line) => log.push(line),
      ...options,
      machine: {
        lookup: (host) => {
          const turns = names.get(host);
          if (!turns) return Promise.reject(Object.assign(new Error(`no ${host}`), { code: "ENOTFOUND" }));
          return Promise.resolve(turns.length > 1 ? turns.shift()! : turns[0]!);
        },
        ...options.machine,
      },
    });
    return new Rig(kernel, await connect({ transport: kernel.connect() }), { dir, log, names });
  }

  /** Starts the probe as an agent with these rules alone. */
  async spawn(rules: readonly string[], steps: readonly Step[], more: object = {}): Promise<Agent> {
    const { agent_id } = await this.clove.agent.spawn({
      script: `${this.dir}/probe.py`,
      python: PYTHON,
      args: [JSON.stringify(steps)],
      policy: rules,
      ...more,
    });
    return this.kernel.services.agents.get(agent_id!)!;
  }

  /** What the probe found, one value for each step. */
  async probe(rules: readonly string[], steps: readonly Step[], more: object = {}): Promise<unknown[]> {
    const agent = await this.spawn(rules, steps, more);
    await agent.finished;
    const { stdout, stderr } = written(agent);
    if (stderr !== "") throw new Error(`The probe failed: ${stderr}`);
    return stdout.trim().split("\n").map((line) => JSON.parse(line));
  }

  /** Lines of the audit log, oldest first. */
  async audit(query: object = {}): Promise<{ event_type: string; details: Record<string, unknown> }[]> {
    const { entries } = await this.clove.audit.log({ limit: 1_000, ...query });
    return entries as never;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.clove.close();
    await this.kernel.close();
    await Deno.remove(this.dir, { recursive: true });
  }
}

/** Everything an agent wrote. */
export function written(agent: Agent): { stdout: string; stderr: string } {
  const text = { stdout: "", stderr: "" };
  for (const { stream, bytes } of agent.output.read(0).chunks) {
    text[stream] += new TextDecoder().decode(bytes);
  }
  return text;
}

/** A server on loopback that remembers what it was sent. */
export class Target implements AsyncDisposable {
  readonly heard: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param answer What every request is answered with; null reads and says nothing. */
  static async start(
    answer: string | null = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ninside",
    host = "127.0.0.1",
    port = 0,
  ): Promise<Target> {
    const server = createServer();
    const target = new Target(server);
    server.on("connection", (socket) => {
      target.#sockets.add(socket);
      const index = target.heard.push("") - 1;
      socket.on("error", () => socket.destroy());
      socket.on("data", (bytes: Uint8Array) => {
        target.heard[index] += new TextDecoder("latin1").decode(bytes);
        if (answer !== null && target.heard[index]!.includes("\r\n\r\n")) socket.end(answer);
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => resolve());
    });
    return target;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

/** Waits until something holds. */
export async function eventually(holds: () => boolean, what: string, ms = 10_000): Promise<void> {
  const until = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > until) throw new Error(`Not so after ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
