/**
 * A fair share of the event loop: many agents that ask at once must not keep everybody else waiting.
 *
 * @module
 */
import { setImmediate } from "node:timers";

/**
 * Questions answered before the loop looks at other sockets again. One takes some ten microseconds, so others wait
 * no longer for a crowd of agents than for two of them.
 */
const PER_TURN = 2;

/** Runs short jobs: at once while there is room in this turn of the loop, else in order in the next ones. */
export class Turns {
  readonly #perTurn: number;
  readonly #waiting: (() => void)[] = [];
  #head = 0;
  #left: number;
  #scheduled = false;

  /** @param perTurn Jobs in one turn. */
  constructor(perTurn: number = PER_TURN) {
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  /** Jobs that wait. */
  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** Runs a job, now or soon. It must not throw. */
  run(job: () => void): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#next);
    }
    if (this.#left > 0 && this.waiting === 0) {
      this.#left--;
      job();
    } else this.#waiting.push(job);
  }

  readonly #next = (): void => {
    this.#scheduled = false;
    this.#left = this.#perTurn;
    while (this.#left > 0 && this.waiting > 0) {
      this.#left--;
      this.#waiting[this.#head++]!();
    }
    if (this.waiting === 0) this.#waiting.length = this.#head = 0;
    else if (!this.#scheduled) {
      this.#scheduled = true;
      setImmediate(this.#next);
    }
  };
}
