/**
 * The other side of a connection for tests of the client: speaks the protocol, does what the test says.
 *
 * @module
 */
import {
  encodeBinary,
  encodeFrame,
  FLAGS,
  type Frame,
  FrameParser,
  type ProtocolVersion,
} from "../protocol/mod.ts";
import type { Transport } from "../client/transport.ts";

/** A request as a test's handler sees it. */
export interface Received {
  readonly id: number;
  readonly opcode: number;
  readonly flags: number;
  readonly json: unknown;
  readonly payload: Uint8Array;
}

/** A kernel in memory. */
export class TestKernel {
  /** What it speaks at most. */
  readonly #highest: ProtocolVersion;
  readonly #parser = new FrameParser();
  readonly #toClient: Uint8Array[] = [];
  #reader: PromiseWithResolvers<Uint8Array | null> | null = null;
  #ended = false;
  #error: Error | null = null;
  readonly #waiting: PromiseWithResolvers<Received>[] = [];
  readonly #received: Received[] = [];
  version: ProtocolVersion = 1;
  /** References minus unreferences of the client; below zero means the program may end. */
  refs = 0;
  /** Writes of the client, each as it came. */
  readonly writes: Uint8Array[] = [];
  /** Set to hold the client's writes back until resolved. */
  gate: Promise<void> | null = null;
  /** Answers for itself; requests without a handler wait in {@link next}. */
  readonly handlers = new Map<number, (request: Received) => void>();

  constructor(highest: ProtocolVersion = 2) {
    this.#highest = highest;
  }

  /** The client's end. */
  readonly transport: Transport = {
    read: () => {
      const chunk = this.#toClient.shift();
      if (chunk) return Promise.resolve(chunk);
      if (this.#error) return Promise.reject(this.#error);
      if (this.#ended) return Promise.resolve(null);
      this.#reader = Promise.withResolvers();
      return this.#reader.promise;
    },
    write: async (bytes) => {
      if (this.#ended) throw new Error("broken pipe");
      const copy = bytes.slice();
      this.writes.push(copy);
      await this.gate;
      this.#parser.push(copy);
      for (let frame = this.#parser.next(); frame; frame = this.#parser.next()) this.#take(frame);
    },
    close: () => this.end(),
    ref: () => void this.refs++,
    unref: () => void this.refs--,
  };

  /** The next request that no handler takes. */
  next(): Promise<Received> {
    const received = this.#received.shift();
    if (received) return Promise.resolve(received);
    const waiter = Promise.withResolvers<Received>();
    this.#waiting.push(waiter);
    return waiter.promise;
  }

  /** Sends a frame. */
  send(frame: { id: number; opcode: number; flags?: number; json?: unknown; tail?: Uint8Array }): void {
    const { id, opcode, flags = 0, json = {}, tail } = frame;
    this.sendBytes(encodeFrame(this.version, {
      id,
      opcode,
      flags: tail ? flags | FLAGS.BINARY : flags,
      payload: tail ? encodeBinary(json, tail) : new TextEncoder().encode(JSON.stringify(json)),
    }));
  }

  /** Answers a request. */
  answer(request: Received, json: unknown, tail?: Uint8Array): void {
    this.send({ id: request.id, opcode: request.opcode, json, ...(tail ? { tail } : {}) });
  }

  /** Sends bytes as they are. */
  sendBytes(bytes: Uint8Array): void {
    if (this.#reader) {
      this.#reader.resolve(bytes);
      this.#reader = null;
    } else this.#toClient.push(bytes);
  }

  /** Closes, in order or broken. */
  end(error: Error | null = null): void {
    this.#ended = true;
    this.#error = error;
    if (error) this.#reader?.reject(error);
    else this.#reader?.resolve(null);
    this.#reader = null;
  }

  #take(frame: Frame): void {
    const { id, opcode, flags, payload } = frame;
    const plain = payload.byteLength > 0 && (flags & (FLAGS.BINARY | FLAGS.CREDIT)) === 0;
    const json = plain ? JSON.parse(new TextDecoder().decode(payload)) : null;
    const request: Received = { id, opcode, flags, json, payload };
    if (opcode === 0xfe && this.version === 1) {
      const agreed = json.protocol_version === 2 ? this.#highest : 1;
      this.answer(request, { success: true, protocol_version: agreed, agent_id: 7, version: "0.0.1" });
      this.version = this.#parser.version = agreed;
      return;
    }
    const handler = flags & (FLAGS.CANCEL | FLAGS.CREDIT) ? undefined : this.handlers.get(opcode);
    if (handler) handler(request);
    else if (this.#waiting.length > 0) this.#waiting.shift()!.resolve(request);
    else this.#received.push(request);
  }
}
