/**
 * One connection: bytes in, answers out, in either protocol, with bounds on everything that waits.
 *
 * In protocol 1 requests run one after the other and answers keep their order. In protocol 2 they run at once and
 * answer as they finish. Whoever does not read his answers is not read from.
 *
 * @module
 */
import { FLAGS, type Frame, FrameError, FrameParser, SyscallError } from "@clove/sdk/protocol";
import type { Answer, Channel, Request } from "./dispatch.ts";
import { LIMITS } from "./limits.ts";
import type { Log } from "./log.ts";
import type { Principal } from "./principals.ts";
import type { Tap } from "./recording/tap.ts";
import { OutBuffer } from "./out_buffer.ts";
import { Streams } from "./streams.ts";
import type { PushWriter, StreamWriter } from "./syscall.ts";

/** What answers: the dispatcher, or what stands in for it while a recorded run is replayed. */
export interface Responder {
  /** Who listens to every connection; null when nobody does. */
  readonly tap: Tap | null;
  /** Answers one request; never rejects. */
  run(request: Request): Answer | Promise<Answer>;
}

/** Frames about time belong to no request: they carry this number and the opcode of HELLO. */
const CLOCK = { id: 0, opcode: 0xfe, flags: FLAGS.PUSH | FLAGS.MORE } as const;

/** The far end, as a transport offers it. */
export interface Wire {
  /** Takes the bytes over; the caller does not touch them again. Called without `this`. */
  readonly write: (bytes: Uint8Array) => void;
  /** Bytes taken over and not yet gone. */
  readonly pending: number;
  /** Stop and go on delivering what comes. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** Serves one peer. A transport calls {@link receive}, {@link drained}, {@link ended} and {@link closed}. */
export class Connection implements Channel {
  readonly principal: Principal;
  readonly #wire: Wire;
  readonly #dispatcher: Responder;
  readonly #log: Log;
  readonly #parser = new FrameParser(LIMITS.frameBytes);
  readonly #out = new OutBuffer();
  readonly #streams: Streams;
  /** Requests that go on, by number (protocol 1 has one at a time, under 0). */
  readonly #running = new Map<number, ((reason: SyscallError) => void) | null>();
  /** Chunks that came while the parser was not to be fed. */
  readonly #waiting: Uint8Array[] = [];
  #version: 1 | 2 = 1;
  #next: 1 | 2 = 1;
  /** True when the client has a virtual clock that follows the recorded time. */
  #tellsTime = false;
  #reading = true;
  #parsing = false;
  #peerEnded = false;
  #closed = false;
  #failed = false;

  /** @param options `wire` is already open. */
  constructor(options: { principal: Principal; wire: Wire; dispatcher: Responder; log: Log }) {
    this.principal = options.principal;
    this.#wire = options.wire;
    this.#dispatcher = options.dispatcher;
    this.#log = options.log;
    this.#streams = new Streams((frame) => this.#sendFrame(frame));
    this.principal.connections++;
  }

  /** The protocol spoken now. */
  get version(): 1 | 2 {
    return this.#version;
  }

  /** Speak this protocol after the answer to the current request. */
  agree(version: 1 | 2, clock = false): void {
    this.#next = version;
    this.#tellsTime ||= clock && version === 2;
  }

