/**
 * The plain launcher: agents as ordinary child processes. It puts up no wall of its own and says so; what confines
 * a Deno agent here is Deno, and nothing confines any other program.
 *
 * It does keep the promises that need no wall: a clean environment, no inherited descriptor, a session of its own
 * that is stopped and ended as a whole.
 *
 * @module
 */
import { type ChildProcess, spawn, type StdioOptions } from "node:child_process";
import type { Socket } from "node:net";
import { constants } from "node:os";
import process from "node:process";
import { markCloseOnExec } from "../../ffi/close_on_exec.ts";
import { processStatNow, sessionMembers } from "./processes.ts";
import {
  type Exit,
  type Isolation,
  type Launcher,
  LaunchError,
  type LaunchRequest,
  type Limits,
  type Pressure,
  type Process,
  type WallReport,
  WALLS,
} from "./launch.ts";

/** After the agent itself ended, its children may write for this long before they are ended too. */
const LAST_WORDS_MS = 150;
/** After everything was killed, pipes that are still open belong to a process that left the session. */
const GIVE_UP_MS = 500;
/** Rounds of looking for processes of a session that were forked while the others were being killed. */
const KILL_ROUNDS = 8;

/** How to make a plain launcher. */
export interface PlainOptions {
  /** Why there are no walls, for `isolation.degraded_reason`; one sentence. */
  readonly reason?: string;
  /** Keeps descriptors from being inherited; false when it cannot. A test passes its own. */
  readonly seal?: () => boolean;
  /** Told once when {@link PlainOptions.seal} cannot. */
  readonly warn?: (message: string) => void;
}

/** Makes a launcher of ordinary processes. Works wherever Deno has `node:child_process`. */
export function createPlainLauncher(options: PlainOptions = {}): Launcher {
  const reason = options.reason ?? "Sandboxing disabled: agents are ordinary processes";
  const seal = options.seal ?? markCloseOnExec;
  let warned = false;
  return {
    description: "plain (ordinary processes, no walls of the operating system)",
    async launch(request: LaunchRequest): Promise<Process> {
      refuseWhatIsMissing(request);
      // Nothing may come between the marking and the spawn: a descriptor opened there would be inherited.
      if (!seal() && !warned) {
        warned = true;
        options.warn?.(
          "agents inherit descriptors that were opened without close-on-exec, run with --allow-ffi on Linux",
        );
      }
      return await start(request, reason);
    },
    explain: (request) => [
      `start ${request.argv.join(" ")}`,
      `in ${request.cwd}, in a session of its own, with ${Object.keys(request.env).length} variables`,
      "descriptors 0 to 3 and no other",
      `no walls: ${reason}`,
    ],
    probe: () =>
      Promise.resolve(WALLS.map((wall): WallReport => ({
        wall,
        available: false,
        detail: reason,
        remedy: "run the kernel on Linux without --no-sandbox",
      }))),
    close: () => Promise.resolve(),
  };
}

function refuseWhatIsMissing(request: LaunchRequest): void {
  const [wall] = request.require;
  if (wall) {
    throw new LaunchError(
      `Cannot start "${request.name}" with the wall ${wall}: the plain launcher has no walls, ` +
        "start the kernel on Linux without --no-sandbox",
      { step: `require ${wall}`, refused: true },
    );
  }
  if (request.tty) {
    throw new LaunchError(
      `Cannot start "${request.name}" on a terminal: the plain launcher has only pipes, leave out tty`,
      { step: "open a pty", refused: true },
    );
  }
}

/** Makes the variable that marks the processes of one run. */
let runs = 0;

async function start(request: LaunchRequest, reason: string): Promise<Process> {
  const [program, ...args] = request.argv;
  if (program === undefined) throw new LaunchError("Cannot start a program: argv is empty", { step: "exec" });
  const stdio: StdioOptions = [request.stdin === "pipe" ? "pipe" : "ignore", "pipe", "pipe", "pipe"];
  const startedAt = performance.now();
  const mark = `${Deno.pid}-${++runs}`;
  let child: ChildProcess;
  try {
    child = spawn(program, args, {
      cwd: request.cwd,
      env: { ...request.env, CLOVE_RUN: mark },
      stdio,
      detached: true,
    });
  } catch (cause) {
    throw notStarted(request, cause);
  }
  if (child.pid === undefined) {
    const cause = await new Promise((resolve) => child.once("error", resolve));
    for (const stream of child.stdio) stream?.destroy();
    throw notStarted(request, cause);
  }
  return new PlainProcess(child, child.pid, startedAt, isolationOf(reason), mark);
}

function notStarted(request: LaunchRequest, cause: unknown): LaunchError {
  const errno = (cause as { code?: string }).code ?? "";
  const remedy = errno === "ENOENT"
    ? ", check that the program and the working directory exist"
    : errno === "EACCES"
    ? ", make the program executable"
    : "";
  return new LaunchError(
    `Cannot start "${request.argv[0]}" in "${request.cwd}": ${errno || String(cause)}${remedy}`,
    { step: "exec", errno, cause },
  );
}

function isolationOf(reason: string): Isolation {
  return {
    fully_isolated: false,
    namespaces: { pid: false, net: false, mnt: false, uts: false, ipc: false, user: false },
    cgroups: { available: false, memory_limit: false, cpu_quota: false, pids_limit: false },
    seccomp: false,
    landlock: false,
    capabilities_dropped: false,
    no_new_privs: false,
    missing: WALLS,
    degraded_reason: reason,
  };
}

