/**
 * Runs commands for callers: as a process with a clean environment, bounded output and a real time limit, ended as a
 * whole. An agent's command runs in a sandbox equal to the agent's own, so it never can do more than the agent.
 *
 * @module
 */
import type { Socket } from "node:net";
import { SyscallError } from "@clove/sdk/protocol";
import { execNeed, fileNeed, type Need, plainNeed } from "../../permissions/mod.ts";
import type { Clock } from "../../worlds/clock.ts";
import type { Agents, Confinement } from "../agents/agents.ts";
import { type Launcher, LaunchError, type LaunchRequest, type Process } from "../agents/launch.ts";
import { createPlainLauncher } from "../agents/plain.ts";
import { findProgram, PROGRAM_PATH } from "../agents/program.ts";
import { DEFAULT_LIMITS } from "../agents/resources.ts";
import { findPlace } from "../agents/view.ts";
import { LIMITS } from "../limits.ts";
import type { Log } from "../log.ts";
import type { Principal } from "../principals.ts";
import { splitWords } from "./words.ts";

/** What to run. */
export interface ExecRequest {
  readonly argv?: readonly string[];
  readonly command?: string;
  readonly shell?: boolean;
  readonly cwd?: string;
  /** Milliseconds. */
  readonly timeoutMs: number;
  /** Written to standard input, which is then closed; absent: no input. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** How it went. */
export interface ExecOutcome {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly stdoutTruncated: boolean;
  readonly stderrTruncated: boolean;
  /** 0-255; -1 when a signal ended it. */
  readonly exitCode: number;
  readonly signal: string | null;
  readonly durationMs: number;
  readonly timedOut: boolean;
}

/** What the runner works with. */
export interface ExecOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly agents: Agents;
  /** For the commands of confined callers. */
  readonly launcher: Launcher;
  readonly runDir?: string;
  /** For an operator's commands: ordinary processes. A test passes its own. */
  readonly plain?: Launcher;
}

/** What a caller may do and how it stops: the part of a call's context that is needed here. */
export interface ExecCall {
  readonly caller: Principal;
  readonly signal: AbortSignal;
  readonly demand: (need: Need) => void;
}

/** Runs commands. */
export class ExecRunner {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #agents: Agents;
  readonly #launcher: Launcher;
  readonly #plain: Launcher;
  readonly #running = new Map<Principal, number>();

  /** Starts nothing. */
  constructor(options: ExecOptions) {
    const { log } = options;
    this.#clock = options.clock;
    this.#log = log;
    this.#agents = options.agents;
    this.#launcher = options.launcher;
    this.#plain = options.plain ?? createPlainLauncher({ warn: (message) => log.warn(message) });
  }

