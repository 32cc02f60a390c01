/**
 * Events: what happened, told to whoever subscribed. A subscriber that does not read loses its oldest events and is
 * told how many; it never holds up the one who emits.
 *
 * @module
 */
import type { Clock } from "../worlds/clock.ts";
import { LIMITS } from "./limits.ts";
import type { Principal } from "./principals.ts";
import type { PushWriter } from "./syscall.ts";

/** Every type there is. `CUSTOM` is what agents emit; the others only the kernel emits. */
export const EVENT_TYPES = [
  "AGENT_SPAWNED",
  "AGENT_EXITED",
  "AGENT_PAUSED",
  "AGENT_RESUMED",
  "AGENT_RESTARTING",
  "AGENT_ESCALATED",
  "MESSAGE_RECEIVED",
  "STATE_CHANGED",
  "SYSCALL_BLOCKED",
  "RESOURCE_WARNING",
  "APPROVAL_REQUESTED",
  "APPROVAL_CLOSED",
  "CUSTOM",
] as const;

/** One of {@link EVENT_TYPES}. */
export type EventType = (typeof EVENT_TYPES)[number];

/** An event as it goes over the wire: the original's keys and the ones its SDKs look for. */
export interface KernelEvent {
  readonly type: EventType;
  /** The same as `type`; for CUSTOM the name given to EMIT. */
  readonly event_type: string;
  readonly data: unknown;
  readonly source_agent_id: number;
  readonly source_agent: number;
  /** Epoch seconds. */
  readonly timestamp: number;
  /** Events lost since the last one delivered here; absent when none. */
  readonly dropped?: number;
}

/** A queue in front of one reader, bounded. */
class EventQueue {
  readonly #events: KernelEvent[] = [];
  #head = 0;
  dropped = 0;

  get length(): number {
    return this.#events.length - this.#head;
  }

  add(event: KernelEvent): void {
    if (this.length >= LIMITS.eventQueue) {
      this.#head++;
      this.dropped++;
    }
    this.#events.push(event);
    if (this.#head > LIMITS.eventQueue) this.#events.splice(0, this.#head), this.#head = 0;
  }

  take(): KernelEvent | null {
    const event = this.#events[this.#head];
    if (!event) return null;
    this.#head++;
    if (this.#head === this.#events.length) this.#events.length = this.#head = 0;
    if (this.dropped === 0) return event;
    const marked = { ...event, dropped: this.dropped };
    this.dropped = 0;
    return marked;
  }

  /** Undoes a {@link take} that could not be delivered. */
  putBack({ dropped = 0, ...event }: KernelEvent): void {
    this.dropped += dropped;
    if (this.#head > 0) this.#events[--this.#head] = event;
    else this.#events.unshift(event);
  }
}

/** What one principal listens to: a queue to poll, and the pushes it opened. */
interface Listener {
  readonly polled: Set<EventType>;
  readonly queue: EventQueue;
  readonly pushes: Set<Push>;
}

interface Push {
  readonly types: Set<EventType>;
  readonly queue: EventQueue;
  readonly writer: PushWriter;
}

/** Delivers events to subscribers. */
export class EventBus {
  readonly #listeners = new Map<Principal, Listener>();
  readonly #clock: Clock;

  /** @param clock Stamps the events. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Subscribes for polling. */
  subscribe(principal: Principal, types: Iterable<EventType>): void {
    const listener = this.#listener(principal);
    for (const type of types) listener.polled.add(type);
  }

  /** Subscribes a push: each event goes out as it happens. Returns the undo. */
  push(principal: Principal, types: Iterable<EventType>, writer: PushWriter): () => void {
    const listener = this.#listener(principal);
    const push: Push = { types: new Set(types), queue: new EventQueue(), writer };
    listener.pushes.add(push);
    writer.onReady = () => drain(push);
    return () => listener.pushes.delete(push);
  }

  /** Ends subscriptions to the given types, polled and pushed. Returns the types that remain. */
  unsubscribe(principal: Principal, types: Iterable<EventType>): EventType[] {
    const listener = this.#listeners.get(principal);
    if (!listener) return [];
    for (const type of types) {
      listener.polled.delete(type);
      for (const push of listener.pushes) {
        push.types.delete(type);
        if (push.types.size === 0) {
          listener.pushes.delete(push);
          push.writer.close();
        }
      }
    }
    const remaining = new Set(listener.polled);
    for (const push of listener.pushes) for (const type of push.types) remaining.add(type);
    return EVENT_TYPES.filter((type) => remaining.has(type));
  }

  /** Takes queued events, oldest first. */
  poll(principal: Principal, max: number): KernelEvent[] {
    const listener = this.#listeners.get(principal);
    const events: KernelEvent[] = [];
    while (listener && events.length < max) {
      const event = listener.queue.take();
      if (!event) break;
      events.push(event);
    }
    return events;
  }

  /** Events waiting over all queues, for metrics. */
  get queued(): number {
    let count = 0;
    for (const listener of this.#listeners.values()) {
      count += listener.queue.length;
      for (const push of listener.pushes) count += push.queue.length;
    }
    return count;
  }

  /**
   * Tells everyone who subscribed and may know.
   *
   * @param audience Who may know; everyone when absent.
   * @returns How many subscribers it reached.
   */
  emit(
    type: EventType,
    data: Record<string, unknown>,
    source = 0,
    audience?: (principal: Principal) => boolean,
  ): number {
    if (this.#listeners.size === 0) return 0;
    const custom = type === "CUSTOM" ? data.custom_type : undefined;
    const event: KernelEvent = {
      type,
      event_type: typeof custom === "string" ? custom : type,
      data,
      source_agent_id: source,
      source_agent: source,
      timestamp: this.#clock.now() / 1000,
    };
    let reached = 0;
    for (const [principal, listener] of this.#listeners) {
      let wanted = false;
      const polled = listener.polled.has(type);
      if (!polled && listener.pushes.size === 0) continue;
      if (audience && !audience(principal)) continue;
      if (polled) {
        listener.queue.add(event);
        wanted = true;
      }
      for (const push of listener.pushes) {
        if (!push.types.has(type)) continue;
        wanted = true;
        push.queue.add(event);
        drain(push);
      }
      if (wanted) reached++;
    }
    return reached;
  }

  #listener(principal: Principal): Listener {
    let listener = this.#listeners.get(principal);
    if (!listener) {
      listener = { polled: new Set(), queue: new EventQueue(), pushes: new Set() };
      this.#listeners.set(principal, listener);
      principal.onGone(() => this.#listeners.delete(principal));
    }
    return listener;
  }
}

function drain(push: Push): void {
  for (;;) {
    const event = push.queue.take();
    if (!event) return;
    if (push.writer.push(event)) continue;
    push.queue.putBack(event);
    return;
  }
}

/** For events about one agent that are not everybody's business: itself, those above it, and administrators. */
export function concerns(subject: Principal | undefined): (principal: Principal) => boolean {
  return (principal) =>
    principal.kind === "operator" || (subject !== undefined && principal.isAbove(subject));
}
