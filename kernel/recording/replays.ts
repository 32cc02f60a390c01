/**
 * Runs that are replayed: the recorded program again, confined and offline, its calls answered from the recording.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import { meet, type Need, Policy } from "../../permissions/mod.ts";
import type { Clock } from "../../worlds/clock.ts";
import type { Agent } from "../agents/agent.ts";
import type { SpawnRequest } from "../agents/admission.ts";
import type { Agents } from "../agents/agents.ts";
import type { Exit } from "../agents/launch.ts";
import type { LimitsInput } from "../agents/resources.ts";
import type { Question, Ruling } from "../broker/question.ts";
import type { Responder } from "../connection.ts";
import type { Log } from "../log.ts";
import type { Principal } from "../principals.ts";
import { type AgentLine, type ExitLine, type Recording, RECORDING_LIMITS } from "./format.ts";
import { agentIn, readRecording } from "./read.ts";
import { hashFile } from "./recorder.ts";
import type { Redact } from "./redact.ts";
import { fromBase64 } from "./wire_lines.ts";
import { checkCall, type Divergence, Replayer } from "./replayer.ts";

/** What a replay works with. */
export interface ReplaysOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly agents: Agents;
  /** The dispatcher, for runs that go on live. */
  readonly live: Responder;
  readonly redact: Redact;
}

/** What to replay, and how. */
export interface ReplayRequest {
  /** Absolute path of the recording. */
  readonly path: string;
  /** Name or number of one of its agents; the first when absent. */
  readonly agent?: string;
  /** Other answers, by the number of their call. */
  readonly patches: ReadonlyMap<number, unknown>;
  /** Goes on for real from this call. */
  readonly liveFrom: number | null;
  /** Variables whose values the recording does not keep. */
  readonly env: Readonly<Record<string, string>>;
}

/** One replay, running or over. */
export interface Replay {
  readonly id: number;
  readonly agent: Agent;
  readonly recorded: AgentLine;
  readonly replayer: Replayer;
  /** SHA-256 of the program now; null when it cannot be read. */
  readonly sha256: string | null;
  state: "running" | "completed" | "diverged" | "stopped";
  divergence: Divergence | null;
  exit: Exit | null;
  /** How the recorded run ended; null when the recording does not tell. */
  readonly recordedExit: ExitLine | null;
  /** True when what it wrote is not what was recorded; null until it has ended. */
  outputDiffers: boolean | null;
  /** Resolves when it is over. */
  readonly done: Promise<void>;
}

/** Nothing leaves the machine while a run is replayed. */
const OFFLINE = Policy.parse(["level:unrestricted", "deny net:*"]);

/** Keeps the replays. */
export class Replays {
  readonly #options: ReplaysOptions;
  readonly #replays = new Map<number, Replay>();
  readonly #responders = new Map<Principal, Replayer>();
  readonly #refusals = new Map<Principal, ReadonlyMap<string, Ruling>>();
  #last = 0;

  /** Replays nothing yet. */
  constructor(options: ReplaysOptions) {
    this.#options = options;
  }

  /** What answers a principal's calls; null for everyone who is not replayed. */
  responderOf(principal: Principal): Responder | null {
    return this.#responders.get(principal) ?? null;
  }

  /** What a replayed agent was told about a check of Deno's, if that was a refusal; null for every other. */
  rulingOf(principal: Principal, question: Question): Ruling | null {
    return this.#refusals.get(principal)?.get(keyOf(question)) ?? null;
  }

  /** By number. */
  get(id: number): Replay | undefined {
    return this.#replays.get(id);
  }

