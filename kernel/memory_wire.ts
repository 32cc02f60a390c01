/**
 * Connections inside the process, for tests and for programs that embed a kernel: no socket, no port.
 *
 * @module
 */
import { Connection, type Responder, type Wire } from "./connection.ts";
import type { Log } from "./log.ts";
import type { Principal } from "./principals.ts";

/** The client's end: bytes both ways. Fits `connect({ transport })` of the SDK. */
export interface MemoryTransport {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/** Serves a principal on a pair of streams. */
export function serveMemory(
  principal: Principal,
  options: { dispatcher: Responder; log: Log; onClosed: () => void },
): { connection: Connection; transport: MemoryTransport } {
  let toClient!: ReadableStreamDefaultController<Uint8Array>;
  let pending = 0;
  let over = false;
  let held: PromiseWithResolvers<void> | null = null;

  const close = (): void => {
    if (over) return;
    over = true;
    held?.resolve();
    connection.closed();
    options.onClosed();
  };
  const finish = (): void => {
    if (over) return;
    toClient.close();
    close();
  };
  const wire: Wire = {
    write(bytes) {
      if (over) return;
      pending += bytes.byteLength;
      toClient.enqueue(bytes);
    },
    get pending() {
      return pending;
    },
    pause: () => void (held ??= Promise.withResolvers()),
    resume() {
      held?.resolve();
      held = null;
    },
    end: finish,
    destroy: finish,
  };
  const connection = new Connection({ principal, wire, dispatcher: options.dispatcher, log: options.log });

  const readable = new ReadableStream<Uint8Array>({
    start: (controller) => void (toClient = controller),
    pull() {
      // The client has taken everything that was queued.
      pending = 0;
      connection.drained();
    },
    cancel: close,
  }, { highWaterMark: 1 });
  const writable = new WritableStream<Uint8Array>({
    // An abort waits for the write under way, which may be held: the signal does not.
    start: (controller) => controller.signal.addEventListener("abort", close),
    async write(chunk) {
      // As on a socket, the sender may use its buffer again.
      connection.receive(chunk.slice());
      await held?.promise;
    },
    close: () => connection.ended(),
  });
  return { connection, transport: { readable, writable } };
}
