/**
 * One agent over its whole life: started, watched, restarted, paused, stopped. Its identity (number, name, authority)
 * stays the same over all restarts.
 *
 * @module
 */
import type { Socket } from "node:net";
import { SyscallError } from "@clove/sdk/protocol";
import type { Clock } from "../../worlds/clock.ts";
import type { Random } from "../../worlds/random.ts";
import type { Principal } from "../principals.ts";
import { LIMITS } from "../limits.ts";
import type { Log } from "../log.ts";
import type { OutputSink } from "../output/files.ts";
import { capture } from "./capture.ts";
import type { Exit, Isolation, Launcher, LaunchRequest, Limits, Pressure, Process } from "./launch.ts";
import { OutputLog } from "./output.ts";
import { decideRestart, NO_HISTORY, type RestartRules } from "./restart.ts";
import { type AgentState, isFinal } from "./states.ts";
import type { View } from "../../worlds/view.ts";

/** What an agent asks of whoever keeps it. */
export interface AgentHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly launcher: Launcher;
  /** Keeps what an agent writes beyond the kernel's life; null where nothing does. */
  keepOutput(agent: { readonly id: number; readonly name: string }): OutputSink | null;
  /** Serves descriptor 3 as a connection of the agent. */
  readonly onChannel: (socket: Socket, principal: Principal) => void;
  /** Something happened that subscribers and the audit log should know. */
  tell(agent: Agent, what: AgentNews, data: Record<string, unknown>): void;
  /** Stops what the agent itself started; resolves when all of it has ended. */
  stopChildren(agent: Agent): Promise<void>;
  /** The agent ended for good. */
  released(agent: Agent): void;
}

/** Events of an agent's life. */
export type AgentNews =
  | "AGENT_SPAWNED"
  | "AGENT_EXITED"
  | "AGENT_PAUSED"
  | "AGENT_RESUMED"
  | "AGENT_RESTARTING"
  | "AGENT_ESCALATED"
  | "RESOURCE_WARNING";

/** What stays the same over all restarts; made by admission. */
export interface AgentPlan {
  readonly rules: RestartRules;
  /** How long a stop waits after SIGTERM, unless it says otherwise. */
  readonly graceMs: number;
  readonly view: View;
  readonly limits: Limits;
  readonly network: "none" | "host";
  readonly sandboxed: boolean;
  /** Makes the request of one start; the limits are those that hold now. */
  request(limits: Limits): Promise<LaunchRequest> | LaunchRequest;
}

/** Exit status of a program that could not be started, as shells give it. */
const NOT_STARTED = 127;

/** One agent. */
export class Agent {
  readonly id: number;
  readonly name: string;
  readonly principal: Principal;
  /** Who spawned it: an agent, an operator's connection, a remote. */
  readonly spawner: Principal;
  readonly plan: AgentPlan;
  readonly output: OutputLog;
  /** Epoch milliseconds of the SPAWN. */
  readonly createdAt: number;
  /** Resolves when it has ended for good. */
  readonly finished: Promise<Exit>;
  state: AgentState = "starting";
  process: Process | null = null;
  /** What stands around it, or stood around its last run. */
  isolation: Isolation | null = null;
  limits: Limits;
  /** Restarts so far, over its whole life. */
  restartCount = 0;
  /** The last end, of this run or of an earlier one. */
  exit: Exit | null = null;
  /** Who stopped it; null when nobody did. */
  killedBy: number | null = null;
  #stopCause: string | null = null;
  /** Monotonic milliseconds; null while no process runs. */
  #startedAt: number | null = null;
  #history = NO_HISTORY;
  #cancelRestart: (() => void) | null = null;
  #cancelGrace: (() => void) | null = null;
  #graceEnds = Infinity;
  #starting: Promise<void> | null = null;
  #childrenGone: Promise<void> = Promise.resolve();
  /** Pause and resume, one after the other. */
  #switching: Promise<void> = Promise.resolve();
  readonly #finish: (exit: Exit) => void;
  readonly #host: AgentHost;

