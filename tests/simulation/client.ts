/**
 * A client that trusts nothing: every frame that comes has to belong to a request it made, and to no other.
 *
 * @module
 */
import { encodeFrame, FLAGS, type Frame, FrameParser } from "@clove/sdk/protocol";
import type { SimSocket } from "./wire.ts";

/** An answer's JSON. */
// deno-lint-ignore no-explicit-any -- looked at key by key, as any client of the wire would
export type Json = any;

/** How a request ended. `gone`: the connection ended first, and nobody knows whether it took effect. */
export type Outcome = { readonly status: "answered"; readonly json: Json } | { readonly status: "gone" };

/** What a client tells whoever watches. */
export interface Witness {
  /** Something came or went; for the trace. */
  trace(what: string): void;
  /** Something that must never happen. */
  violation(what: string): void;
}

/** A request that has not been answered. */
export interface Asked {
  readonly id: number;
  readonly opcode: number;
  /** Called with each part of a stream and each pushed frame. */
  readonly onPart?: (json: Json) => void;
  readonly settle: (outcome: Outcome) => void;
  /** For the report when it is never answered. */
  readonly payload: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const CREDIT_BYTES = 512;
/** The one syscall whose frames come after its answer. */
const SUBSCRIBE = 0x60;

/** One connection of one principal. */
export class Client {
  readonly label: string;
  version: 1 | 2 = 1;
  /** The principal's number, as the kernel's first answer said it; null before. */
  principal: number | null = null;
  /** True once either side has ended it. */
  over = false;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  readonly #socket: SimSocket;
  readonly #witness: Witness;
  readonly #parser = new FrameParser(64 * 1024 * 1024);
  /** In protocol 1 in order, in protocol 2 by number. */
  #inOrder: Asked[] = [];
  readonly #byId = new Map<number, Asked>();
  /** Subscriptions, which go on after their answer. */
  readonly #pushes = new Map<number, Asked>();
  /** Bytes of parts since credit was last given, by number. */
  readonly #used = new Map<number, number>();
  /** What waits until a half frame is whole. */
  #held: Uint8Array[] | null = null;
  #lastId = 0;
  #end!: () => void;

