/**
 * Answers a program's calls from a recording instead of the world, and stops at the first call that is not the
 * recorded one.
 *
 * What was recorded is a script for each connection: what the agent did (calls, cancellations) and what it saw
 * (answers, parts, events). Whatever it saw next is given to it at once; whatever it did next is waited for.
 *
 * @module
 */
import { createHash, type Hash } from "node:crypto";
import { ERROR_CODES, type ErrorCode, SyscallError } from "@clove/sdk/protocol";
import type { Connection, Responder } from "../connection.ts";
import type { Answer, Request } from "../dispatch.ts";
import type { Principal } from "../principals.ts";
import type { PushWriter, StreamWriter } from "../syscall.ts";
import { type Difference, differences, sameCall } from "./difference.ts";
import {
  type AnswerLine,
  type CallLine,
  canonical,
  type PartLine,
  type Recording,
  type WireLine,
} from "./format.ts";
import type { Redact } from "./redact.ts";
import type { Tap } from "./tap.ts";
import { type CallBody, callBody, fromBase64, isSubscription } from "./wire_lines.ts";

/** Where a run left its recording. */
export interface Divergence {
  /** Zero-based number of the recorded call; the number of recorded calls when there were no more. */
  readonly at: number;
  /** `diverged at call 7: …`. */
  readonly message: string;
  /** The recorded call; absent when the recording had ended. */
  readonly expected?: CallBody;
  /** What was done instead; absent when the program ended. */
  readonly actual?: CallBody;
  readonly differences: readonly Difference[];
}

/** How to replay. */
export interface ReplayerOptions {
  readonly recording: Recording;
  /** Whose calls. */
  readonly agent: number;
  /** What was redacted in the recording is redacted before the comparison. */
  readonly redact: Redact;
  /** Other answers, by the number of their call. */
  readonly patches: ReadonlyMap<number, unknown>;
  /** From this call on everything is real; null for never. */
  readonly liveFrom: number | null;
  /** What answers then. */
  readonly live: Responder;
  /** Milliseconds, monotonic. */
  readonly monotonic: () => number;
  /** Told once. */
  readonly onDivergence: (divergence: Divergence) => void;
  /** Told once, when everything recorded was replayed. */
  readonly onEnd: () => void;
}

/** A call that was made and matched. */
interface Pending {
  readonly request: Request;
  readonly resolve: (answer: Answer | Promise<Answer>) => void;
  stream: StreamWriter | null;
  push: PushWriter | null;
}

/** Something the client did: a call, or giving one up. */
type Act = CallAct | { readonly cancels: number };

interface CallAct {
  readonly request: Request;
  readonly body: CallBody;
  readonly resolve: (answer: Answer | Promise<Answer>) => void;
}

/** One connection and its script. */
interface Play {
  readonly connection: Connection;
  readonly script: readonly WireLine[];
  at: number;
  readonly pending: Map<number, Pending>;
  /** Request number -> recorded call. */
  readonly numbers: Map<number, number>;
  /** What the client did and nobody has looked at yet. */
  readonly acts: Act[];
  /** How much of what it did was looked at: its clock waits until that is all. */
  seen: number;
  going: boolean;
  /** The recorded time of what is being sent. */
  now: number | null;
  live: boolean;
}

/** Families of calls whose effects are made again when a replay goes on live. */
const RESTORED: ReadonlySet<string> = new Set(["state.store", "state.delete", "state.cas", "ipc.register"]);

/** Stands in for the dispatcher on the connections of one replayed agent. */
export class Replayer implements Responder, Tap {
  /** Recorded calls in all. */
  readonly total: number;
  /** Calls answered so far, live ones too. */
  calls = 0;
  /** Where it diverged, or null. */
  divergence: Divergence | null = null;
  /** Everything is real by now. */
  live = false;
  readonly #options: ReplayerOptions;
  readonly #scripts = new Map<number, WireLine[]>();
  readonly #plays = new Map<object, Play>();
  readonly #trace: Hash = createHash("sha256");
  #ended = false;
  #liveBase = 0;
  #liveSince = 0;

  /** Sorts the recording's lines into scripts. */
  constructor(options: ReplayerOptions) {
    this.#options = options;
    let total = 0;
    for (const line of options.recording.lines) {
      if (!isWire(line) || line.agent !== options.agent) continue;
      if (line.kind === "call") total++;
      const script = this.#scripts.get(line.conn);
      if (script) script.push(line);
      else this.#scripts.set(line.conn, [line]);
    }
    this.total = total;
  }

  /** It listens itself: to keep the clock of its client. */
  get tap(): Tap {
    return this;
  }

  /** SHA-256 over every call that was made, in hex. */
  trace(): string {
    return this.#trace.copy().digest("hex");
  }

