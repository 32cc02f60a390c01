/**
 * Reads an agent's output into its log. Reading waits only for a follower who asked for that; an agent that floods is
 * read in portions, so that it waits for its pipe instead of taking the kernel's time from everybody else.
 *
 * @module
 */
import type { Socket } from "node:net";
import type { Clock } from "../../worlds/clock.ts";
import type { OutputLog, OutputStream } from "./output.ts";

/** An agent may write so much in one portion of time before it waits: 40 MiB a second. */
const PORTION_BYTES = 2 * 1024 * 1024;
const PORTION_MS = 50;

/**
 * Starts reading a stream until it ends.
 *
 * @param channel The agent's descriptor 3. Its end is the agent's: what is left in the stream then is read at once,
 * because nobody will keep it.
 */
export function capture(
  socket: Socket,
  stream: OutputStream,
  log: OutputLog,
  clock: Clock,
  channel: Socket,
): void {
  let begun = clock.monotonic();
  let bytes = 0;
  let ended = false;
  /** Takes back whatever would have let the reading go on. */
  let undo = (): void => {};
  const awaitRoom = (): void => {
    socket.pause();
    undo = log.onRoom(() => socket.resume());
  };
  const awaitPortion = (ms: number): void => {
    socket.pause();
    undo = clock.timer(ms, () => log.held && !ended ? awaitRoom() : socket.resume());
  };
  const onEnd = (): void => {
    ended = true;
    undo();
    socket.resume();
  };
  channel.once("close", onEnd);
  channel.once("end", onEnd);
  socket.once("close", () => undo());
  socket.on("data", (chunk: Uint8Array) => {
    log.append(stream, chunk);
    bytes += chunk.byteLength;
    if (bytes >= PORTION_BYTES) {
      const now = clock.monotonic();
      const left = PORTION_MS - (now - begun);
      bytes = 0;
      begun = now + Math.max(left, 0);
      if (left > 0) return awaitPortion(left);
    }
    if (log.held && !ended) awaitRoom();
  });
  // A reset while reading is the end of the output; how the agent ended is told by its exit status.
  socket.on("error", () => {});
}
