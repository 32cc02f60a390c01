/**
 * Which refusals have a line already. Whoever refuses writes the line, with what only it knows; the dispatcher's last
 * look writes one for refusals that nobody wrote down. This keeps the two from writing the same one twice.
 *
 * @module
 */

/** Refusals that are on their way to their answer; more at once only means that one may be written twice. */
const REMEMBERED = 256;

/** A short memory of refusals. */
export class Refusals {
  readonly #recent: (string | null)[] = new Array(REMEMBERED).fill(null);
  #next = 0;

  /** A line about it was written. */
  add(agent: number, syscall: unknown): void {
    this.#recent[this.#next] = `${agent} ${syscall}`;
    this.#next = (this.#next + 1) % REMEMBERED;
  }

  /** True once for each {@link add}. */
  take(agent: number, syscall: string): boolean {
    const wanted = `${agent} ${syscall}`;
    // The newest first: it is nearly always the one.
    for (let back = 1; back <= REMEMBERED; back++) {
      const at = (this.#next - back + REMEMBERED) % REMEMBERED;
      if (this.#recent[at] === wanted) {
        this.#recent[at] = null;
        return true;
      }
    }
    return false;
  }
}
