/**
 * Records agents into files: everything each of them asked and got, in order, from its first call to its end.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import type { Clock } from "../../worlds/clock.ts";
import type { Random } from "../../worlds/random.ts";
import type { Agent } from "../agents/agent.ts";
import type { SpawnRequest } from "../agents/admission.ts";
import type { Answer } from "../dispatch.ts";
import type { Log } from "../log.ts";
import type { Principal } from "../principals.ts";
import { SyscallError } from "@clove/sdk/protocol";
import type { Determinism } from "./determinism.ts";
import { FileRecording, type Recorded } from "./file_recording.ts";
import { FileWriter } from "./file_writer.ts";
import { type AgentLine, RECORDING_LIMITS } from "./format.ts";
import { isSecretName, type Redact, redactJson, redactVariables } from "./redact.ts";
import type { Tap, TappedCall, TappedFrame } from "./tap.ts";
import { answerBody, base64, callBody, isSubscription } from "./wire_lines.ts";
import { FLAGS } from "@clove/sdk/protocol";

/** What the recorder works with. */
export interface RecorderOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The kernel's version. */
  readonly version: string;
  /** Replaces secrets that the kernel knows, before anything is written. */
  readonly redact?: Redact;
  /** Told whenever somebody begins or ceases to be recorded. */
  readonly onChange: () => void;
}

/** What a SPAWN gets beside its own fields. */
export type SpawnExtras = Pick<SpawnRequest, "determinism" | "onPrincipal">;

/** One connection of a recorded agent. */
interface Wiretap {
  readonly recorded: Recorded;
  readonly conn: number;
  /** Request number -> call. */
  readonly calls: Map<number, { readonly n: number; readonly subscribes: boolean }>;
}

const NOTHING: SpawnExtras = {};

/** Keeps the recordings under way. */
export class Recorder implements Tap {
  readonly #options: RecorderOptions;
  readonly #recordings = new Set<FileRecording>();
  readonly #recorded = new Map<Principal, Recorded>();
  #wires = new WeakMap<object, Wiretap>();
  /** Ends that are waited for. */
  readonly #watching = new Map<Promise<void>, Agent>();

  /** Records nothing yet. */
  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** True while anybody is recorded. */
  get active(): boolean {
    return this.#recorded.size > 0;
  }