  /** The first of the recorded calls that were not made yet; null when all were. */
  get missing(): CallLine | null {
    const plays = [...this.#plays.values()];
    let first: CallLine | null = null;
    for (const [conn, script] of this.#scripts) {
      for (let at = plays[conn]?.at ?? 0; at < script.length; at++) {
        const line = script[at]!;
        if (line.kind !== "call") continue;
        if (!first || line.n < first.n) first = line;
        break;
      }
    }
    return first;
  }

  /** The program ended. @returns Whether that is a divergence, because it should have gone on. */
  finished(how: string): boolean {
    const expected = this.live || this.divergence ? null : this.missing;
    if (!expected) return false;
    this.#diverge(expected, null, `the program ended (${how}), recorded was ${expected.name}`);
    return true;
  }

  /** Another end than the recorded one. */
  endedOtherwise(message: string): void {
    this.#diverge(null, null, message);
  }

  /** See {@link Responder}. */
  run(request: Request): Answer | Promise<Answer> {
    const play = this.#playOf(request.connection as Connection);
    if (play.live) return this.#options.live.run(request);
    const body = callBody(request, this.#options.redact);
    return new Promise((resolve) => {
      play.acts.push({ request, body, resolve });
      void this.#go(play);
    });
  }

  /** See {@link Tap}. */
  called(connection: object, _caller: Principal): void {
    this.#playOf(connection as Connection);
  }

  /** See {@link Tap}. */
  cancelled(connection: object, id: number): void {
    const play = this.#playOf(connection as Connection);
    if (play.live) return;
    const n = play.numbers.get(id);
    // The connection itself ends a subscription, at once: this is the time it tells then.
    const last = play.script.find((line) => line.kind === "push" && line.n === n && line.last);
    if (last) play.now = last.t;
    play.acts.push({ cancels: n ?? -1 });
    void this.#go(play);
  }

  /** See {@link Tap}. */
  answering(connection: object): number | null {
    return this.timeOf(connection);
  }

  /** See {@link Tap}. */
  pushing(connection: object): number | null {
    return this.timeOf(connection);
  }

  /** See {@link Tap}. */
  timeOf(connection: object): number | null {
    const play = this.#plays.get(connection);
    if (!play?.live) return play?.now ?? null;
    return this.#liveBase + Math.round((this.#options.monotonic() - this.#liveSince) * 1_000) / 1_000;
  }

  /** Gives the client everything it saw next, takes what it did next, and so on until it has to do something. */
  async #go(play: Play): Promise<void> {
    if (play.going) return;
    play.going = true;
    // The connection has to know of a request before it can be answered.
    await Promise.resolve();
    while (!this.divergence && !play.live) {
      const line = play.script[play.at];
      if (line && isSeen(line)) {
        play.at++;
        await this.#give(play, line);
        continue;
      }
      const act = play.acts.shift();
      if (!act) break;
      play.seen++;
      if ("cancels" in act) this.#takeCancel(play, act.cancels, line);
      else await this.#takeCall(play, act, line);
    }
    play.going = false;
    if (this.divergence) return;
    if (play.live) {
      for (const act of play.acts.splice(0)) {
        if ("request" in act) act.resolve(this.#options.live.run(act.request));
      }
      return;
    }
    play.connection.tellTime({ idle: play.seen });
    if (this.missing === null && this.#plays.size === this.#scripts.size) this.#end();
  }

  async #takeCall(play: Play, act: CallAct, expected: WireLine | undefined): Promise<void> {
    const { request, body, resolve } = act;
    const { liveFrom } = this.#options;
    if (liveFrom !== null && this.calls >= liveFrom) return await this.#goLive(play, act);
    this.#trace.update(`${canonical(body)}\n`);
    if (expected?.kind !== "call" || !sameCall(expected, body)) {
      return this.#diverge(expected, body, explain(expected, body));
    }
    play.at++;
    this.calls++;
    play.numbers.set(request.id, expected.n);
    const subscribes = isSubscription(expected.opcode) && !fails(play, expected.n);
    const push = subscribes ? request.connection.openPush(request, () => {}) : null;
    play.pending.set(expected.n, { request, resolve, stream: null, push });
  }

  #takeCancel(play: Play, n: number, expected: WireLine | undefined): void {
    if (expected?.kind === "cancel" && expected.n === n) play.at++;
    else this.#diverge(expected, null, `the program gave up call ${n}, recorded was ${describe(expected)}`);
  }

  async #give(play: Play, line: AnswerLine | PartLine): Promise<void> {
    const pending = play.pending.get(line.n);
    if (!pending) return;
    play.now = line.t;
    const { request } = pending;
    if (line.kind === "answer") {
      if (!pending.push) play.pending.delete(line.n);
      const answer = this.#answerOf(line);
      if (request.opcode === HELLO) agreeAgain(request, answer);
      pending.resolve(answer);
      // The connection sends it in the next turns of the queue; what follows has to come after.
      for (let turn = 0; turn < 3; turn++) await Promise.resolve();
    } else if (line.kind === "part") {
      const tail = line.tail === undefined ? undefined : fromBase64(line.tail);
      pending.stream ??= request.connection.openStream(request, new AbortController().signal);
      await pending.stream?.write(line.value, tail);
    } else if (line.last) pending.push?.close();
    else if (pending.push) {
      const { push } = pending;
      while (!push.push(line.value)) {
        await new Promise<void>((resolve) => push.onReady = resolve);
      }
    }
  }

