/**
 * Sockets of a simulated machine. Bytes take their time, arrive in other pieces than they were sent in, wait
 * while nobody reads, and may be lost when an end is torn off; they never overtake each other.
 *
 * @module
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { Clock } from "../../worlds/clock.ts";
import type { Chance } from "./chance.ts";

/** What lies between the two ends. */
export interface WireOptions {
  readonly clock: Clock;
  readonly chance: Chance;
  /** Milliseconds that bytes are on their way, typically. */
  readonly latencyMs: number;
}

/** What the operating system takes over of what one end wrote and the other has not read. */
const BUFFER_BYTES = 2048;

/** One end: as much of a `net.Socket` as the kernel uses. */
export class SimSocket extends EventEmitter {
  /** True when nothing can be written any more. */
  writableEnded = false;
  /** True when this end is gone. */
  destroyed = false;
  readonly #options: WireOptions;
  #peer!: SimSocket;
  /** Arrived, not read. */
  #inbox: Uint8Array[] = [];
  #paused = false;
  /** The peer will send no more, and what it sent has arrived. */
  #endArrived = false;
  #endTold = false;
  /** Written by this end and not yet read by the other. */
  #unread = 0;
  #needsDrain = false;
  #lastArrival = 0;
  /** Deliveries under way to the peer. */
  #inFlight = 0;

  /** Use {@link socketPair}. */
  constructor(options: WireOptions) {
    super();
    this.#options = options;
  }

  /** Joins two ends. */
  static join(a: SimSocket, b: SimSocket): void {
    a.#peer = b;
    b.#peer = a;
  }

  /** Bytes that the operating system has not taken over yet. */
  get writableLength(): number {
    return Math.max(0, this.#unread - BUFFER_BYTES);
  }

  /** Sends; false when it would be better to wait for `drain`. */
  write(bytes: Uint8Array, done?: (error?: Error) => void): boolean {
    if (this.writableEnded || this.destroyed) {
      done?.(new Error("write after end"));
      return false;
    }
    this.#unread += bytes.byteLength;
    const copy = bytes.slice();
    const { chance } = this.#options;
    const cut = copy.byteLength > 1 && chance.may(0.3) ? chance.int(1, copy.byteLength - 1) : copy.byteLength;
    for (const piece of [copy.subarray(0, cut), copy.subarray(cut)]) {
      if (piece.byteLength > 0) this.#travel(() => this.#peer.#arrive(piece), true);
    }
    done?.();
    this.#needsDrain ||= this.writableLength > 0;
    return !this.#needsDrain;
  }

  /** Sends no more. */
  end(): this {
    if (this.writableEnded || this.destroyed) return this;
    this.writableEnded = true;
    this.#travel(() => this.#peer.#arriveEnd());
    this.#closeWhenDone();
    return this;
  }

  /** Goes at once. What is on its way may still arrive, or not. */
  destroy(): this {
    if (this.destroyed) return this;
    const torn = this.#inFlight > 0 && this.#options.chance.may(0.5);
    this.#close();
    const peer = this.#peer;
    if (torn) peer.#tear();
    else this.#travel(() => peer.#arriveEnd());
    return this;
  }

  /** Stops `data`. */
  pause(): this {
    this.#paused = true;
    return this;
  }

  /** Goes on with `data`. */
  resume(): this {
    if (!this.#paused) return this;
    this.#paused = false;
    // As with a real socket, not within the call.
    this.#options.clock.timer(0, () => this.#read());
    return this;
  }

  #travel(arrive: () => void, carries = false): void {
    const { clock, chance, latencyMs } = this.#options;
    const at = Math.max(this.#lastArrival, clock.now() + chance.delay(latencyMs));
    this.#lastArrival = at;
    this.#inFlight++;
    clock.timer(at - clock.now(), () => {
      this.#inFlight--;
      if (!this.#peer.destroyed) return arrive();
      // Nobody is there any more: whoever wrote is told, EPIPE.
      if (carries) this.#tear();
    });
  }

  #arrive(bytes: Uint8Array): void {
    this.#inbox.push(bytes);
    this.#read();
  }

  #arriveEnd(): void {
    // What this end still had to send has nowhere to go: EPIPE.
    if (this.#peer.destroyed && this.writableLength > 0) return this.#tear();
    this.#endArrived = true;
    this.#read();
  }

  #read(): void {
    while (!this.#paused && !this.destroyed) {
      const bytes = this.#inbox.shift();
      if (!bytes) break;
      this.#peer.#wasRead(bytes.byteLength);
      this.emit("data", bytes);
    }
    // As with a real socket, the end is seen as soon as nothing is left to read, by one that is paused too.
    if (this.destroyed || !this.#endArrived || this.#inbox.length > 0 || this.#endTold) return;
    this.#endTold = true;
    this.emit("end");
    // The other end is gone for good: nothing that is written now arrives.
    if (this.#peer.destroyed) this.#close();
    else this.#closeWhenDone();
  }

  #wasRead(bytes: number): void {
    this.#unread -= bytes;
    if (!this.#needsDrain || this.writableLength > 0) return;
    this.#needsDrain = false;
    this.#options.clock.timer(0, () => !this.destroyed && this.emit("drain"));
  }

  /** The process at this end is no more: it hears of nothing, the other end sees the connection go. */
  vanish(): void {
    this.removeAllListeners();
    this.on("error", () => {}); // Without a listener an error would be thrown.
    this.destroy();
  }

  #tear(): void {
    if (this.destroyed) return;
    this.#inbox = [];
    this.#options.clock.timer(0, () => {
      if (this.destroyed) return;
      this.emit("error", new Error("ECONNRESET"));
      this.#close();
    });
  }

  #closeWhenDone(): void {
    if (this.writableEnded && this.#endTold) this.#close();
  }

  #close(): void {
    if (this.destroyed) return;
    this.destroyed = this.writableEnded = true;
    this.#inbox = [];
    this.#options.clock.timer(0, () => this.emit("close"));
  }
}

/** Two ends of one connection. */
export function socketPair(options: WireOptions): [SimSocket, SimSocket] {
  const pair: [SimSocket, SimSocket] = [new SimSocket(options), new SimSocket(options)];
  SimSocket.join(...pair);
  return pair;
}

/** As the kernel's types want it: it uses no more than there is. */
export function asSocket(end: SimSocket): Socket {
  return end as unknown as Socket;
}
