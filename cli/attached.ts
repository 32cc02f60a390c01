/**
 * An agent with a person or a pipe at its ends: input, output, signals and exit status go through.
 *
 * @module
 */
import { type AgentSpawnParams, type Clove, SyscallError } from "@clove/sdk";
import { OutputClosed } from "./exit.ts";
import { print, printError, say } from "./terminal.ts";
import { openTty, windowSize } from "./tty.ts";

/** After this many signals the kernel has had its chances. */
const SIGNALS_AT_MOST = 3;
/** How long an agent may take to end when nobody reads its output any more. */
const UNREAD_GRACE_MS = 1_000;
/** Ctrl-D: what ends the input of a terminal. */
const END_OF_INPUT = 0x04;
const LINE_FEED = 0x0a;

/**
 * Spawns an agent and stays with it until it has ended.
 *
 * @param tty True for a terminal of its own instead of pipes.
 * @returns Its exit status; 128 and the signal's number when a signal ended it.
 * @throws {SyscallError} When it was not started.
 */
export async function superviseRun(clove: Clove, params: AgentSpawnParams, tty: boolean): Promise<number> {
  const stopping = new Stopping(clove);
  try {
    const { agent_id } = await clove.agent.spawn(tty ? onTerminal(params) : { ...params, stdin: isPiped() });
    stopping.started(agent_id);
    using _terminal = tty ? openTty((size) => clove.agent.resize({ id: agent_id, ...size })) : null;
    // Not waited for: whoever feeds this process may never finish, and the agent ends when it ends.
    if (tty || isPiped()) passInput(clove, agent_id, tty).catch((error) => stopping.failed(error));
    try {
      await Promise.race([passOutput(clove, agent_id), stopping.failure]);
    } catch (error) {
      if (error instanceof OutputClosed) await clove.agent.kill({ id: agent_id, grace_ms: UNREAD_GRACE_MS });
      throw error;
    }
    return (await clove.agent.wait({ id: agent_id })).exit_code;
  } finally {
    stopping.end();
  }
}

/** A person at a terminal is not asked for input unless there is one for the agent, too. */
function isPiped(): boolean {
  return !Deno.stdin.isTerminal();
}

function onTerminal(params: AgentSpawnParams): AgentSpawnParams {
  const term = Deno.env.get("TERM");
  return {
    ...params,
    tty: windowSize() ?? { rows: 24, columns: 80 },
    // What the program draws is meant for the terminal at this end.
    env: { ...(term ? { TERM: term } : {}), ...params.env },
  };
}

/** Copies both streams, byte for byte, until the agent has ended. */
async function passOutput(clove: Clove, id: number): Promise<void> {
  const output = clove.agent.output({ id, follow: true, raw: true, hold: true });
  for await (const part of output) {
    if (part.lost) say(`${part.lost} pieces of output are lost: they came faster than they were read`);
    const { tail } = part as typeof part & { tail: Uint8Array };
    await (part.stream === "stderr" ? printError(tail) : print(tail));
  }
  await output.result;
}

/** Copies standard input until its end, or until the agent takes no more. */
async function passInput(clove: Clove, id: number, tty: boolean): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  let last = LINE_FEED;
  try {
    for (let length; (length = await Deno.stdin.read(buffer)) !== null;) {
      if (length === 0) continue;
      last = buffer[length - 1]!;
      await clove.agent.input({ id }, { tail: buffer.subarray(0, length) });
    }
    if (!tty) await clove.agent.input({ id, end: true });
    else {
      // In the middle of a line the first one only ends the line.
      const keys = last === LINE_FEED ? [END_OF_INPUT] : [END_OF_INPUT, END_OF_INPUT];
      await clove.agent.input({ id }, { tail: Uint8Array.from(keys) });
    }
  } catch (error) {
    // It closed its input, or has ended: as for a pipe's writer, there is nobody to write to.
    if (!(error instanceof SyscallError && error.code === "conflict")) throw error;
  }
}

/** Signals to this process, as requests to stop the agent: first in order, then at once. */
class Stopping {
  /** Rejects with whatever failed meanwhile. */
  readonly failure: Promise<never>;
  readonly #clove: Clove;
  readonly #reject: (error: unknown) => void;
  readonly #signals: readonly Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
  readonly #onSignal = (): void => this.#asked();
  #id: number | null = null;
  #count = 0;

  constructor(clove: Clove) {
    this.#clove = clove;
    const { promise, reject } = Promise.withResolvers<never>();
    this.failure = promise;
    // It is also there when nobody looks at it any more.
    promise.catch(() => {});
    this.#reject = reject;
    for (const signal of this.#signals) Deno.addSignalListener(signal, this.#onSignal);
  }

  /** The agent is there; a signal that came earlier counts. */
  started(id: number): void {
    this.#id = id;
    if (this.#count > 0) this.#stop();
  }

  failed(error: unknown): void {
    this.#reject(error);
  }

  end(): void {
    for (const signal of this.#signals) Deno.removeSignalListener(signal, this.#onSignal);
  }

  #asked(): void {
    if (++this.#count >= SIGNALS_AT_MOST) Deno.exit(130);
    if (this.#count === 1 && Deno.stderr.isTerminal()) say("stopping; Ctrl-C again ends it at once");
    if (this.#id !== null) this.#stop();
  }

  #stop(): void {
    const grace = this.#count > 1 ? { grace_ms: 0 } : {};
    this.#clove.agent.kill({ id: this.#id!, ...grace }).catch((error) => this.failed(error));
  }
}