  /**
   * Starts a replay.
   *
   * @param demand As for a SPAWN.
   * @throws {SyscallError} When the recording cannot be read, holds no such agent or call, or the program cannot be
   *   started.
   */
  async start(request: ReplayRequest, caller: Principal, demand: (need: Need) => void): Promise<Replay> {
    const { agents, clock, live, redact } = this.#options;
    this.#makeRoom();
    const recording = await readRecording(request.path);
    const recorded = agentIn(recording, request.agent);
    if (recorded.seed === null) {
      throw new SyscallError(
        "unsupported",
        `Cannot replay "${recorded.name}": it had begun before the recording`,
      );
    }
    const total =
      recording.lines.filter((line) => line.kind === "call" && line.agent === recorded.agent).length;
    for (const n of request.patches.keys()) checkCall("patch the answer of", n, total);
    if (request.liveFrom !== null && request.liveFrom > total) {
      checkCall("go on live from", request.liveFrom, total);
    }
    const recordedExit = exitOf(recording, recorded.agent);
    const over = Promise.withResolvers<void>();
    let replay: Replay | null = null;
    const replayer = new Replayer({
      recording,
      agent: recorded.agent,
      redact,
      patches: request.patches,
      liveFrom: request.liveFrom,
      live,
      monotonic: () => clock.monotonic(),
      onDivergence: (divergence) => {
        if (replay) this.#diverged(replay, divergence);
      },
      onEnd: () => {
        // It was stopped then; now nothing would ever stop it.
        if (replay && recordedExit?.reason !== "exited") this.#stop(replay);
      },
    });
    const agent = await agents.spawn(
      {
        ...spawnRequestOf(recorded, request),
        determinism: {
          seed: recorded.seed,
          epochMs: recording.header.epoch_ms,
          startMs: recorded.t,
          mode: "replay",
          seenAs: { id: recorded.agent, name: recorded.name },
        },
        onPrincipal: (principal) => {
          this.#responders.set(principal, replayer);
          this.#refusals.set(principal, refusalsOf(recording, recorded.agent));
          principal.onGone(() => {
            this.#responders.delete(principal);
            this.#refusals.delete(principal);
          });
        },
      },
      caller,
      demand,
    );
    replay = {
      id: ++this.#last,
      agent,
      recorded,
      replayer,
      sha256: await hashFile(recorded.script ?? recorded.command?.[0] ?? ""),
      state: "running",
      divergence: null,
      exit: null,
      recordedExit,
      outputDiffers: null,
      done: over.promise,
    };
    this.#replays.set(replay.id, replay);
    const started = replay;
    this.#feed(agent, recording, recorded.agent);
    agent.finished.then((exit) => this.#finished(started, exit, recording)).finally(over.resolve);
    if (replayer.divergence) this.#diverged(replay, replayer.divergence);
    return replay;
  }

  /** Gives it the recorded input at once: it reads when it wants to. */
  #feed(agent: Agent, recording: Recording, recorded: number): void {
    const feed = async (): Promise<void> => {
      for (const line of recording.lines) {
        if (line.kind === "input" && line.agent === recorded) {
          await agent.input(fromBase64(line.data), line.end);
        }
      }
    };
    feed().catch((cause) => {
      // It ended without reading all of it, as it may have when it was recorded.
      if (cause instanceof SyscallError) return;
      this.#options.log.error("a replayed agent could not be given its input", { agent: agent.id, cause });
    });
  }

