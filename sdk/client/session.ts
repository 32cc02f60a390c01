/**
 * One live connection: it opens with HELLO, matches answers to requests, and fails every open request when it ends.
 *
 * @module
 */
import {
  FLAGS,
  type Frame,
  FrameParser,
  HEADER_BYTES,
  type ProtocolVersion,
  SyscallError,
} from "../protocol/mod.ts";
import { failureOf, readPayload } from "./answer.ts";
import { ConnectionError, ProtocolError, TimeoutError } from "./errors.ts";
import { Outbox } from "./outbox.ts";
import type { Inflow } from "./stream.ts";
import type { Transport } from "./transport.ts";
import { attachClock, type ClockLink } from "./virtual_clock.ts";

/** A file of the largest size that the kernel reads, every byte escaped in JSON, and its envelope. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

const HELLO = 0xfe;

/** What the kernel says of itself when a connection opens. */
export interface Welcome {
  /** The version of the protocol that both sides speak from here on. */
  readonly protocol: ProtocolVersion;
  /** The number that the kernel gave this connection; 0 when it did not say. */
  readonly agentId: number;
  /** The kernel's version; `unknown` when it did not say. */
  readonly version: string;
}

/** What every request may say beside its arguments. */
export interface CallOptions {
  /** Gives the request up when aborted; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Gives the request, or the whole stream, up after so many milliseconds, with a {@link TimeoutError}. */
  readonly timeoutMs?: number;
  /** Raw bytes that go with the request, for those that take them (protocol 2). */
  readonly tail?: Uint8Array;
}

/** A request as the connection sees it. */
export interface Request {
  /** Such as `fs.read`, for messages. */
  readonly name: string;
  readonly opcode: number;
  readonly params: unknown;
}

/** Something that waits for frames with its id. */
interface Pending {
  readonly opcode: number;
  /** True when its answer, unless a failure, is followed by pushed frames. */
  readonly subscribes: boolean;
  /** Position of its first byte among all bytes sent. */
  at: number;
  /** Takes a frame; true when it was the last. */
  frame(frame: Frame): boolean;
  fail(error: unknown): void;
}

/** One connection to a kernel. */
export class Session {
  readonly #transport: Transport;
  readonly #outbox: Outbox;
  readonly #parser = new FrameParser(MAX_ANSWER_BYTES);
  readonly #pending = new Map<number, Pending>();
  /** Null unless this program runs on recorded time. */
  readonly #clock: ClockLink | null = attachClock(() => this.#askTime());
  #version: ProtocolVersion = 1;
  #lastId = 0;
  /** Protocol 1 answers in order: the id of the next answer. */
  #nextAnswer = 1;
  /** Requests whose caller still waits; the program may end when there are none. */
  #awaited = 0;
  #end: ConnectionError | ProtocolError | null = null;
  #writeError: unknown = null;

  private constructor(transport: Transport) {
    this.#transport = transport;
    this.#outbox = new Outbox(transport, (error) => this.#onWriteError(error));
  }

  /**
   * Shakes hands over a transport, which belongs to the session from here on.
   *
   * @throws {ConnectionError} When it ends before the kernel has answered.
   * @throws {ProtocolError} When what answers is no kernel.
   */
  static async open(
    transport: Transport,
    options: { protocol?: ProtocolVersion; timeoutMs: number },
  ): Promise<{ session: Session; welcome: Welcome }> {
    const session = new Session(transport);
    void session.#read();
    try {
      const welcome = await session.#hello(options.protocol ?? 2, options.timeoutMs);
      return { session, welcome };
    } catch (error) {
      session.#finish(new ConnectionError("Cannot connect: no kernel answered", { cause: error }));
      throw error;
    }
  }

  /** The protocol that is spoken. */
  get version(): ProtocolVersion {
    return this.#version;
  }

  /** Why it ended, or null while it lives. */
  get end(): ConnectionError | ProtocolError | null {
    return this.#end;
  }