  /**
   * Runs one command to its end.
   *
   * @throws {SyscallError} `denied` with a receipt, `bad_request`, `not_found`, `limit` when too many run at once,
   *   `unavailable` when it cannot be started. Running out of time is an outcome, not an error.
   */
  async run(request: ExecRequest, call: ExecCall): Promise<ExecOutcome> {
    const argv = demandedArgv(request, call);
    const { caller } = call;
    const atOnce = this.#running.get(caller) ?? 0;
    if (atOnce >= LIMITS.execAtOnce) {
      throw new SyscallError(
        "limit",
        `Cannot run ${
          JSON.stringify(argv[0])
        }: ${atOnce} commands of ${caller.label} are running, wait for one to end`,
      );
    }
    this.#running.set(caller, atOnce + 1);
    try {
      const most = caller.authority.effective().maxExecTimeMs ?? Infinity;
      const process = await this.#launch(request, argv, call);
      return await this.#attend(
        process,
        { ...request, timeoutMs: Math.min(request.timeoutMs, most) },
        call.signal,
      );
    } catch (cause) {
      if (!(cause instanceof LaunchError)) throw cause;
      throw new SyscallError("unavailable", `failed to execute command: ${cause.message}`, {
        details: { step: cause.step, errno: cause.errno },
        cause,
      });
    } finally {
      const left = this.#running.get(caller)! - 1;
      if (left > 0) this.#running.set(caller, left);
      else this.#running.delete(caller);
    }
  }

  async #launch(request: ExecRequest, argv: readonly string[], call: ExecCall): Promise<Process> {
    const { caller } = call;
    const confinement = this.#agents.confinementOf(caller);
    const program = await this.#program(argv[0]!, confinement, caller);
    const cwd = await this.#directory(request.cwd, confinement, call);
    const launcher = confinement ? this.#launcher : this.#plain;
    const launch: LaunchRequest = {
      ...(confinement?.request ?? OPERATOR),
      id: caller.id,
      name: `${caller.name || caller.kind}-exec`,
      argv: [program, ...argv.slice(1)],
      env: { ...(confinement?.request.env ?? operatorEnvironment(cwd)), ...request.env },
      cwd,
      stdin: request.input === undefined ? "null" : "pipe",
      tty: null,
    };
    return await launcher.launch(launch);
  }

  /** The program, as the process will see it: a path that the caller's view shows is its own file, not the host's. */
  async #program(name: string, confinement: Confinement | null, caller: Principal): Promise<string> {
    const layout = confinement ? await this.#launcher.layout?.(confinement.request.sandboxed) : null;
    if (!layout?.mounts || !name.startsWith("/")) return await findProgram(name);
    let place;
    try {
      place = await findPlace(this.#agents.viewOf(caller), name);
    } catch (error) {
      // The system's directories are mounted, and no part of the view.
      if (error instanceof SyscallError && error.code === "not_found") return await findProgram(name);
      throw error;
    }
    await findProgram(place.outside);
    return place.inside;
  }

  /** Where it runs, as the process sees it. */
  async #directory(
    wanted: string | undefined,
    confinement: Confinement | null,
    call: ExecCall,
  ): Promise<string> {
    if (!wanted) return confinement?.request.cwd ?? Deno.cwd();
    const place = await findPlace(this.#agents.viewOf(call.caller), wanted);
    call.demand(fileNeed("fs.read", place.inside));
    if (!confinement) return place.outside;
    // Where no mounts take place the process knows the directory by its real name.
    const layout = await this.#launcher.layout?.(confinement.request.sandboxed);
    return layout?.mounts ? place.inside : place.outside;
  }

  async #attend(process: Process, request: ExecRequest, signal: AbortSignal): Promise<ExecOutcome> {
    // Descriptor 3 is for agents; a command has no use for it.
    process.channel.destroy();
    const started = this.#clock.monotonic();
    const stdout = collect(process.stdout);
    const stderr = process.stderr ? collect(process.stderr) : EMPTY;
    if (process.stdin) {
      // A command that ends without reading its input resets the pipe: its status says how it went.
      process.stdin.on("error", () => {});
      process.stdin.end(request.input ?? "");
    }
    let timedOut = false;
    const kill = (): void => {
      process.kill().catch((cause) =>
        this.#log.error("a command could not be killed", { pid: process.pid, cause })
      );
    };
    const cancel = this.#clock.timer(request.timeoutMs, () => {
      timedOut = true;
      kill();
    });
    if (signal.aborted) kill();
    signal.addEventListener("abort", kill, { once: true });
    const exit = await process.exited;
    cancel();
    signal.removeEventListener("abort", kill);
    return {
      stdout: stdout.bytes(),
      stderr: stderr.bytes(),
      stdoutTruncated: stdout.truncated(),
      stderrTruncated: stderr.truncated(),
      exitCode: exit.signal === null && !timedOut ? exit.code : -1,
      signal: exit.signal,
      durationMs: Math.round(this.#clock.monotonic() - started),
      timedOut,
    };
  }
}

/** What an operator's command runs in. */
const OPERATOR: Confinement["request"] = {
  mounts: [],
  network: "host",
  sandboxed: false,
  limits: { ...DEFAULT_LIMITS, memory: null, max_pids: null, cpu_quota: null },
  require: [],
  env: {},
  cwd: "/",
};

function operatorEnvironment(home: string): Record<string, string> {
  return { PATH: PROGRAM_PATH, HOME: home, LANG: "C.UTF-8" };
}

/** The argv that will be executed, which the caller was found to be allowed. */
function demandedArgv(request: ExecRequest, { demand }: ExecCall): readonly string[] {
  const { argv, command, shell } = request;
  if (argv && command !== undefined) {
    throw new SyscallError("bad_request", "Cannot run argv and command at once, leave one out");
  }
  if (shell) {
    if (!command) {
      throw new SyscallError(
        "bad_request",
        argv ? "Cannot use shell with argv: use command" : "command required",
      );
    }
    const whole = checked(["/bin/sh", "-c", command]);
    demand(plainNeed("exec.shell", command));
    return whole;
  }
  const words = checked(argv ?? splitWords(command ?? ""));
  if (words.length === 0 || words[0] === "") throw new SyscallError("bad_request", "command required");
  demand(execNeed(words));
  return words;
}

function checked(argv: readonly string[]): readonly string[] {
  if (argv.some((word) => word.includes("\0"))) {
    throw new SyscallError("bad_request", "Cannot run a command with a zero byte in it");
  }
  return argv;
}

/** What one stream gave, up to the bound. */
interface Collected {
  bytes(): Uint8Array;
  truncated(): boolean;
}

const EMPTY: Collected = { bytes: () => new Uint8Array(), truncated: () => false };

/** Reads a stream to its end; what is past the bound is read and dropped, so that the command does not block. */
function collect(stream: Socket): Collected {
  const chunks: Uint8Array[] = [];
  let kept = 0;
  let truncated = false;
  stream.on("data", (chunk: Uint8Array) => {
    const room = LIMITS.execOutputBytes - kept;
    if (chunk.byteLength > room) truncated = true;
    if (room <= 0) return;
    // A copy: a few bytes must not keep a whole read buffer alive.
    const part = chunk.slice(0, room);
    chunks.push(part);
    kept += part.byteLength;
  });
  stream.on("error", () => {});
  return {
    bytes: () => {
      const all = new Uint8Array(kept);
      let at = 0;
      for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.byteLength;
      }
      return all;
    },
    truncated: () => truncated,
  };
}
