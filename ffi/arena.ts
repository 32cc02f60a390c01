/**
 * Bytes that will sit at a known address of another process: the data of a syscall program.
 *
 * Addresses are plain numbers; everything a program touches lies below 2^53.
 *
 * @module
 */

const encoder = new TextEncoder();
const HIGH = 0x1_0000_0000;

/** A bump allocator over a buffer that is mapped at `base` when the program runs. */
export class Arena {
  /** Address of the first byte. */
  readonly base: number;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #strings = new Map<string, number>();
  #top = 0;

  /**
   * @param base Address of the first byte in the process that will run the program.
   * @param capacity Bytes, at most.
   */
  constructor(base: number, capacity: number) {
    this.base = base;
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes used so far; a view, not a copy. */
  get used(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#top);
  }

  /**
   * Reserves zeroed bytes and returns their address.
   *
   * @throws {RangeError} When the arena is full: arguments, environment and mounts together are too long.
   */
  allocate(size: number, align = 8): number {
    const at = Math.ceil(this.#top / align) * align;
    if (at + size > this.#bytes.length) {
      throw new RangeError(
        `Cannot lay out a program of ${
          at + size
        } bytes: the limit is ${this.#bytes.length}, shorten the environment or the arguments`,
      );
    }
    this.#top = at + size;
    return this.base + at;
  }

  /** Puts a NUL-terminated string; equal strings share an address. A NUL inside it is refused. */
  string(text: string): number {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    if (text.includes("\0")) {
      throw new RangeError(`Cannot pass ${JSON.stringify(text)}: it contains a NUL byte`);
    }
    const encoded = encoder.encode(text);
    const address = this.allocate(encoded.length + 1, 1);
    this.#bytes.set(encoded, address - this.base);
    this.#strings.set(text, address);
    return address;
  }

  /** Puts bytes and returns their address. */
  bytes(data: Uint8Array): number {
    const address = this.allocate(data.length);
    this.#bytes.set(data, address - this.base);
    return address;
  }

  /** Puts 64-bit words and returns their address. */
  words(values: readonly number[]): number {
    const address = this.allocate(8 * values.length);
    for (let i = 0; i < values.length; i++) this.setWord(address + 8 * i, values[i]!);
    return address;
  }

  /** Puts an array of strings ended by a null pointer, as `argv` and `envp` are. */
  pointers(texts: readonly string[]): number {
    return this.words([...texts.map((text) => this.string(text)), 0]);
  }

  /** Writes a 64-bit word; negative numbers are sign-extended. */
  setWord(address: number, value: number): void {
    const at = address - this.base;
    this.#view.setUint32(at, value >>> 0, true);
    this.#view.setUint32(at + 4, Math.floor(value / HIGH) >>> 0, true);
  }

  /** Writes a 32-bit word. */
  setInt(address: number, value: number): void {
    this.#view.setUint32(address - this.base, value >>> 0, true);
  }

  /** Writes a 16-bit word. */
  setShort(address: number, value: number): void {
    this.#view.setUint16(address - this.base, value, true);
  }
}