  /** Makes one request and waits for its answer. */
  call(request: Request, options: CallOptions = {}): Promise<unknown> {
    const { signal, timeoutMs, tail = null } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const call = new Call(this, request, resolve, reject);
      if (signal || timeoutMs !== undefined) call.watch(options);
      if (!this.#outbox.full) call.id = this.#send(call, request, tail);
      else {
        this.#outbox.room().then(() => {
          if (call.open) call.id = this.#send(call, request, tail);
        });
      }
    });
  }

  /** Makes a request whose answer comes in parts, or that opens a subscription. */
  stream<Part, Result>(
    request: Request,
    inflow: Inflow<Part, Result>,
    options: { subscribes: boolean; tail?: Uint8Array; onEnd: (error: unknown) => void },
  ): void {
    const pending = new Streaming(this, request, inflow, options);
    const id = this.#send(pending, request, options.tail ?? null);
    if (id === 0) return;
    inflow.start({
      grant: (bytes) => {
        if (this.#version === 2) this.#outbox.appendCredit(id, request.opcode, bytes);
      },
      cancel: () => this.abandon(id, pending),
    });
  }

  /** Stops waiting for a request and asks the kernel to stop it. Its frames are dropped until the last one. */
  abandon(id: number, pending: Pending): void {
    if (this.#pending.get(id) !== pending) return;
    this.#pending.set(id, new Abandoned(pending, this.#version));
    this.#cancel(id, pending.opcode);
    this.#settled();
  }

  /** Writes what is waiting, then closes. Open requests fail. */
  async close(): Promise<void> {
    await this.#outbox.flushed();
    this.#finish(new ConnectionError("Cannot go on: the client was closed"));
  }

  /** Sends it; 0 when it failed right away, which `pending` has been told. */
  #send(pending: Pending, request: Request, tail: Uint8Array | null): number {
    if (this.#end) {
      pending.fail(
        new ConnectionError(`Cannot send ${request.name}: the connection has ended`, { cause: this.#end }),
      );
      return 0;
    }
    if (tail && this.#version === 1) {
      const message =
        `Cannot send ${request.name} with raw bytes: the kernel speaks protocol 1, send them as base64`;
      pending.fail(new SyscallError("unsupported", message));
      return 0;
    }
    let id = this.#lastId;
    do id = (id + 1) >>> 0 || 1; while (this.#pending.has(id));
    pending.at = this.#outbox.appended;
    try {
      const text = request.params === undefined ? "" : JSON.stringify(request.params);
      this.#outbox.append(this.#version, { id, opcode: request.opcode, flags: 0, text, tail });
    } catch (error) {
      // Nothing was sent: what cannot be written as JSON, or is too long, concerns this request alone.
      pending.fail(error);
      return 0;
    }
    this.#lastId = id;
    this.#pending.set(id, pending);
    this.#clock?.sent();
    if (++this.#awaited === 1) this.#transport.ref?.();
    return id;
  }

  #cancel(id: number, opcode: number): void {
    if (this.#version === 1 || this.#end) return;
    this.#outbox.append(2, { id, opcode, flags: FLAGS.CANCEL, text: "", tail: null });
    this.#clock?.sent();
  }

  #settled(): void {
    if (--this.#awaited === 0) this.#transport.unref?.();
  }

  #hello(wanted: ProtocolVersion, timeoutMs: number): Promise<Welcome> {
    return new Promise((resolve, reject) => {
      const params = wanted === 2 ? { protocol_version: 2, ...(this.#clock ? { clock: true } : {}) } : {};
      const request = { name: "sys.hello", opcode: HELLO, params };
      const done = (answer: unknown) => {
        const { protocol_version, agent_id, version, kernel_version } = answer as Record<string, unknown>;
        // Set before the next frame is looked at: it comes in the new protocol already.
        if (wanted === 2 && protocol_version === 2) this.#parser.version = this.#version = 2;
        resolve({
          protocol: this.#version,
          agentId: typeof agent_id === "number" ? agent_id : 0,
          version: String(version ?? kernel_version ?? "unknown"),
        });
      };
      const call = new Call(this, request, done, (error) => {
        const expired = error === signal.reason;
        reject(
          expired ? new TimeoutError(`Cannot connect: no answer within ${timeoutMs} ms`, timeoutMs) : error,
        );
      });
      // The first setTimeout of a program loads Node's timers, 4 ms; this one is Deno's own.
      const signal = AbortSignal.timeout(timeoutMs);
      call.watch({ signal });
      call.id = this.#send(call, request, null);
    });
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const chunk = await this.#transport.read();
        if (chunk === null) break;
        this.#parser.push(chunk);
        for (let frame = this.#parser.next(); frame; frame = this.#parser.next()) {
          if (this.#clock && this.#isTime(frame)) await this.#clock.arrived(readPayload(frame));
          else this.#dispatch(frame);
        }
        if (this.#end) return;
      }
      const cause = this.#writeError ?? undefined;
      this.#finish(new ConnectionError("Lost the connection: the kernel closed it", { cause }));
    } catch (error) {
      if (error instanceof ProtocolError) this.#finish(error);
      else if (error instanceof Error && error.name === "FrameError") {
        this.#finish(new ProtocolError(error.message, { cause: error }));
      } else this.#finish(new ConnectionError("Lost the connection: it broke", { cause: error }));
    }
  }

  /** A frame from the clock; it is no request, and its answer is a frame about time. */
  #askTime(): boolean {
    if (this.#version === 1 || this.#end) return false;
    this.#outbox.append(2, { id: 0, opcode: HELLO, flags: FLAGS.PUSH, text: "", tail: null });
    return true;
  }

  /** Frames about time belong to no request. */
  #isTime(frame: Frame): boolean {
    return this.#version === 2 && frame.id === 0 && frame.opcode === HELLO &&
      (frame.flags & FLAGS.PUSH) !== 0;
  }

  #dispatch(frame: Frame): void {
    const id = this.#version === 1 ? this.#nextAnswer : frame.id;
    const pending = this.#pending.get(id);
    if (!pending && (frame.flags & FLAGS.PUSH) !== 0) {
      // Subscribed by a request that was made as if it had one answer; nobody can read what it sends.
      this.#cancel(frame.id, frame.opcode);
      return;
    }
    if (!pending || pending.opcode !== frame.opcode) {
      const opcode = frame.opcode.toString(16).padStart(2, "0");
      throw new ProtocolError(
        `Cannot take a frame: nothing with id ${frame.id} waits for opcode 0x${opcode}`,
      );
    }
    if (this.#version === 1) this.#nextAnswer = (this.#nextAnswer + 1) >>> 0 || 1;
    if (!pending.frame(frame)) return;
    this.#pending.delete(id);
    if (!(pending instanceof Abandoned)) this.#settled();
  }

  #onWriteError(error: unknown): void {
    this.#writeError = error;
    // Answers may still be on their way in; a peer that is gone ends the reading side by itself.
    const timer = setTimeout(() => {
      this.#finish(new ConnectionError("Lost the connection: it cannot be written to", { cause: error }));
    }, 1_000);
    Deno.unrefTimer(timer);
  }

  #finish(error: ConnectionError | ProtocolError): void {
    if (this.#end) return;
    this.#end = error;
    this.#clock?.ended();
    this.#outbox.stop();
    this.#transport.close();
    for (const pending of this.#pending.values()) {
      const sent = pending.at < this.#outbox.given;
      pending.fail(new ConnectionError(error.message, { sent, cause: error }));
    }
    this.#pending.clear();
  }
}

/** Reads an answer: its result, or throws what it stands for. */
function resultOf(frame: Frame): unknown {
  const answer = readPayload(frame);
  const failure = failureOf(answer);
  if (failure) throw failure;
  return answer;
}

/** A request with one answer. */
class Call implements Pending {
  readonly opcode: number;
  readonly subscribes = false;
  at = 0;
  id = 0;
  readonly #session: Session;
  readonly #name: string;
  readonly #resolve: (result: unknown) => void;
  readonly #reject: (error: unknown) => void;
  #signal: AbortSignal | null = null;
  #onAbort: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** True while its caller waits. */
  open = true;

  constructor(
    session: Session,
    request: Request,
    resolve: (result: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.#session = session;
    this.opcode = request.opcode;
    this.#name = request.name;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  watch(options: CallOptions): void {
    const { signal, timeoutMs } = options;
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.#giveUp(
          new TimeoutError(`Gave up on ${this.#name}: no answer within ${timeoutMs} ms`, timeoutMs),
        );
      }, timeoutMs);
    }
    if (signal) {
      this.#signal = signal;
      this.#onAbort = () => this.#giveUp(signal.reason);
      signal.addEventListener("abort", this.#onAbort);
    }
  }

  frame(frame: Frame): boolean {
    if ((frame.flags & (FLAGS.MORE | FLAGS.PUSH)) !== 0) {
      // A part for someone who asked for none: only its answer counts.
      return (frame.flags & FLAGS.MORE) === 0;
    }
    this.#unwatch();
    try {
      this.#resolve(resultOf(frame));
    } catch (error) {
      this.#reject(error);
      if (error instanceof ProtocolError) throw error;
    }
    return true;
  }

  fail(error: unknown): void {
    this.#unwatch();
    this.#reject(error);
  }

  #giveUp(error: unknown): void {
    this.#unwatch();
    this.#session.abandon(this.id, this);
    this.#reject(error);
  }

  #unwatch(): void {
    this.open = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#onAbort) this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#onAbort = null;
  }
}

