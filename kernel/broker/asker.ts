/**
 * One connection to a broker: lines come in, each is answered with a line, in order.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { formatAnswer, numberOf, type Question, readQuestion, type Ruling } from "./question.ts";
import type { Turns } from "./turns.ts";

/** What an {@link Asker} works with. */
export interface AskerOptions {
  readonly turns: Turns;
  readonly judge: (question: Question) => Ruling;
  readonly onClosed: () => void;
}

/** The longest question that is read whole: a path of PATH_MAX in JSON, escaped throughout, fits. */
const LINE_BYTES = 32 * 1024;
/** What is kept of longer ones: enough for their number. */
const BEGINNING_BYTES = 128;
/** Deno asks one question and waits. Whoever sends this many at once is something else. */
const MOST_WAITING = 16;
/** Answers that nobody reads. */
const UNREAD_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const TOO_LONG: Ruling = { allowed: false, reason: "Cannot judge it: the question is too long" };

/** See above. Whatever is not Deno's protocol ends the connection, which ends the Deno behind it. */
export class Asker {
  readonly #socket: Socket;
  readonly #options: AskerOptions;
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** Beginning of a line that is too long, of which the rest is dropped. */
  #long: string | null = null;
  readonly #lines: (string | { readonly long: string })[] = [];
  #closed = false;

  /** Takes the socket over. */
  constructor(socket: Socket, options: AskerOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    socket.on("end", () => this.close());
    // The agent ended in the middle of something: `close` follows.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#closed = true;
      options.onClosed();
    });
  }

  /** Cuts it off. */
  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    while (!this.#closed) {
      const end = rest.indexOf(NEWLINE);
      if (end < 0) return this.#keep(rest);
      this.#line(rest.subarray(0, end));
      if (end + 1 === rest.length) return;
      rest = rest.subarray(end + 1);
    }
  }

  #keep(piece: Buffer): void {
    if (this.#long !== null) return;
    // Chunks share memory with what comes after them.
    this.#pieces.push(Buffer.from(piece));
    this.#bytes += piece.length;
    if (this.#bytes <= LINE_BYTES) return;
    this.#long = Buffer.concat(this.#pieces).toString("latin1", 0, BEGINNING_BYTES);
    this.#pieces = [];
    this.#bytes = 0;
  }

  #line(piece: Buffer): void {
    if (this.#long !== null || this.#bytes + piece.length > LINE_BYTES) {
      const long = this.#long ??
        Buffer.concat([...this.#pieces, piece]).toString("latin1", 0, BEGINNING_BYTES);
      this.#long = null;
      this.#pieces = [];
      this.#bytes = 0;
      return this.#queue({ long });
    }
    const whole = this.#bytes === 0 ? piece : Buffer.concat([...this.#pieces, piece]);
    this.#pieces = [];
    this.#bytes = 0;
    this.#queue(whole.toString("utf8"));
  }

  #queue(line: string | { readonly long: string }): void {
    if (this.#lines.length >= MOST_WAITING) return this.close();
    this.#lines.push(line);
    this.#options.turns.run(this, this.#answer);
  }

  readonly #answer = (): void => {
    const line = this.#lines.shift();
    if (this.#closed || line === undefined) return;
    const answer = typeof line === "string" ? this.#ruled(line) : tooLong(line.long);
    if (answer === null || this.#socket.writableLength > UNREAD_BYTES) return this.close();
    this.#socket.write(answer);
  };

  #ruled(line: string): string | null {
    const question = readQuestion(line);
    return question === null ? null : formatAnswer(question.id, this.#options.judge(question));
  }
}

function tooLong(beginning: string): string | null {
  const id = numberOf(beginning);
  return id === null ? null : formatAnswer(id, TOO_LONG);
}
