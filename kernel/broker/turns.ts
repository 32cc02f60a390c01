/**
 * A fair share of the kernel: a crowd of agents that check all the time must not keep everybody else waiting.
 *
 * An agent that is answered asks again at once, so a crowd of them takes all the time there is. A few agents are
 * always answered at once, and so is a crowd while nobody else wants anything. Else a crowd gets so many answers a
 * millisecond, in the order of its questions.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/** How it is shared. */
export interface TurnsOptions {
  /** So many may ask as fast as they like: fewer than it takes to be a crowd. */
  readonly few: number;
  /** Answers that a crowd gets in each {@link WINDOW_MS} while others are served, too. */
  readonly perWindow: number;
  /** Milliseconds, never backwards. */
  readonly now: () => number;
  /** Requests of others that were served so far. */
  readonly served: () => number;
}

/** Whoever asks within this time asks at once. The shortest time that a timer waits. */
export const WINDOW_MS = 1;
/** Others count as being served for so long after their last request. */
const OTHERS_MS = 50;

const DEFAULTS: TurnsOptions = {
  few: 8,
  perWindow: 2,
  now: () => performance.now(),
  served: () => 0,
};

/** Runs short jobs. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #waiting: (() => void)[] = [];
  #head = 0;
  readonly #askers = new Set<object>();
  #windowEnds = -Infinity;
  /** Answers left in this window. */
  #left = Infinity;
  #served = 0;
  #othersUntil = -Infinity;
  #scheduled = false;

  /** Nothing waits yet. */
  constructor(options: Partial<TurnsOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
    this.#served = this.#options.served();
  }

  /** Jobs that wait. */
  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /**
   * Runs a job, now or in its turn.
   *
   * @param who The same object for all jobs of one asker.
   * @param job Must not throw.
   */
  run(who: object, job: () => void): void {
    this.#look();
    this.#askers.add(who);
    if (this.waiting === 0 && (this.#askers.size <= this.#options.few || this.#left > 0)) {
      this.#left--;
      return job();
    }
    this.#waiting.push(job);
    this.#schedule();
  }

  /** Opens the next window when it is time. */
  #look(): void {
    const { now, served, perWindow } = this.#options;
    const at = now();
    if (at < this.#windowEnds) return;
    const count = served();
    if (count !== this.#served) this.#othersUntil = at + OTHERS_MS;
    this.#served = count;
    this.#windowEnds = at + WINDOW_MS;
    this.#left = at < this.#othersUntil ? perWindow : Infinity;
    this.#askers.clear();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // One a turn: whoever else has sent something is served between two of them.
    if (this.#left > 0) setImmediate(this.#next);
    else setTimeout(this.#next, WINDOW_MS);
  }

  readonly #next = (): void => {
    this.#scheduled = false;
    this.#look();
    if (this.#left > 0 && this.waiting > 0) {
      this.#left--;
      this.#waiting[this.#head++]!();
    }
    if (this.waiting === 0) this.#waiting.length = this.#head = 0;
    else this.#schedule();
  };
}