class PlainProcess implements Process {
  readonly pid: number;
  readonly isolation: Isolation;
  readonly channel: Socket;
  readonly stdin: Socket | null;
  readonly stdout: Socket;
  readonly stderr: Socket;
  readonly exited: Promise<Exit>;
  readonly cgroup = null;
  readonly netns = null;
  /** True from the moment the agent itself ended: its number may belong to somebody else from then on. */
  #ended = false;
  readonly #gone: Promise<void>;
  /** A variable that only the processes of this run carry. */
  readonly #variable: string;
  readonly #startTicks: number;

  constructor(
    child: ChildProcess,
    pid: number,
    startedAt: number,
    isolation: Isolation,
    mark: string,
  ) {
    this.#variable = `CLOVE_RUN=${mark}`;
    // At once: a moment later a short program may be gone, and what it left behind could not be told from others.
    this.#startTicks = processStatNow(pid)?.startTicks ?? Infinity;
    this.pid = pid;
    this.isolation = isolation;
    this.stdin = child.stdin as Socket | null;
    this.stdout = child.stdout as Socket;
    this.stderr = child.stderr as Socket;
    this.channel = child.stdio[3] as Socket;
    // A child that goes while something is written to it resets its end. That is its exit, not our failure.
    for (const stream of [this.stdin, this.channel]) stream?.on("error", () => {});
    const ended = new Promise<Exit>((resolve) => {
      child.once("exit", (code, signal) => {
        this.#ended = true;
        resolve(exitOf(code, signal, performance.now() - startedAt));
      });
    });
    this.#gone = ended.then(() => {});
    this.exited = ended.then(async (exit) => {
      await this.#lastWords();
      return exit;
    });
  }

  /** Waits for the ends of the pipes; ends what keeps them open. */
  async #lastWords(): Promise<void> {
    const closed = Promise.all([streamEnd(this.stdout), streamEnd(this.stderr)]);
    const quick = await within(closed, LAST_WORDS_MS);
    await this.#killSession();
    if (!quick) await within(closed, GIVE_UP_MS);
    for (const stream of [this.stdin, this.stdout, this.stderr, this.channel]) stream?.destroy();
  }

  signal(signal: string): Promise<boolean> {
    return Promise.resolve(!this.#ended && send(this.pid, signal));
  }

  async pause(): Promise<void> {
    if (this.#ended) return;
    send(-this.pid, "SIGSTOP");
    for (const pid of await sessionMembers(this.pid)) send(pid, "SIGSTOP");
  }

  async resume(): Promise<void> {
    if (this.#ended) return;
    for (const pid of await sessionMembers(this.pid)) send(pid, "SIGCONT");
    send(-this.pid, "SIGCONT");
  }

  async kill(): Promise<void> {
    if (!this.#ended) {
      send(-this.pid, "SIGKILL");
      await this.#killSession();
    }
    await this.#gone;
    await this.exited;
  }

  setLimits(): Promise<{ applied: Limits; missing: readonly string[] }> {
    return Promise.resolve({
      applied: NO_LIMITS,
      missing: ["memory", "max_pids", "cpu_quota", "cpu_shares"],
    });
  }

  resize(): void {}

  onPressure(_listener: (warning: Pressure) => void): () => void {
    return () => {};
  }

  /**
   * Kills whoever is left of the session, and whoever left it but still carries the run's variable. A session's number stays taken while one member lives, so the walk cannot
   * meet strangers; where there is no `/proc` to walk, the process group is ended instead.
   */
  async #killSession(): Promise<void> {
    if (Deno.build.os !== "linux") return void send(-this.pid, "SIGKILL");
    const escaped = { variable: this.#variable, since: this.#startTicks };
    for (let round = 0; round < KILL_ROUNDS; round++) {
      const members = await sessionMembers(this.pid, escaped);
      if (members.length === 0) return;
      for (const pid of members) send(pid, "SIGKILL");
    }
  }
}

const NO_LIMITS: Limits = {
  memory: null,
  max_pids: null,
  cpu_quota: null,
  cpu_period: 100_000,
  cpu_shares: 1024,
};

/** False when the process is gone; anything else that fails is thrown. */
function send(pid: number, signal: string): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as { code?: string }).code === "ESRCH") return false;
    throw error;
  }
}

function streamEnd(stream: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (stream.closed || stream.destroyed) return resolve();
    stream.once("close", () => resolve());
    // A reset while reading is an end too: the exit status tells what happened.
    stream.on("error", () => resolve());
  });
}

/** True when the promise settled in time. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  const inTime = await Promise.race([promise.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}

/** What a wait status means, in the words of {@link Exit}. */
export function exitOf(code: number | null, signal: string | null, durationMs: number): Exit {
  const duration_ms = Math.round(durationMs);
  if (signal === null) {
    const status = code ?? 0;
    return {
      code: status,
      signal: null,
      reason: "exited",
      cause: `exited with status ${status}`,
      duration_ms,
      usage: null,
    };
  }
  const number = (constants.signals as Record<string, number>)[signal] ?? 0;
  const crashed = CRASHES.has(signal);
  return {
    code: 128 + number,
    signal,
    reason: crashed ? "crashed" : "killed",
    cause: crashed ? `crashed with ${signal}` : `killed by ${signal}`,
    duration_ms,
    usage: null,
  };
}

/** Signals a program brings on itself by a fault. See signal(7), "Core". */
const CRASHES: ReadonlySet<string> = new Set([
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGILL",
  "SIGSEGV",
  "SIGSYS",
  "SIGTRAP",
]);