  /**
   * Spawns an agent that is recorded if its request names a file, or if its spawner is recorded.
   *
   * @param path The file; what was there is replaced.
   * @param spawn Starts the agent with what it gets here.
   * @throws What `spawn` throws; {@link SyscallError} `unavailable` when the file cannot be made, `limit`.
   */
  async spawn(
    request: SpawnRequest,
    options: { path: string | undefined; caller: Principal },
    spawn: (extras: SpawnExtras) => Promise<Agent>,
  ): Promise<Agent> {
    const parent = this.#recorded.get(options.caller);
    if (options.path === undefined && !parent) return await spawn(NOTHING);
    const recording = options.path === undefined ? parent!.recording : await this.#begin(options.path);
    const seed = Math.floor(this.#options.random.float() * 2 ** 32);
    const determinism: Determinism = {
      seed,
      epochMs: recording.epochMs,
      startMs: recording.now,
      mode: "record",
    };
    let recorded: Recorded | null = null;
    try {
      const sha256 = await hashOf(request.script ?? request.command?.[0]);
      const agent = await spawn({
        determinism,
        onPrincipal: (principal) => {
          recorded = this.#add(recording, principal, request, {
            t: determinism.startMs,
            seed,
            sha256,
            parent: parent?.principal.id ?? 0,
          });
        },
      });
      recording.follow(recorded!, agent.output);
      this.#watch(agent, recorded!);
      return agent;
    } catch (error) {
      if (recorded) this.#forget(recorded);
      if (recording.live === 0) await this.#end(recording);
      throw error;
    }
  }

  /** Notes a decision about a recorded agent that was made outside its calls; nothing for any other. */
  decided(principal: Principal, what: string, details: Readonly<Record<string, unknown>>): void {
    const recorded = this.#recorded.get(principal);
    if (!recorded) return;
    const { recording, redact } = recorded;
    recording.write({
      kind: "decision",
      agent: principal.id,
      t: recording.now,
      what,
      details: redactJson(details, redact) as Record<string, unknown>,
    });
  }

  /** Notes what was written to a recorded agent's standard input; nothing for any other. */
  given(principal: Principal, bytes: Uint8Array, end: boolean): void {
    const recorded = this.#recorded.get(principal);
    if (!recorded) return;
    const { recording, redact } = recorded;
    recording.write({
      kind: "input",
      agent: principal.id,
      t: recording.now,
      data: base64(bytes, redact),
      end,
    });
  }

  /** Ends every recording, those of ended agents with their ends; resolves when all files are whole. */
  async close(): Promise<void> {
    // Agents that still run are not waited for: the recording says that it was stopped before them.
    await Promise.all([...this.#watching].filter(([, agent]) => agent.ended).map(([watching]) => watching));
    await Promise.all([...this.#recordings].map((recording) => this.#end(recording)));
  }

  /** See {@link Tap}. */
  called(connection: object, caller: Principal, id: number, call: TappedCall): void {
    const wire = this.#wireOf(connection, caller);
    if (!wire) return;
    const { recorded, conn, calls } = wire;
    const n = recorded.calls++;
    calls.set(id, { n, subscribes: isSubscription(call.opcode) });
    const { recording } = recorded;
    recording.write({
      kind: "call",
      agent: caller.id,
      conn,
      n,
      t: recording.now,
      ...callBody(call, recorded.redact),
    });
  }

  /** See {@link Tap}. */
  cancelled(connection: object, id: number): void {
    const wire = this.#wires.get(connection);
    const call = wire?.calls.get(id);
    if (!wire || !call) return;
    const { recorded: { recording, principal }, conn } = wire;
    recording.write({ kind: "cancel", agent: principal.id, conn, n: call.n, t: recording.now });
  }

  /** See {@link Tap}. */
  answering(connection: object, id: number, answer: Answer): number | null {
    const wire = this.#wires.get(connection);
    const call = wire?.calls.get(id);
    if (!wire || !call) return null;
    const { recorded: { recording, principal, redact }, conn, calls } = wire;
    if (!call.subscribes || answer.outcome !== "ok") calls.delete(id);
    const t = recording.now;
    recording.write({
      kind: "answer",
      agent: principal.id,
      conn,
      n: call.n,
      t,
      ...answerBody(answer, redact),
    });
    return t;
  }

  /** See {@link Tap}. */
  pushing(connection: object, frame: TappedFrame): number | null {
    const wire = this.#wires.get(connection);
    const call = wire?.calls.get(frame.id);
    if (!wire || !call) return null;
    const { recorded: { recording, principal, redact }, conn, calls } = wire;
    const pushed = (frame.flags & FLAGS.PUSH) !== 0;
    const last = pushed && (frame.flags & FLAGS.MORE) === 0;
    if (last) calls.delete(frame.id);
    const t = recording.now;
    recording.write({
      kind: pushed ? "push" : "part",
      agent: principal.id,
      conn,
      n: call.n,
      t,
      value: redactJson(frame.json, redact),
      ...(frame.tail ? { tail: base64(frame.tail, redact) } : {}),
      ...(last ? { last } : {}),
    });
    return t;
  }

  /** See {@link Tap}. */
  timeOf(connection: object): number | null {
    return this.#wires.get(connection)?.recorded.recording.now ?? null;
  }

  async #begin(path: string): Promise<FileRecording> {
    const { clock, log, version } = this.#options;
    if (this.#recordings.size >= RECORDING_LIMITS.recordings) {
      throw new SyscallError(
        "limit",
        `Cannot record into "${path}": ${RECORDING_LIMITS.recordings} recordings are under way`,
      );
    }
    for (const { path: taken } of this.#recordings) {
      if (taken === path) {
        throw new SyscallError("conflict", `Cannot record into "${path}": another recording goes there`);
      }
    }
    const writer = await FileWriter.create(path);
    const onFailure = (why: string): void => log.error("a recording has stopped", { path, why });
    const recording = new FileRecording({ path, clock, writer, version, onFailure });
    this.#recordings.add(recording);
    return recording;
  }

  async #end(recording: FileRecording): Promise<void> {
    this.#recordings.delete(recording);
    const ended = recording.end();
    for (const recorded of this.#recorded.values()) {
      if (recorded.recording === recording) this.#forget(recorded);
    }
    await ended;
  }

  #add(
    recording: FileRecording,
    principal: Principal,
    request: SpawnRequest,
    facts: Pick<AgentLine, "seed" | "sha256" | "parent" | "t">,
  ): Recorded {
    const known = this.#options.redact ?? ((text: string) => text);
    const own = redactVariables(request.env ?? {});
    const redact: Redact = (text) => own(known(text));
    const env = Object.entries(request.env ?? {}).map(([name, value]) => [
      name,
      isSecretName(name) || redact(value) !== value ? null : value,
    ]);
    const words = (list: readonly string[] | undefined) => list?.map(redact) ?? null;
    const recorded = recording.add(principal, redact, {
      agent: principal.id,
      name: principal.name,
      ...facts,
      script: request.script ?? null,
      command: words(request.command),
      args: words(request.args),
      python: request.python ?? null,
      policy: principal.authority.effective().toJson(),
      rules: principal.authority.effective().toString().split("\n"),
      env: Object.fromEntries(env),
      ro: request.ro ?? [],
      rw: request.rw ?? [],
      workdir: request.workdir ?? null,
      limits: { ...request.limits },
      network: request.network ?? false,
      sandboxed: request.sandboxed ?? true,
      permissions: request.permissions ?? null,
      stdin: request.stdin ?? false,
      tty: request.tty ?? null,
    });
    this.#recorded.set(principal, recorded);
    this.#options.onChange();
    return recorded;
  }

  #watch(agent: Agent, recorded: Recorded): void {
    const { recording } = recorded;
    const watching = agent.finished.then(async ({ code, signal, reason, cause }) => {
      await recording.outputs();
      recording.write({ kind: "exit", agent: agent.id, t: recording.now, code, signal, reason, cause });
      this.#forget(recorded);
      if (recording.live === 0) await this.#end(recording);
    }).catch((cause) =>
      this.#options.log.error("a recording could not be ended", { path: recording.path, cause })
    ).finally(() => this.#watching.delete(watching));
    this.#watching.set(watching, agent);
  }

  #forget(recorded: Recorded): void {
    this.#recorded.delete(recorded.principal);
    void recorded.recording.remove(recorded);
    this.#options.onChange();
  }

  #wireOf(connection: object, caller: Principal): Wiretap | null {
    const known = this.#wires.get(connection);
    if (known) return known;
    const recorded = this.#recorded.get(caller);
    if (!recorded) return null;
    const wire: Wiretap = { recorded, conn: recorded.connections++, calls: new Map() };
    this.#wires.set(connection, wire);
    return wire;
  }
}

/** Of a program's file; null for a bare name, and where there is no such file. */
async function hashOf(path: string | undefined): Promise<string | null> {
  if (!path?.startsWith("/")) return null;
  return await hashFile(path);
}

/** SHA-256 of a file in hex, or null when it cannot be read. */
export async function hashFile(path: string): Promise<string | null> {
  try {
    const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(await readFile(path)));
    return new Uint8Array(digest).toHex();
  } catch (error) {
    if ((error as { code?: string }).code) return null;
    throw error;
  }
}