  /** Tells a client with a virtual clock something about time; nothing to any other. */
  tellTime(json: unknown): void {
    if (!this.#tellsTime || this.#version === 1 || this.#closed) return;
    this.#out.json(2, CLOCK, json);
    if (!this.#parsing) queueMicrotask(() => this.#flush());
  }

  /** Bytes came. The chunk must not change afterwards. */
  receive(chunk: Uint8Array): void {
    if (this.#closed || this.#failed) return;
    this.#waiting.push(chunk);
    this.#work();
  }

  /** The wire has sent what it had. */
  drained(): void {
    this.#work();
  }

  /** The peer will send no more. What it sent before is still answered. */
  ended(): void {
    this.#peerEnded = true;
    this.#work();
  }

  /** The wire is gone. Requests already received still take effect; long ones are cancelled. */
  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#peerEnded = true;
    this.#streams.close();
    const reason = new SyscallError("cancelled", "The client went away");
    for (const cancel of [...this.#running.values()]) cancel?.(reason);
    this.principal.connections--;
    this.#work();
  }

  /** Ends the connection from this side, after what was written. */
  end(): void {
    this.#flush();
    this.#wire.end();
  }

  /** Drops the connection, with whatever the peer has not read. */
  destroy(): void {
    this.#wire.destroy();
  }

  /** Reads as many requests as may run now, then sends what was answered. */
  #work(): void {
    if (this.#parsing) return;
    this.#parsing = true;
    try {
      while (this.#mayRun()) {
        const frame = this.#parser.next();
        if (frame) this.#handle(frame);
        else {
          const chunk = this.#waiting.shift();
          if (!chunk) break;
          this.#parser.push(chunk);
        }
      }
    } catch (error) {
      this.#reject(error);
    } finally {
      this.#parsing = false;
    }
    this.#flush();
    this.#balance();
  }

  #mayRun(): boolean {
    if (this.#failed) return false;
    if (this.#version === 1 && this.#running.size > 0) return false;
    if (this.#running.size >= LIMITS.requestsInFlight) return false;
    // A client that is gone no longer reads, and holds nothing up.
    return this.#closed || this.#wire.pending + this.#out.length < LIMITS.sendQueueBytes;
  }

  /** Reads from the peer only while what it sends can be worked on. */
  #balance(): void {
    if (this.#closed) return;
    // What follows a bad frame is read and dropped: who is not read from is not seen to go, either.
    const read = this.#failed || (this.#waiting.length === 0 && this.#mayRun());
    if (read !== this.#reading) {
      this.#reading = read;
      if (read) this.#wire.resume();
      else this.#wire.pause();
    }
    if (!this.#peerEnded || this.#waiting.length > 0) return;
    this.#streams.starve();
    if (this.#running.size === 0) this.#wire.end();
  }

  #handle(frame: Frame): void {
    if (this.#version === 2) {
      if (frame.flags & FLAGS.CANCEL) return this.#cancel(frame.id);
      if (frame.flags & FLAGS.CREDIT) return this.#streams.credit(frame.id, frame.payload);
      if (frame.flags & FLAGS.PUSH && this.#tellsTime) {
        return this.tellTime({ then: this.#dispatcher.tap?.timeOf(this) ?? null });
      }
      if (this.#running.has(frame.id) || this.#streams.has(frame.id)) {
        const message = `Cannot start request ${frame.id}: that number is in use on this connection`;
        return this.#send(frame.id, frame.opcode, {
          json: { success: false, error: message, code: "conflict" },
          outcome: "conflict",
        });
      }
    }
    const request: Request = {
      opcode: frame.opcode,
      payload: frame.payload,
      binary: (frame.flags & FLAGS.BINARY) !== 0,
      caller: this.principal,
      connection: this,
      id: this.#version === 2 ? frame.id : 0,
    };
    this.#dispatcher.tap?.called(this, this.principal, request.id, request);
    const answer = this.#dispatcher.run(request);
    if (!(answer instanceof Promise)) return this.#answered(request, answer);
    if (!this.#running.has(request.id)) this.#running.set(request.id, null);
    answer.then((value) => {
      this.#running.delete(request.id);
      this.#answered(request, value);
      this.#work();
    }).catch((error) => this.#reject(error));
  }

  #answered(request: Request, answer: Answer): void {
    this.#streams.finish(request.id);
    const now = this.#dispatcher.tap?.answering(this, request.id, answer) ?? null;
    if (now !== null) this.tellTime({ now });
    this.#send(this.#version === 2 ? request.id : this.principal.id, request.opcode, answer);
    this.#version = this.#parser.version = this.#next;
  }

  #cancel(id: number): void {
    this.#dispatcher.tap?.cancelled(this, id);
    const cancel = this.#running.get(id);
    if (cancel) cancel(new SyscallError("cancelled", "The client cancelled the request"));
    else this.#streams.cancel(id);
  }

  #send(id: number, opcode: number, answer: Answer): void {
    if (this.#closed) return;
    if (answer.raw) return this.#out.raw(this.#version, { id, opcode, flags: 0 }, answer.raw);
    if (answer.tail && this.#version === 2) {
      return this.#out.binary({ id, opcode, flags: FLAGS.BINARY }, answer.json, answer.tail);
    }
    this.#out.json(this.#version, { id, opcode, flags: 0 }, answer.json);
  }

  /** Frames of streams and subscriptions go out at the end of the turn's work, like answers. */
  #sendFrame(
    frame: { id: number; opcode: number; flags: number; json: unknown; tail: Uint8Array | null },
  ): number {
    if (this.#closed) return 0;
    const now = this.#dispatcher.tap?.pushing(this, frame) ?? null;
    if (now !== null) this.tellTime({ now });
    const before = this.#out.length;
    if (frame.tail) this.#out.binary({ ...frame, flags: frame.flags | FLAGS.BINARY }, frame.json, frame.tail);
    else this.#out.json(2, frame, frame.json);
    const bytes = this.#out.length - before;
    if (!this.#parsing) queueMicrotask(() => this.#flush());
    return bytes;
  }

  /** Bytes that are no frame, or a fault of ours: an oversized request is answered once, then the connection closes. */
  #reject(error: unknown): void {
    this.#failed = true;
    this.#waiting.length = 0;
    if (!(error instanceof FrameError)) {
      // A fault of ours, such as an answer that cannot be serialised: it may cost this connection, and no other.
      this.#log.error("a connection failed", { caller: this.principal.id, cause: error });
      this.#wire.destroy();
      return;
    }
    this.#log.debug("a connection sent no frame", { caller: this.principal.id, cause: error.message });
    if (error.kind === "size") {
      const json = { success: false, error: `invalid request: ${error.message}`, code: "limit" };
      this.#send(this.#version === 2 ? error.id : this.principal.id, error.opcode, {
        json,
        outcome: "limit",
      });
      this.#flush();
      this.#wire.end();
    } else {
      this.#flush();
      this.#wire.destroy();
    }
  }

  /** Writes what was answered. */
  #flush(): void {
    if (this.#out.length === 0) return;
    if (this.#closed) this.#out.clear();
    else this.#out.drain(this.#wire.write);
  }

  /** Where a streaming row writes; null in protocol 1. */
  openStream(request: Request, signal: AbortSignal): StreamWriter | null {
    return this.#version === 2 ? this.#streams.open(request.id, request.opcode, signal) : null;
  }

  /** Where frames started by the kernel go; null in protocol 1. */
  openPush(request: Request, onClosed: () => void): PushWriter | null {
    return this.#version === 2 ? this.#streams.push(request.id, request.opcode, onClosed) : null;
  }

  /** Remembers how to stop a request that goes on. */
  onCancel(request: Request, cancel: (reason: SyscallError) => void): void {
    this.#running.set(request.id, cancel);
  }
}