  /** @param label For the trace. */
  constructor(label: string, socket: SimSocket, witness: Witness) {
    this.label = label;
    this.#socket = socket;
    this.#witness = witness;
    this.ended = new Promise((resolve) => this.#end = resolve);
    socket.on("data", (bytes: Uint8Array) => this.#received(bytes));
    socket.on("end", () => this.close());
    socket.on("error", () => {}); // `close` follows.
    socket.on("close", () => this.#closed());
  }

  /** Requests without an answer. */
  get unanswered(): readonly Asked[] {
    return [...this.#inOrder, ...this.#byId.values()];
  }

  /** True while a half frame is out. */
  get halfway(): boolean {
    return this.#held !== null;
  }

  /** The kernel will be told to speak protocol 2. */
  async upgrade(): Promise<void> {
    const outcome = await this.ask(0xfe, { protocol_version: 2 });
    if (outcome.status === "answered") this.principal ??= outcome.json.agent_id;
  }

  /** Sends a request. */
  ask(
    opcode: number,
    payload: unknown,
    onPart?: (json: Json) => void,
    onSent?: (id: number) => void,
  ): Promise<Outcome> {
    return new Promise((settle) => {
      if (this.over) return settle({ status: "gone" });
      const { asked, bytes } = this.prepare(opcode, payload, settle, onPart);
      onSent?.(asked.id);
      this.send(bytes);
    });
  }

  /** Makes a request's bytes, and waits for its answer from now on. */
  prepare(
    opcode: number,
    payload: unknown,
    settle: (outcome: Outcome) => void,
    onPart?: (json: Json) => void,
  ): { asked: Asked; bytes: Uint8Array } {
    const { id, bytes, body } = this.encode(opcode, payload);
    const asked: Asked = { id, opcode, settle, onPart, payload: body };
    if (this.over) settle({ status: "gone" });
    else if (this.version === 1) this.#inOrder.push(asked);
    else this.#byId.set(id, asked);
    return { asked, bytes };
  }

  /** A request's bytes, which nobody waits for. */
  encode(opcode: number, payload: unknown): { id: number; bytes: Uint8Array; body: Uint8Array } {
    const body = payload instanceof Uint8Array ? payload : encoder.encode(JSON.stringify(payload));
    const id = ++this.#lastId;
    return { id, body, bytes: encodeFrame(this.version, { id, opcode, flags: 0, payload: body }) };
  }

  /** Sends bytes as they are. */
  send(bytes: Uint8Array): void {
    if (this.#held) this.#held.push(bytes);
    else this.#socket.write(bytes);
  }

  /** Sends the first part of some bytes, and nothing else until the function it returns sends the rest. */
  sendPart(bytes: Uint8Array, length: number): () => void {
    this.send(bytes.subarray(0, length));
    const held: Uint8Array[] = this.#held = [bytes.subarray(length)];
    return () => {
      this.#held = null;
      for (const waiting of held) this.send(waiting);
    };
  }

  /** Protocol 2: asks the kernel to stop a request. */
  cancel(id: number): void {
    if (this.version === 1) return;
    this.#witness.trace(`${this.label} > cancel ${id}`);
    this.#frame(id, FLAGS.CANCEL, new Uint8Array(0));
  }

  /** Does not read for a while; 0 goes on. */
  stall(yes: boolean): void {
    if (yes) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Ends the connection in order: what was sent is still answered. */
  end(): void {
    this.#socket.end();
  }

  /** Ends it at once. */
  close(): void {
    this.#socket.destroy();
  }

  #frame(id: number, flags: number, payload: Uint8Array): void {
    this.send(encodeFrame(2, { id, opcode: 0, flags, payload }));
  }

  #closed(): void {
    if (this.over) return;
    this.over = true;
    this.#witness.trace(`${this.label} closed`);
    for (const asked of this.unanswered) asked.settle({ status: "gone" });
    this.#inOrder = [];
    this.#byId.clear();
    this.#pushes.clear();
    this.#end();
  }

  #received(bytes: Uint8Array): void {
    if (this.over) return;
    this.#parser.push(bytes);
    for (let frame = this.#parser.next(); frame; frame = this.#parser.next()) this.#handle(frame);
  }

  #handle(frame: Frame): void {
    const text = decoder.decode(frame.payload);
    const { id, opcode, flags } = frame;
    this.#witness.trace(`${this.label} < ${id} ${opcode} ${flags} ${text}`);
    if (this.version === 2 && flags & (FLAGS.MORE | FLAGS.PUSH)) return this.#part(frame, text);
    const asked = this.version === 1 ? this.#inOrder.shift() : this.#byId.get(id);
    if (!asked) {
      return this.#wrong(`got an answer to request ${id} (opcode ${opcode}), which it did not make`);
    }
    if (asked.opcode !== opcode) {
      return this.#wrong(`asked for opcode ${asked.opcode} and got an answer to opcode ${opcode}`);
    }
    this.#byId.delete(asked.id);
    // In protocol 1 the header says who one is; NOOP and EXIT answer with their bytes.
    if (this.version === 1) this.identify(id);
    if (opcode === 0) {
      if (text !== decoder.decode(asked.payload)) this.#wrong(`sent other bytes than came back: ${text}`);
      return asked.settle({ status: "answered", json: text });
    }
    const json = JSON.parse(text);
    if (opcode === 0xfe && json.success) this.identify(json.agent_id);
    if (json.code === "internal") this.#wrong(`got an internal error: ${json.error}`);
    if (opcode === 0xfe && json.protocol_version === 2) this.version = this.#parser.version = 2;
    if (opcode === SUBSCRIBE && json.success && this.version === 2) this.#pushes.set(asked.id, asked);
    asked.settle({ status: "answered", json });
  }

  /** The number of the principal can never change within a connection. */
  identify(id: number): void {
    this.principal ??= id;
    if (this.principal !== id) this.#wrong(`was ${this.principal} and is ${id} now`);
  }

  #part({ id, opcode, flags, payload }: Frame, text: string): void {
    const asked = this.#byId.get(id) ?? this.#pushes.get(id);
    if (!asked?.onPart) return this.#wrong(`got a part for request ${id}, which it did not make`);
    if (asked.opcode !== opcode) this.#wrong(`got a part of opcode ${opcode} for opcode ${asked.opcode}`);
    if ((flags & FLAGS.MORE) === 0) this.#pushes.delete(id);
    else asked.onPart(JSON.parse(text));
    const used = (this.#used.get(id) ?? 0) + 17 + payload.byteLength;
    this.#used.set(id, used < CREDIT_BYTES ? used : 0);
    if (used < CREDIT_BYTES) return;
    const credit = new Uint8Array(4);
    new DataView(credit.buffer).setUint32(0, used, true);
    this.#frame(id, FLAGS.CREDIT, credit);
  }

  #wrong(what: string): void {
    this.#witness.violation(`${this.label} ${what}`);
  }
}
