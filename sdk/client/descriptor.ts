/**
 * A transport over an inherited file descriptor: how a spawned agent reaches its kernel without any permission.
 *
 * Deno opens foreign descriptors only through its Node layer. Loading `node:net` takes about as long as starting Deno
 * itself; the pipe below it takes half of that. So the pipe is used where it has the shape that is expected here, and
 * `node:net` where it has not.
 *
 * @module
 */
import type { Socket } from "node:net";
import { ConnectionError } from "./errors.ts";
import type { Transport } from "./transport.ts";

/** Chunks that may wait for the reader before the descriptor is no longer read. */
const CHUNKS = 4;

/** The part of Node's pipe handle that is used here. */
interface PipeHandle {
  onread: ((chunk: ArrayBuffer | Uint8Array | undefined) => void) | null;
  open(descriptor: number): number;
  readStart(): number;
  readStop(): number;
  writeBuffer(request: WriteRequest, bytes: Uint8Array): number;
  close(): void;
  ref(): void;
  unref(): void;
}

interface WriteRequest {
  oncomplete: ((status: number) => void) | null;
}

/** The part of Node's internal bindings that is used here. */
interface Bindings {
  Pipe: new (type: number) => PipeHandle;
  WriteWrap: new () => WriteRequest;
  streamBaseState: ArrayLike<number>;
  kReadBytesOrError: number;
  kLastWriteWasAsync: number;
  guessHandleType(descriptor: number): string;
}

/**
 * Opens a descriptor that the parent process left open.
 *
 * @param descriptor Such as 3.
 * @returns The transport, or null when the descriptor is no socket (or is none at all).
 */
export async function openDescriptor(descriptor: number): Promise<Transport | null> {
  const bindings = pipeBindings();
  if (!bindings) return await openWithNet(descriptor);
  if (bindings.guessHandleType(descriptor) !== "PIPE") return null;
  const pipe = new bindings.Pipe(0);
  return pipe.open(descriptor) === 0 ? new PipeTransport(pipe, bindings) : null;
}

/** The way over `node:net`: documented, and slower to load. */
export async function openWithNet(descriptor: number): Promise<Transport | null> {
  const net = await import("node:net");
  let socket: Socket;
  try {
    socket = new net.Socket({ fd: descriptor, readable: true, writable: true });
  } catch (error) {
    // ERR_INVALID_FD_TYPE: open, but no socket. EBADF: not open. Both mean: not there.
    if (error instanceof Error && "code" in error) return null;
    throw error;
  }
  return new NetTransport(socket);
}

