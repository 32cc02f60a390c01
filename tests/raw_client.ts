/**
 * A client without manners: it sends whatever bytes a test wants and reads frames back. For protocol tests only;
 * everything else uses the SDK.
 *
 * @module
 */
import { encodeFrame, FLAGS, type Frame, FrameParser } from "@clove/sdk/protocol";

/** Bytes both ways. */
export interface Bytes {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** Drops the connection, as a `Deno.Conn` does. */
  close?(): void;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One connection. */
export class RawClient implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  // Answers may be longer than requests may.
  readonly #parser = new FrameParser(64 * 1024 * 1024);
  #version: 1 | 2 = 1;

  readonly #drop: (() => void) | undefined;

  /** Takes the transport over. */
  constructor(transport: Bytes) {
    this.#drop = transport.close?.bind(transport);
    this.#reader = transport.readable.getReader();
    this.#writer = transport.writable.getWriter();
  }

  /** Speaks protocol 2 from here on. */
  async upgrade(): Promise<void> {
    await this.call(0xfe, { protocol_version: 2 });
    this.#version = this.#parser.version = 2;
  }

  /** Sends bytes as they are. */
  async sendBytes(bytes: Uint8Array): Promise<void> {
    await this.#writer.write(bytes);
  }

  /** Sends one frame; a payload that is no bytes is sent as JSON. */
  async send(opcode: number, payload: unknown, options: { id?: number; flags?: number } = {}): Promise<void> {
    await this.sendBytes(this.frame(opcode, payload, options));
  }

  /** One frame as bytes. */
  frame(opcode: number, payload: unknown, options: { id?: number; flags?: number } = {}): Uint8Array {
    const bytes = payload instanceof Uint8Array ? payload : encoder.encode(JSON.stringify(payload));
    return encodeFrame(this.#version, {
      id: options.id ?? 0,
      flags: options.flags ?? 0,
      opcode,
      payload: bytes,
    });
  }

  /** The next frame, or null when the connection has ended. */
  async next(): Promise<Frame | null> {
    for (;;) {
      const frame = this.#parser.next();
      if (frame) return { ...frame, payload: frame.payload.slice() };
      const { value, done } = await this.#reader.read();
      if (done) return null;
      this.#parser.push(value);
    }
  }

  /** Sends a request and reads the next frame as JSON. */
  // deno-lint-ignore no-explicit-any -- tests look at any key
  async call(opcode: number, payload: unknown = {}, options: { id?: number } = {}): Promise<any> {
    await this.send(opcode, payload, options);
    const frame = await this.next();
    if (!frame) throw new Error(`The connection ended instead of answering opcode ${opcode}`);
    return JSON.parse(decoder.decode(frame.payload));
  }

  /** Cancels a request of protocol 2. */
  async cancel(id: number): Promise<void> {
    await this.send(0, new Uint8Array(0), { id, flags: FLAGS.CANCEL });
  }

  /** Ends the sending side only. */
  async end(): Promise<void> {
    await this.#writer.close();
  }

  /** Ends both sides. */
  async close(): Promise<void> {
    // Either side may have ended already, which is what was wanted.
    const ended = [this.#writer.abort(), this.#reader.cancel()].map((end) => end.catch(() => {}));
    try {
      this.#drop?.();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
    await Promise.all(ended);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The payload as JSON. */
// deno-lint-ignore no-explicit-any -- tests look at any key
export function json(frame: Frame | null): any {
  if (!frame) throw new Error("The connection ended instead of answering");
  return JSON.parse(decoder.decode(frame.payload));
}