/** A request with parts, or a subscription. */
class Streaming<Part, Result> implements Pending {
  readonly opcode: number;
  readonly subscribes: boolean;
  at = 0;
  readonly #session: Session;
  readonly #inflow: Inflow<Part, Result>;
  readonly #onEnd: (error: unknown) => void;

  constructor(
    session: Session,
    request: Request,
    inflow: Inflow<Part, Result>,
    options: { subscribes: boolean; onEnd: (error: unknown) => void },
  ) {
    this.#session = session;
    this.opcode = request.opcode;
    this.#inflow = inflow;
    this.subscribes = options.subscribes;
    this.#onEnd = options.onEnd;
  }

  frame(frame: Frame): boolean {
    const more = (frame.flags & FLAGS.MORE) !== 0;
    if (more) {
      this.#inflow.part(readPayload(frame) as Part, HEADER_BYTES + frame.payload.byteLength);
      return false;
    }
    try {
      const result = resultOf(frame);
      const pushed = (frame.flags & FLAGS.PUSH) !== 0;
      if (!pushed) this.#inflow.answer(result as Result);
      if (!pushed && this.subscribes && this.#session.version === 2) return false;
      this.#inflow.finish();
    } catch (error) {
      this.fail(error);
      if (error instanceof ProtocolError) throw error;
    }
    return true;
  }

  fail(error: unknown): void {
    this.#onEnd(error);
  }
}

/** Takes the place of a request whose caller no longer waits, until its last frame has come. */
class Abandoned implements Pending {
  readonly opcode: number;
  readonly subscribes: boolean;
  readonly at: number;

  constructor(pending: Pending, version: ProtocolVersion) {
    this.opcode = pending.opcode;
    this.subscribes = pending.subscribes && version === 2;
    this.at = pending.at;
  }

  frame(frame: Frame): boolean {
    if ((frame.flags & FLAGS.MORE) !== 0) return false;
    if ((frame.flags & FLAGS.PUSH) !== 0 || !this.subscribes) return true;
    return failureOf(readPayload(frame)) !== null;
  }

  fail(): void {
    // Nobody waits.
  }
}