/** Node's bindings, when they are all there. */
function pipeBindings(): Bindings | null {
  const { process } = globalThis as { process?: { binding?: (name: string) => Partial<Bindings> } };
  if (typeof process?.binding !== "function") return null;
  try {
    const all = { ...process.binding("pipe_wrap"), ...process.binding("stream_wrap") };
    const { guessHandleType } = process.binding("util");
    const { Pipe, WriteWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = all;
    const methods: readonly (keyof PipeHandle)[] = [
      "open",
      "readStart",
      "readStop",
      "writeBuffer",
      "close",
      "ref",
      "unref",
    ];
    if (
      !Pipe || !WriteWrap || !streamBaseState || !guessHandleType || kReadBytesOrError === undefined ||
      kLastWriteWasAsync === undefined || !methods.every((name) => typeof Pipe.prototype[name] === "function")
    ) return null;
    return { Pipe, WriteWrap, streamBaseState, kReadBytesOrError, kLastWriteWasAsync, guessHandleType };
  } catch (error) {
    // A runtime that has no such binding says so by throwing; node:net is there for it.
    if (error instanceof Error) return null;
    throw error;
  }
}

/** Chunks between whoever delivers them and one reader. */
class ChunkQueue {
  readonly #chunks: Uint8Array[] = [];
  #end: { error: Error | null } | null = null;
  #waiter: PromiseWithResolvers<Uint8Array | null> | null = null;

  get length(): number {
    return this.#chunks.length;
  }

  add(chunk: Uint8Array): void {
    if (!this.#waiter) {
      this.#chunks.push(chunk);
      return;
    }
    this.#waiter.resolve(chunk);
    this.#waiter = null;
  }

  finish(error: Error | null): void {
    if (this.#end) return;
    this.#end = { error };
    if (error) this.#waiter?.reject(error);
    else this.#waiter?.resolve(null);
    this.#waiter = null;
  }

  take(): Promise<Uint8Array | null> {
    const chunk = this.#chunks.shift();
    if (chunk) return Promise.resolve(chunk);
    if (this.#end) return this.#end.error ? Promise.reject(this.#end.error) : Promise.resolve(null);
    this.#waiter = Promise.withResolvers();
    return this.#waiter.promise;
  }
}

/** libuv's UV_EOF, the one negative length that is no error. */
const UV_EOF = -4095;

/** Straight on the pipe handle. */
class PipeTransport implements Transport {
  readonly #pipe: PipeHandle;
  readonly #bindings: Bindings;
  readonly #incoming = new ChunkQueue();
  #reading = true;
  #open = true;
  /** The write that waits for the descriptor to take its bytes. */
  #writing: PromiseWithResolvers<void> | null = null;

  constructor(pipe: PipeHandle, bindings: Bindings) {
    this.#pipe = pipe;
    this.#bindings = bindings;
    pipe.onread = (chunk) => this.#onRead(chunk);
    const status = pipe.readStart();
    if (status !== 0) throw new ConnectionError(`Cannot read the inherited descriptor: status ${status}`);
  }

  read(): Promise<Uint8Array | null> {
    const chunk = this.#incoming.take();
    if (!this.#reading && this.#open && this.#incoming.length < CHUNKS) {
      this.#reading = true;
      this.#pipe.readStart();
    }
    return chunk;
  }

  write(bytes: Uint8Array): Promise<void> {
    if (!this.#open) return Promise.reject(new ConnectionError("Cannot write: the descriptor is closed"));
    const request = new this.#bindings.WriteWrap();
    const done = Promise.withResolvers<void>();
    this.#writing = done;
    request.oncomplete = (status) => this.#onWritten(status, done);
    const status = this.#pipe.writeBuffer(request, bytes);
    if (status !== 0) this.#onWritten(status, done);
    else if (this.#bindings.streamBaseState[this.#bindings.kLastWriteWasAsync] === 0) {
      this.#onWritten(0, done);
    }
    return done.promise;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#pipe.onread = null;
    this.#pipe.close();
    this.#incoming.finish(null);
    this.#writing?.reject(new ConnectionError("Cannot write: the descriptor was closed"));
    this.#writing = null;
  }

  ref(): void {
    if (this.#open) this.#pipe.ref();
  }

  unref(): void {
    if (this.#open) this.#pipe.unref();
  }

  #onRead(chunk: ArrayBuffer | Uint8Array | undefined): void {
    const length = this.#bindings.streamBaseState[this.#bindings.kReadBytesOrError] ?? UV_EOF;
    if (length > 0 && chunk) {
      const bytes = chunk instanceof Uint8Array ? chunk : new Uint8Array(chunk);
      this.#incoming.add(bytes.subarray(0, length));
      if (this.#incoming.length >= CHUNKS) {
        this.#reading = false;
        this.#pipe.readStop();
      }
    } else if (length < 0) {
      const error = length === UV_EOF ? null : new ConnectionError(`Cannot read: the system says ${length}`);
      this.#incoming.finish(error);
    }
  }

  #onWritten(status: number, done: PromiseWithResolvers<void>): void {
    if (this.#writing === done) this.#writing = null;
    if (status === 0) done.resolve();
    else done.reject(new ConnectionError(`Cannot write: the system says ${status}`));
  }
}

/** On a socket of `node:net`. */
class NetTransport implements Transport {
  readonly #socket: Socket;
  readonly #incoming = new ChunkQueue();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Uint8Array) => {
      this.#incoming.add(chunk);
      if (this.#incoming.length >= CHUNKS) socket.pause();
    });
    socket.on("end", () => this.#incoming.finish(null));
    socket.on("error", (error) => this.#incoming.finish(error));
    socket.on("close", () => this.#incoming.finish(null));
  }

  read(): Promise<Uint8Array | null> {
    const chunk = this.#incoming.take();
    if (this.#socket.isPaused() && this.#incoming.length < CHUNKS) this.#socket.resume();
    return chunk;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve());
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  ref(): void {
    this.#socket.ref();
  }

  unref(): void {
    this.#socket.unref();
  }
}
