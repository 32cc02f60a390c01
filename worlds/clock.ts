/**
 * Time as an argument: the machine's, or a virtual one that moves only when it is told to.
 *
 * @module
 */
import { clearTimeout, setImmediate, setTimeout } from "node:timers";

/** Where time comes from. Everything that waits or looks at a clock takes one of these. */
export interface Clock {
  /** Wall-clock time in epoch milliseconds; may have a fraction, and may jump when the machine's clock is set. */
  now(): number;
  /** Milliseconds from some fixed point; never goes back. For durations. */
  monotonic(): number;
  /**
   * Calls `fn` once after `ms` milliseconds (negative and NaN count as 0, infinite never fires).
   *
   * @returns Cancels the timer; harmless when it has fired.
   */
  timer(ms: number, fn: () => void): () => void;
  /**
   * Resolves after `ms` milliseconds.
   *
   * @throws The signal's reason, when `signal` aborts first.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest delay that `setTimeout` takes; a longer one fires at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The machine's own clock. Its timers keep the process alive while they are pending. */
export const systemClock: Clock = {
  // Not the more precise timeOrigin + now(): that one misses it when the machine sleeps or its clock is set.
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer(ms: number, fn: () => void): () => void {
    let left = delayOf(ms);
    let id: ReturnType<typeof setTimeout> | undefined;
    // A delay of more than 24.8 days is made of several timeouts.
    const next = (): void => {
      const part = Math.min(left, LONGEST_TIMEOUT_MS);
      left -= part;
      id = setTimeout(left > 0 ? next : fn, part);
    };
    if (left !== Infinity) next();
    return () => id && clearTimeout(id);
  },
  sleep: (ms, signal) => sleepOn(systemClock, ms, signal),
};

/** A clock for simulations and tests: time stands still until {@link VirtualClock.advance} moves it. */
export class VirtualClock implements Clock {
  #now: number;
  readonly #start: number;
  #sequence = 0;
  readonly #heap: Pending[] = [];

  /** @param start Epoch milliseconds at which time stands at first. */
  constructor(start = Date.UTC(2024, 0, 1)) {
    this.#start = start;
    this.#now = start;
  }

  /** Virtual epoch milliseconds. */
  now(): number {
    return this.#now;
  }

  /** Virtual milliseconds since the clock was made. */
  monotonic(): number {
    return this.#now - this.#start;
  }

  /** Fires when time is moved to or past its moment: earlier moments first, equal ones in the order they were set. */
  timer(ms: number, fn: () => void): () => void {
    const delay = delayOf(ms);
    if (delay === Infinity) return () => {};
    const pending: Pending = { at: this.#now + delay, sequence: this.#sequence++, fn };
    push(this.#heap, pending);
    return () => pending.fn = null;
  }

  /** Resolves when time is moved to or past its moment. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  /** When the next timer is due, in virtual epoch milliseconds, or null when none is set. */
  get next(): number | null {
    while (this.#heap[0]?.fn === null) pop(this.#heap);
    return this.#heap[0]?.at ?? null;
  }

  /**
   * Moves time on, firing what becomes due on the way, each at its own moment. Between two timers the event loop
   * gets a turn, so what a timer set going (promises, further timers) happens before the next one.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + delayOf(ms);
    await turn(); // What was started before the call may still be about to set its timer.
    for (let at = this.next; at !== null && at <= end; at = this.next) {
      this.#fire(at);
      await turn();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Like {@link advance}, but promises get no turn: for code that is synchronous throughout. */
  advanceSync(ms: number): void {
    const end = this.#now + delayOf(ms);
    for (let at = this.next; at !== null && at <= end; at = this.next) this.#fire(at);
    this.#now = Math.max(this.#now, end);
  }

  #fire(at: number): void {
    const { fn } = pop(this.#heap)!;
    // A timer that was overtaken by a synchronous advance inside another one fires late, never back in time.
    this.#now = Math.max(this.#now, at);
    fn?.();
  }
}

interface Pending {
  readonly at: number;
  readonly sequence: number;
  /** Null once cancelled. */
  fn: (() => void) | null;
}

function delayOf(ms: number): number {
  return ms > 0 ? ms : 0;
}

function sleepOn(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = (): void => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.timer(ms, () => {
      signal?.removeEventListener("abort", aborted);
      resolve();
    });
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

/** One turn of the real event loop: every promise that can settle has settled after it. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

// A binary heap: a simulation with many agents has thousands of timers, and a sorted array would shift them all.

function before(a: Pending, b: Pending): boolean {
  return a.at < b.at || (a.at === b.at && a.sequence < b.sequence);
}

function push(heap: Pending[], pending: Pending): void {
  let at = heap.push(pending) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(pending, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = pending;
}

function pop(heap: Pending[]): Pending | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (heap.length === 0 || last === undefined) return top;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return top;
}
