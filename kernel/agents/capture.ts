/**
 * Reads an agent's output into its log. Reading never waits for a follower; an agent that floods is read in
 * portions, so that it waits for its pipe instead of taking the kernel's time from everybody else.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Clock } from "../../worlds/clock.ts";
import type { OutputLog, OutputStream } from "./output.ts";

/** An agent may write so much in one portion of time before it waits: 40 MiB a second. */
const PORTION_BYTES = 2 * 1024 * 1024;
const PORTION_MS = 50;

/** Starts reading a stream until it ends. */
export function capture(socket: Socket, stream: OutputStream, log: OutputLog, clock: Clock): void {
  let begun = clock.monotonic();
  let bytes = 0;
  let cancel: (() => void) | null = null;
  socket.once("close", () => cancel?.());
  socket.on("data", (chunk: Uint8Array) => {
    log.append(stream, chunk);
    bytes += chunk.byteLength;
    if (bytes < PORTION_BYTES) return;
    const now = clock.monotonic();
    const left = PORTION_MS - (now - begun);
    bytes = 0;
    begun = now + Math.max(left, 0);
    if (left <= 0) return;
    socket.pause();
    cancel = clock.timer(left, () => socket.resume());
  });
  // A reset while reading is the end of the output; how the agent ended is told by its exit status.
  socket.on("error", () => {});
}
