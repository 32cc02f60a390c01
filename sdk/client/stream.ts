/**
 * Answers in parts, and what the kernel sends by itself: both are async iterables with a window, so that a reader who
 * is slow holds up the sender and not this process's memory.
 *
 * @module
 */
import { STREAM_WINDOW_BYTES } from "../protocol/mod.ts";
import { ProtocolError } from "./errors.ts";

/** How a stream talks back; the connection gives it. */
export interface Flow {
  /** Allows the kernel so many bytes of frames more. */
  grant(bytes: number): void;
  /** Asks the kernel to end it. */
  cancel(): void;
}

/**
 * Parts of an answer as they come, and the answer itself under {@link result}. Breaking out of a loop cancels it.
 *
 * @example Follow what an agent prints
 * ```ts ignore
 * const output = clove.agent.output({ name: "worker" });
 * for await (const part of output) console.log(part);
 * console.log(await output.result);
 * ```
 */
export interface Stream<Part, Result> extends AsyncIterableIterator<Part>, AsyncDisposable {
  /**
   * For a stream the answer that ends it; for a subscription the one that begins it. A stream does not reach its end
   * while its parts are not read: iterate it, or {@link drain} it.
   */
  readonly result: Promise<Result>;
  /** Reads and drops every part that is left. */
  drain(): Promise<Result>;
  /** Cancels it; parts that are not read yet are dropped. */
  close(): void;
}

interface Item<Part> {
  readonly value: Part;
  readonly bytes: number;
}

/** The receiving side of a {@link Stream}: the connection fills it, one reader empties it. */
export class Inflow<Part, Result> implements Stream<Part, Result> {
  readonly result: Promise<Result>;
  readonly #result: PromiseWithResolvers<Result> = Promise.withResolvers();
  readonly #items: Item<Part>[] = [];
  readonly #readers: PromiseWithResolvers<IteratorResult<Part, undefined>>[] = [];
  #flow: Flow | null = null;
  #credit = STREAM_WINDOW_BYTES;
  /** Bytes read since the last grant. */
  #taken = 0;
  #end: { error: unknown } | null = null;
  readonly #onEnd: (() => void) | null;

  /** @param onEnd Called once, when nothing more will come or is wanted. */
  constructor(onEnd: (() => void) | null = null) {
    this.#onEnd = onEnd;
    this.result = this.#result.promise;
    // Whoever only iterates learns of a failure there; it must not count as unhandled here.
    this.result.catch(() => {});
  }

  /** True when no more parts will be taken. */
  get ended(): boolean {
    return this.#end !== null;
  }

  /** Begins, or begins again on a new connection, with a full window. */
  start(flow: Flow): void {
    this.#flow = flow;
    this.#credit = STREAM_WINDOW_BYTES;
    this.#taken = 0;
  }

  /**
   * Takes a part.
   *
   * @param bytes Length of its whole frame.
   * @throws {ProtocolError} When the kernel sent without credit.
   */
  part(value: Part, bytes: number): void {
    if (this.#end) return;
    if (this.#credit <= 0) throw new ProtocolError("Cannot take a part: the kernel sent it without credit");
    this.#credit -= bytes;
    const reader = this.#readers.shift();
    if (!reader) {
      this.#items.push({ value, bytes });
      return;
    }
    reader.resolve({ value, done: false });
    this.#took(bytes);
  }

  /** The answer is there. */
  answer(result: Result): void {
    this.#result.resolve(result);
  }

  /**
   * Nothing follows; parts that came before are still read.
   *
   * @param error Why, when it is not the regular end.
   * @param cancel True when the kernel does not know yet.
   */
  finish(error: unknown = null, cancel = false): void {
    if (this.#end) return;
    this.#end = { error };
    if (cancel) this.#flow?.cancel();
    this.#flow = null;
    this.#onEnd?.();
    if (error !== null) this.#result.reject(error);
    const [first, ...others] = this.#readers.splice(0);
    if (first && error !== null) {
      // It is told once, as a generator does.
      this.#end.error = null;
      first.reject(error);
    } else first?.resolve({ value: undefined, done: true });
    for (const reader of others) reader.resolve({ value: undefined, done: true });
  }

  next(): Promise<IteratorResult<Part, undefined>> {
    const item = this.#items.shift();
    if (item) {
      this.#took(item.bytes);
      return Promise.resolve({ value: item.value, done: false });
    }
    if (this.#end) {
      const { error } = this.#end;
      this.#end.error = null;
      return error !== null ? Promise.reject(error) : Promise.resolve({ value: undefined, done: true });
    }
    const reader = Promise.withResolvers<IteratorResult<Part, undefined>>();
    this.#readers.push(reader);
    return reader.promise;
  }

  return(): Promise<IteratorResult<Part, undefined>> {
    this.close();
    return Promise.resolve({ value: undefined, done: true });
  }

  close(): void {
    this.#items.length = 0;
    this.finish(null, true);
    this.#result.reject(new DOMException("The stream was closed before its answer came", "AbortError"));
  }

  async drain(): Promise<Result> {
    while (!(await this.next()).done);
    return await this.result;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #took(bytes: number): void {
    this.#taken += bytes;
    // Half a window at a time: the sender never runs dry, and a grant is rare.
    if (this.#taken < STREAM_WINDOW_BYTES / 2 || !this.#flow) return;
    this.#credit += this.#taken;
    this.#flow.grant(this.#taken);
    this.#taken = 0;
  }
}
