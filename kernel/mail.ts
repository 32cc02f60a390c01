/**
 * Mailboxes: one per principal, in order, bounded. A sender learns at once when a mailbox is full.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";
import type { Clock } from "../worlds/clock.ts";
import type { EventBus } from "./events.ts";
import { LIMITS } from "./limits.ts";
import type { Principal } from "./principals.ts";

/** A message as its reader gets it. */
export interface Message {
  readonly from: number;
  readonly from_agent: number;
  readonly from_name: string;
  readonly message: unknown;
  readonly age_ms: number;
  /** Epoch seconds at which it was sent. */
  readonly timestamp: number;
  /** The trace it belongs to; absent when it came without one. */
  readonly traceparent?: string;
}

interface Letter {
  readonly from: number;
  readonly fromName: string;
  readonly message: unknown;
  readonly bytes: number;
  readonly sentAt: number;
  readonly traceparent: string | null;
}

interface Mailbox {
  letters: Letter[];
  bytes: number;
  readonly waiters: Set<() => void>;
}

/** Delivers messages between principals. */
export class Mail {
  readonly #boxes = new Map<Principal, Mailbox>();
  readonly #clock: Clock;
  readonly #events: EventBus;

  /** @param events Gets MESSAGE_RECEIVED for each delivery. */
  constructor(clock: Clock, events: EventBus) {
    this.#clock = clock;
    this.#events = events;
  }

  /**
   * Puts a message into a mailbox.
   *
   * @param traceparent Delivered with it.
   * @throws {SyscallError} `limit` when the mailbox is full; nothing was delivered then.
   */
  send(from: Principal, to: Principal, message: unknown, traceparent: string | null = null): void {
    const box = this.#box(to);
    const bytes = JSON.stringify(message).length;
    if (box.letters.length >= LIMITS.mailboxMessages || box.bytes + bytes > LIMITS.mailboxBytes) {
      throw new SyscallError(
        "limit",
        `Cannot send to ${to.label}: its mailbox is full (${box.letters.length} messages, ${box.bytes} bytes), ` +
          "wait until it has received some",
      );
    }
    box.letters.push({ from: from.id, fromName: from.name, message, bytes, sentAt: this.#clock.now(), traceparent });
    box.bytes += bytes;
    from.counts.sent++;
    for (const wake of [...box.waiters]) wake();
    const data = { from: from.id, from_name: from.name, to: to.id, count: box.letters.length };
    this.#events.emit("MESSAGE_RECEIVED", data, from.id, (principal) => principal === to);
  }

  /** Messages waiting over all mailboxes, for metrics. */
  get queued(): number {
    let count = 0;
    for (const box of this.#boxes.values()) count += box.letters.length;
    return count;
  }

  /** Takes up to `max` messages, oldest first. */
  take(owner: Principal, max: number): Message[] {
    const box = this.#boxes.get(owner);
    if (!box || max <= 0) return [];
    const now = this.#clock.now();
    const taken = box.letters.splice(0, max);
    for (const letter of taken) box.bytes -= letter.bytes;
    owner.counts.received += taken.length;
    return taken.map((letter) => ({
      from: letter.from,
      from_agent: letter.from,
      from_name: letter.fromName,
      message: letter.message,
      age_ms: Math.max(0, Math.round(now - letter.sentAt)),
      timestamp: letter.sentAt / 1000,
      ...(letter.traceparent === null ? {} : { traceparent: letter.traceparent }),
    }));
  }

  /** Resolves when there is mail, the time is up, or `signal` fires; whichever is first. Never rejects. */
  async arrival(owner: Principal, waitMs: number, signal: AbortSignal): Promise<void> {
    const box = this.#box(owner);
    if (box.letters.length > 0 || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.timer(waitMs, resolve);
    box.waiters.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    cancel();
    box.waiters.delete(resolve);
  }

  /** Messages waiting for one principal. */
  waitingFor(owner: Principal): number {
    return this.#boxes.get(owner)?.letters.length ?? 0;
  }

  #box(owner: Principal): Mailbox {
    let box = this.#boxes.get(owner);
    if (!box) {
      box = { letters: [], bytes: 0, waiters: new Set() };
      this.#boxes.set(owner, box);
      owner.onGone(() => this.#boxes.delete(owner));
    }
    return box;
  }
}
