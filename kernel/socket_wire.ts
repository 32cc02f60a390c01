/**
 * Connections over sockets: Unix sockets, and file descriptor 3 of spawned agents.
 *
 * @module
 */
import type { Socket } from "node:net";
import { Connection, type Responder, type Wire } from "./connection.ts";
import type { Log } from "./log.ts";
import type { Principal } from "./principals.ts";

/** Serves a principal on an open socket until either side ends it. */
export function serveSocket(
  socket: Socket,
  principal: Principal,
  options: { dispatcher: Responder; log: Log; onClosed: () => void },
): Connection {
  const wire: Wire = {
    write: (bytes) => void socket.write(bytes),
    get pending() {
      return socket.writableLength;
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
  const connection = new Connection({ principal, wire, dispatcher: options.dispatcher, log: options.log });
  socket.on("data", (chunk: Uint8Array) => connection.receive(chunk));
  socket.on("drain", () => connection.drained());
  socket.on("end", () => connection.ended());
  // A peer that went away is no fault of the kernel: `close` follows, and that is where it is dealt with.
  socket.on(
    "error",
    (cause) => options.log.debug("a connection broke", { caller: principal.id, cause: String(cause) }),
  );
  socket.on("close", () => {
    connection.closed();
    options.onClosed();
  });
  return connection;
}
