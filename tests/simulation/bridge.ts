/**
 * Joins a simulated socket to a connection inside the process, so that clients need not know which they have.
 *
 * @module
 */
import type { MemoryTransport } from "../../kernel/memory_wire.ts";
import type { SimSocket } from "./wire.ts";

/** Passes bytes both ways, and holds back where the other side does. */
export function bridge(far: SimSocket, transport: MemoryTransport): void {
  const writer = transport.writable.getWriter();
  const reader = transport.readable.getReader();
  // The end of the connection shows at the socket.
  const ended = (): void => {};
  writer.closed.catch(ended);
  reader.closed.catch(ended);
  far.on("data", (bytes: Uint8Array) => {
    far.pause();
    writer.write(bytes).then(() => far.resume(), ended);
  });
  far.on("end", () => void writer.close().catch(ended));
  far.on("error", ended);
  far.on("close", () => {
    writer.abort().catch(ended);
    reader.cancel().catch(ended);
  });
  void pump(far, reader);
}

async function pump(far: SimSocket, reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    if (!far.write(value) && !far.destroyed) {
      await new Promise<void>((go) => far.once("drain", go).once("close", go));
    }
  }
  far.end();
}