  #answerOf(line: AnswerLine): Answer {
    const { patches } = this.#options;
    if (patches.has(line.n)) return answerWith(patches.get(line.n));
    if (line.raw !== undefined) return { raw: fromBase64(line.raw), outcome: "ok" };
    const answer = answerWith(line.answer);
    return line.tail === undefined ? answer : { ...answer, tail: fromBase64(line.tail) };
  }

  /** Everything that was answered is; from here on the world answers. */
  async #goLive(play: Play, { request, resolve }: CallAct): Promise<void> {
    const { live, monotonic } = this.#options;
    const last = play.script[play.at - 1];
    this.#liveBase = Math.max(play.now ?? 0, last?.t ?? 0);
    this.#liveSince = monotonic();
    await this.#restore(play, request);
    for (const line of play.script.slice(play.at)) if (isSeen(line)) await this.#give(play, line);
    play.live = this.live = true;
    play.connection.tellTime({ now: this.#liveBase, live: true });
    resolve(live.run(request));
  }

  /** What the agent had stored would be missing: nothing of it was really done. */
  async #restore(play: Play, request: Request): Promise<void> {
    const encoder = new TextEncoder();
    const silent = {
      version: 2 as const,
      agree: () => {},
      openStream: () => null,
      openPush: () => null,
      onCancel: () => {},
    };
    for (const line of play.script.slice(0, play.at)) {
      if (line.kind !== "call" || !RESTORED.has(line.name) || fails(play, line.n)) continue;
      const payload = encoder.encode(JSON.stringify(line.params));
      const { caller } = request;
      await this.#options.live.run({
        opcode: line.opcode,
        payload,
        binary: false,
        caller,
        connection: silent,
        id: 0,
      });
    }
  }

  #diverge(expected: WireLine | null | undefined, actual: CallBody | null, why: string): void {
    if (this.divergence) return;
    const at = expected ? expected.n : this.calls;
    const call = expected?.kind === "call" ? bodyOf(expected) : undefined;
    this.divergence = {
      at,
      message: `diverged at call ${at}: ${why}`,
      ...(call ? { expected: call } : {}),
      ...(actual ? { actual } : {}),
      differences: call && actual ? differences(call, actual) : [],
    };
    this.#options.onDivergence(this.divergence);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onEnd();
  }

  #playOf(connection: Connection): Play {
    let play = this.#plays.get(connection);
    if (!play) {
      play = {
        connection,
        script: this.#scripts.get(this.#plays.size) ?? [],
        at: 0,
        pending: new Map(),
        numbers: new Map(),
        acts: [],
        seen: 0,
        going: false,
        now: null,
        live: this.live,
      };
      this.#plays.set(connection, play);
    }
    return play;
  }
}

const HELLO = 0xfe;

/** The protocol changes as it did. */
function agreeAgain(request: Request, answer: Answer): void {
  const { protocol_version } = (answer.json ?? {}) as { protocol_version?: unknown };
  if (protocol_version !== 2) return;
  const { params } = callBody(request, (text) => text);
  request.connection.agree(2, (params as { clock?: unknown } | undefined)?.clock === true);
}

function answerWith(json: unknown): Answer {
  const { success, code } = (json ?? {}) as { success?: unknown; code?: unknown };
  const failed = success === false && typeof code === "string" &&
    (ERROR_CODES as readonly string[]).includes(code);
  return { json, outcome: failed ? code as ErrorCode : "ok" };
}

function fails(play: Play, n: number): boolean {
  const answer = play.script.find((line) => line.kind === "answer" && line.n === n) as AnswerLine | undefined;
  return (answer?.answer as { success?: unknown } | undefined)?.success === false;
}

function isWire(line: { kind: string }): line is WireLine {
  return line.kind === "call" || line.kind === "cancel" || line.kind === "answer" || line.kind === "part" ||
    line.kind === "push";
}

function isSeen(line: WireLine): line is AnswerLine | PartLine {
  return line.kind !== "call" && line.kind !== "cancel";
}

function bodyOf({ opcode, name, params, raw, tail }: CallLine): CallBody {
  return {
    opcode,
    name,
    ...(params === undefined ? {} : { params }),
    ...(raw === undefined ? {} : { raw }),
    ...(tail === undefined ? {} : { tail }),
  };
}

function describe(line: WireLine | undefined): string {
  if (!line) return "its end";
  return line.kind === "call" ? line.name : `that it gave up call ${line.n}`;
}

function explain(expected: WireLine | undefined, actual: CallBody): string {
  if (expected?.kind !== "call") {
    return `the program called ${actual.name}, recorded was ${describe(expected)}`;
  }
  if (expected.name !== actual.name) {
    return `the program called ${actual.name}, recorded was ${expected.name}`;
  }
  return `the arguments of ${actual.name} are not the recorded ones`;
}

/** Refuses a number that is no recorded call. */
export function checkCall(what: string, n: number, total: number): void {
  if (n < total) return;
  throw new SyscallError(
    "not_found",
    `Cannot ${what} call ${n}: the recording has ${total} calls, counted from 0`,
  );
}