  /** Made by the agents service, which has checked everything. */
  constructor(host: AgentHost, options: { principal: Principal; spawner: Principal; plan: AgentPlan }) {
    this.#host = host;
    this.principal = options.principal;
    this.spawner = options.spawner;
    this.plan = options.plan;
    this.limits = options.plan.limits;
    this.id = options.principal.id;
    this.name = options.principal.name;
    this.createdAt = host.clock.now();
    this.output = new OutputLog({
      limit: LIMITS.agentOutputBytes,
      now: () => host.clock.now(),
      sink: host.keepOutput(this),
    });
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.finished = promise;
    this.#finish = resolve;
  }

  /** Process number of the current run, 0 when there is none. */
  get pid(): number {
    return this.process?.pid ?? 0;
  }

  /** Milliseconds since the current run began, 0 when there is none. */
  get uptimeMs(): number {
    return this.#startedAt === null ? 0 : this.#host.clock.monotonic() - this.#startedAt;
  }

  /** True once nothing will happen any more. */
  get ended(): boolean {
    return isFinal(this.state);
  }

  /**
   * Starts it for the first time.
   *
   * @throws {LaunchError} When it cannot be started; it has ended for good then.
   */
  async start(): Promise<void> {
    this.#starting = this.#launch();
    try {
      await this.#starting;
    } catch (error) {
      this.#end(this.killedBy === null ? "crashed" : "stopped", notStarted(error));
      throw error;
    } finally {
      this.#starting = null;
    }
  }