  #diverged(replay: Replay, divergence: Divergence): void {
    replay.divergence = divergence;
    replay.state = "diverged";
    this.#stop(replay);
  }

  #stop({ agent }: Replay): void {
    agent.stop({ by: 0, graceMs: 0 }).catch((cause) => {
      this.#options.log.error("a replayed agent could not be stopped", { agent: agent.id, cause });
    });
  }

  #finished(replay: Replay, exit: Exit, recording: Recording): void {
    const { replayer, recordedExit, agent, recorded } = replay;
    replay.exit = exit;
    replay.outputDiffers =
      outputOf(agent) !== recordedOutput(recording, recorded.agent, this.#options.redact);
    if (replay.state === "diverged") return;
    if (replayer.divergence) return void (replay.state = "diverged", replay.divergence = replayer.divergence);
    if (replayer.live || exit.reason === "killed") {
      replay.state = replayer.live || replayer.missing === null ? "completed" : "stopped";
      return;
    }
    if (
      !replayer.finished(exit.cause) && recordedExit?.reason === "exited" && recordedExit.code !== exit.code
    ) {
      replayer.endedOtherwise(`the program ${exit.cause}, recorded was: ${recordedExit.cause}`);
    }
    replay.divergence = replayer.divergence;
    replay.state = replay.divergence ? "diverged" : "completed";
  }

  /** Forgets the oldest that is over. */
  #makeRoom(): void {
    if (this.#replays.size < RECORDING_LIMITS.replays) return;
    for (const [id, { state, exit }] of this.#replays) {
      if (state === "running" || exit === null) continue;
      this.#replays.delete(id);
      return;
    }
    throw new SyscallError("limit", `Cannot replay: ${RECORDING_LIMITS.replays} replays are under way`);
  }
}

/** The recorded SPAWN, without what would reach outside. */
function spawnRequestOf(recorded: AgentLine, { liveFrom, env }: ReplayRequest): SpawnRequest {
  const { script, command, args, python, ro, rw, workdir, limits, network, sandboxed } = recorded;
  const { permissions, stdin, tty } = recorded;
  const live = liveFrom !== null;
  const policy = Policy.fromJson(recorded.policy);
  const kept = Object.entries(recorded.env).filter((entry): entry is [string, string] => entry[1] !== null);
  return {
    ...(script === null ? {} : { script }),
    ...(command === null ? {} : { command }),
    ...(args === null ? {} : { args }),
    ...(python === null ? {} : { python }),
    policy: (live ? policy : meet(policy, OFFLINE)).toJson() as unknown as Record<string, unknown>,
    env: { ...Object.fromEntries(kept), ...env },
    ro: live ? ro : [...ro, ...rw],
    rw: live ? rw : [],
    ...(live && workdir !== null ? { workdir } : {}),
    limits: limits as LimitsInput,
    network: live && network,
    sandboxed,
    ...(permissions ? { permissions } : {}),
    stdin: stdin ?? false,
    ...(tty ? { tty } : {}),
  };
}

/** Refusals by what was asked; what was refused once and allowed another time is judged anew. */
function refusalsOf(recording: Recording, agent: number): ReadonlyMap<string, Ruling> {
  const refusals = new Map<string, Ruling>();
  const allowed = new Set<string>();
  for (const line of recording.lines) {
    if (line.kind !== "decision" || line.agent !== agent || line.what !== "broker") continue;
    const { permission, value, allowed: granted, reason } = line.details;
    const key = keyOf({ permission: String(permission), value: value === null ? null : String(value) });
    if (granted === true) allowed.add(key);
    else refusals.set(key, { allowed: false, reason: String(reason ?? "") });
  }
  for (const key of allowed) refusals.delete(key);
  return refusals;
}

function keyOf({ permission, value }: Pick<Question, "permission" | "value">): string {
  return JSON.stringify([permission, value]);
}

function exitOf(recording: Recording, agent: number): ExitLine | null {
  const exits = recording.lines.filter((line): line is ExitLine =>
    line.kind === "exit" && line.agent === agent
  );
  return exits.at(-1) ?? null;
}

function outputOf(agent: Agent): string {
  const decoder = new TextDecoder();
  const texts = { stdout: "", stderr: "" };
  for (let at = 0;;) {
    const { chunks } = agent.output.read(at);
    if (chunks.length === 0) return texts.stdout + texts.stderr;
    for (const { stream, bytes } of chunks) texts[stream] += decoder.decode(bytes);
    at = chunks.at(-1)!.seq;
  }
}

function recordedOutput(recording: Recording, agent: number, redact: Redact): string {
  const texts = { stdout: "", stderr: "" };
  for (const line of recording.lines) {
    if (line.kind === "output" && line.agent === agent) texts[line.stream] += line.text;
  }
  return redact(texts.stdout + texts.stderr);
}
