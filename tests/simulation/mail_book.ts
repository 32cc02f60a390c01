/**
 * What may be in a mailbox: each letter once at most, those of one sender in the order in which it sent them,
 * nobody else's, and everything that was acknowledged.
 *
 * @module
 */

/** What a letter of the simulation says. */
export interface LetterText {
  /** The sending connection, such as `op1#2`. */
  readonly by: string;
  /** Counts the letters of that connection. */
  readonly n: number;
  /** The receiver's number; 0 is everybody. */
  readonly to: number;
}

/** A letter on its way. */
interface Letter {
  readonly from: number | null;
  readonly to: number;
  acknowledged: boolean;
}

/** A mailbox as its owner's answers show it. */
interface Box {
  readonly lastOf: Map<string, number>;
  readonly seen: Set<string>;
  /** True once an answer with letters may have been lost: then nothing can be missed. */
  uncertain: boolean;
}

/** The mail of one life of a kernel. Answers of its checks are sentences, or null when all is well. */
export class MailBook {
  readonly #letters = new Map<string, Letter>();
  readonly #boxes = new Map<number, Box>();

  /** A letter leaves its sender. */
  send({ by, n, to }: LetterText, from: number | null): void {
    this.#letters.set(`${by}/${n}`, { from, to, acknowledged: false });
  }

  /** The kernel says that it is in the mailbox. */
  acknowledge({ by, n }: LetterText, deliveredTo: number): string | null {
    const letter = this.#letters.get(`${by}/${n}`)!;
    letter.acknowledged = true;
    return deliveredTo === letter.to ? null : `${by} sent to ${letter.to} and it went to ${deliveredTo}`;
  }

  /** An answer to a receiver was lost. */
  uncertain(receiver: number): void {
    this.#box(receiver).uncertain = true;
  }

  /** A receiver got a letter. */
  receive(receiver: number, from: number, text: LetterText): string | null {
    const { by, n } = text;
    const name = `${by}/${n}`;
    const letter = this.#letters.get(name);
    if (!letter) return `${receiver} got letter ${name}, which nobody sent`;
    if (letter.to !== 0 && letter.to !== receiver) {
      return `${receiver} got letter ${name}, which was sent to ${letter.to}`;
    }
    if (letter.from !== null && letter.from !== from) {
      return `${receiver} got letter ${name} of ${letter.from} as if ${from} had sent it`;
    }
    const box = this.#box(receiver);
    if (box.seen.has(name)) return `${receiver} got letter ${name} twice`;
    const last = box.lastOf.get(by) ?? 0;
    if (n < last) return `${receiver} got letter ${name} after ${by}/${last}`;
    box.seen.add(name);
    box.lastOf.set(by, n);
    return null;
  }

  /** A receiver has taken everything there was. */
  drained(receiver: number): string | null {
    const box = this.#box(receiver);
    if (box.uncertain) return null;
    for (const [name, letter] of this.#letters) {
      if (letter.to !== receiver || !letter.acknowledged || box.seen.has(name)) continue;
      return `letter ${name} was acknowledged and never reached ${receiver}`;
    }
    return null;
  }

  #box(receiver: number): Box {
    let box = this.#boxes.get(receiver);
    if (!box) this.#boxes.set(receiver, box = { lastOf: new Map(), seen: new Set(), uncertain: false });
    return box;
  }
}