  /**
   * Stops it for good: SIGTERM, then after the grace period everything it is made of. A second call can only shorten
   * the wait. Resolves when it has ended.
   *
   * @param options `cause` is what its end is put down to, in words; absent: what was observed.
   */
  async stop(options: { by: number; graceMs?: number; cause?: string }): Promise<Exit> {
    if (this.ended) return await this.finished;
    if (this.state !== "stopping") {
      const paused = this.state === "paused";
      this.state = "stopping";
      this.killedBy = options.by;
      this.#stopCause = options.cause ?? null;
      this.#cancelRestart?.();
      if (this.process) await this.#terminate(this.process, paused);
      else if (!this.#starting) this.#endWaiting();
      // A start under way ends itself as soon as it sees the state.
    }
    this.#shorten(options.graceMs ?? this.plan.graceMs);
    return await this.finished;
  }

  /** Ends it at once, without waiting for anything: for a kernel that must go. */
  abandon(): void {
    this.state = "stopping";
    this.#cancelRestart?.();
    this.process?.kill().catch((error) => this.#failed("could not be killed", error));
  }

  /**
   * Freezes every process of it.
   *
   * @throws {SyscallError} `conflict` when it is not running.
   */
  async pause(by: number): Promise<void> {
    await this.#switch("running", "paused", (process) => process.pause());
    this.#host.tell(this, "AGENT_PAUSED", { paused_by: by });
  }

  /**
   * Undoes {@link pause}.
   *
   * @throws {SyscallError} `conflict` when it is not paused.
   */
  async resume(by: number): Promise<void> {
    await this.#switch("paused", "running", (process) => process.resume());
    this.#host.tell(this, "AGENT_RESUMED", { resumed_by: by });
  }

  /** Tells that it is near or beyond a limit. */
  warn(warning: Pressure): void {
    this.#host.tell(this, "RESOURCE_WARNING", { ...warning });
  }

  /** Applies limits to the current run and to those that follow. Resolves with what really holds. */
  async setLimits(limits: Limits): Promise<{ applied: Limits; missing: readonly string[] }> {
    if (this.ended) throw this.#conflict("set the limits of");
    const result = this.process ? await this.process.setLimits(limits) : { applied: limits, missing: [] };
    this.limits = limits;
    return result;
  }

  /**
   * Writes to its standard input; resolves when the pipe took it.
   *
   * @param end True closes the input afterwards.
   * @throws {SyscallError} `conflict` when it has no input, or closed it.
   */
  async input(bytes: Uint8Array, end: boolean): Promise<void> {
    const stdin = this.process?.stdin;
    if (!stdin || stdin.writableEnded || stdin.destroyed) {
      throw new SyscallError(
        "conflict",
        `Cannot write to the input of ${this.principal.label}: it has none, spawn it with stdin or tty`,
      );
    }
    if (stdin.writableLength + bytes.byteLength > LIMITS.sendQueueBytes) {
      throw new SyscallError(
        "limit",
        `Cannot write to the input of ${this.principal.label}: it does not read`,
      );
    }
    const written = bytes.byteLength === 0 ? Promise.resolve() : new Promise<void>((resolve, reject) => {
      stdin.write(bytes, (error) => error ? reject(error) : resolve());
    });
    if (end) stdin.end();
    await written.catch((cause) => {
      throw new SyscallError(
        "conflict",
        `Cannot write to the input of ${this.principal.label}: it was closed`,
        { cause },
      );
    });
  }

  /** Tells its terminal a size. */
  resize(rows: number, columns: number): void {
    if (!this.process) throw this.#conflict("resize the terminal of");
    this.process.resize(rows, columns);
  }

  async #launch(): Promise<void> {
    const { clock, launcher, onChannel } = this.#host;
    const process = await launcher.launch(await this.plan.request(this.limits));
    this.process = process;
    this.isolation = process.isolation;
    this.#startedAt = clock.monotonic();
    capture(process.stdout, "stdout", this.output, clock, process.channel);
    if (process.stderr) capture(process.stderr, "stderr", this.output, clock, process.channel);
    process.stdin?.on("error", () => {}); // Writing to an agent that is gone: `input` reports it.
    onChannel(process.channel, this.principal);
    const undo = process.onPressure((warning) => this.warn(warning));
    process.exited.then((exit) => {
      undo();
      this.#exited(process, exit);
    });
    if (this.state === "stopping") await this.#terminate(process, false);
    else this.state = "running";
  }

  /** A run ended, for whatever reason. */
  #exited(process: Process, exit: Exit): void {
    if (this.process !== process) return;
    process.channel.destroy();
    this.process = null;
    this.#startedAt = null;
    this.output.flush();
    const stopped = this.killedBy !== null;
    const end: Exit = {
      ...exit,
      ...(stopped && exit.reason === "exited" ? { reason: "killed" } : {}),
      ...(this.#stopCause === null ? {} : { cause: this.#stopCause }),
    };
    this.exit = end;
    this.#host.tell(this, "AGENT_EXITED", this.#exitData(end));
    // What it started goes with it: a restarted agent starts its own again, under the same names.
    this.#childrenGone = this.#host.stopChildren(this);
    if (this.state === "stopping") this.#end("stopped", end);
    else this.#afterEnd(end);
  }

  /** Nobody stopped it: the restart policy says what happens. */
  #afterEnd(end: Exit): void {
    const { clock, random } = this.#host;
    const failed = end.code !== 0;
    const run = { failed, ranMs: end.duration_ms, now: clock.now() };
    const decision = decideRestart(this.plan.rules, this.#history, run, random.float());
    if (decision.do === "stop") return this.#end(failed ? "crashed" : "stopped", end);
    if (decision.do === "escalate") {
      this.#host.tell(this, "AGENT_ESCALATED", { restart_count: decision.count, exit_code: end.code });
      return this.#end("crashed", end);
    }
    this.#history = decision.history;
    this.state = "starting";
    this.#host.tell(this, "AGENT_RESTARTING", {
      restart_count: decision.count,
      exit_code: end.code,
      delay_ms: decision.delayMs,
    });
    this.#cancelRestart = clock.timer(decision.delayMs, () => {
      this.#cancelRestart = null;
      this.#starting = this.#restart().finally(() => this.#starting = null);
    });
  }

  async #restart(): Promise<void> {
    await this.#childrenGone;
    if (this.state !== "starting") return this.#endWaiting();
    this.restartCount++;
    try {
      await this.#launch();
      this.#host.tell(this, "AGENT_SPAWNED", { pid: this.pid, restart_count: this.restartCount });
    } catch (error) {
      this.#failed("could not be restarted", error);
      const end = notStarted(error);
      this.exit = end;
      // A start that failed is an end like any other: it counts, and it is tried again or escalated.
      this.#host.tell(this, "AGENT_EXITED", this.#exitData(end));
      if ((this.state as AgentState) === "stopping") this.#end("stopped", end);
      else this.#afterEnd(end);
    }
  }

  /** Stopped between two runs. */
  #endWaiting(): void {
    const before = this.exit ?? notStarted(null);
    const end: Exit = { ...before, reason: "killed", cause: "stopped while it waited for its restart" };
    this.#host.tell(this, "AGENT_EXITED", this.#exitData(end));
    this.#end("stopped", end);
  }

  #end(state: AgentState, exit: Exit): void {
    if (this.ended) return;
    this.#cancelGrace?.();
    this.#cancelRestart?.();
    this.exit = exit;
    this.state = state;
    this.output.end();
    // Finished means: nothing of it is left, its own agents included.
    this.#childrenGone.then(() => {
      this.#host.released(this);
      this.#finish(exit);
    });
  }

  async #terminate(process: Process, paused: boolean): Promise<void> {
    try {
      await process.signal("SIGTERM");
      // A stopped process gets the signal only when it runs again.
      if (paused) await process.resume();
    } catch (error) {
      this.#failed("could not be signalled", error);
      this.#shorten(0);
    }
  }

  /** After this time everything it is made of is killed; the shortest of several wins. */
  #shorten(graceMs: number): void {
    const { clock } = this.#host;
    if (this.ended || clock.monotonic() + graceMs >= this.#graceEnds) return;
    this.#graceEnds = clock.monotonic() + graceMs;
    this.#cancelGrace?.();
    this.#cancelGrace = clock.timer(graceMs, () => {
      const { process } = this;
      if (process) process.kill().catch((error) => this.#failed("could not be killed", error));
      // Still being started: it is looked at again as soon as there is something to kill.
      else if (!this.ended) {
        this.#graceEnds = Infinity, this.#starting?.finally(() => this.#shorten(0)).catch(() => {});
      }
    });
  }

  #switch(from: AgentState, to: AgentState, act: (process: Process) => Promise<void>): Promise<void> {
    const turn = this.#switching.then(async () => {
      const { process } = this;
      if (this.state !== from || !process) throw this.#conflict(to === "paused" ? "pause" : "resume");
      await act(process);
      if (this.state !== from || this.process !== process) {
        throw this.#conflict(to === "paused" ? "pause" : "resume");
      }
      this.state = to;
    });
    this.#switching = turn.catch(() => {});
    return turn;
  }

  #conflict(what: string): SyscallError {
    return new SyscallError("conflict", `Cannot ${what} ${this.principal.label}: it is ${this.state}`, {
      details: { agent_id: this.id },
    });
  }

  #exitData(exit: Exit): Record<string, unknown> {
    return {
      exit_code: exit.code,
      signal: exit.signal,
      reason: exit.reason,
      cause: exit.cause,
      duration_ms: exit.duration_ms,
      ...(this.killedBy === null ? {} : { killed_by: this.killedBy }),
    };
  }

  #failed(what: string, cause: unknown): void {
    this.#host.log.error(`an agent ${what}`, { agent: this.principal.label, cause });
  }
}

function notStarted(error: unknown): Exit {
  return {
    code: NOT_STARTED,
    signal: null,
    reason: "crashed",
    cause: error instanceof Error ? error.message : "never started",
    duration_ms: 0,
    usage: null,
  };
}
