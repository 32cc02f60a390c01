/**
 * Bytes that will sit at a known address of another process: the data of a syscall program.
 *
 * Addresses are plain numbers; everything a program touches lies below 2^53.
 *
 * @module
 */

const encoder = new TextEncoder();
const HIGH = 0x1_0000_0000;

/** Bytes to begin with: most programs need no more, and zeroing the most they may have takes longer than building one. */
const FIRST_BYTES = 48 * 1024;

/** A bump allocator over a buffer that is mapped at `base` when the program runs. */
export class Arena {
  /** Address of the first byte. */
  readonly base: number;
  readonly #capacity: number;
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  readonly #strings = new Map<string, number>();
  #top = 0;

  /**
   * @param base Address of the first byte in the process that will run the program.
   * @param capacity Bytes, at most.
   */
  constructor(base: number, capacity: number) {
    this.base = base;
    this.#capacity = capacity;
    this.#bytes = new Uint8Array(Math.min(capacity, FIRST_BYTES));
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
    if (at + size > this.#bytes.length) this.#grow(at + size);
    this.#top = at + size;
    return this.base + at;
  }

  #grow(needed: number): void {
    if (needed > this.#capacity) {
      throw new RangeError(
        `Cannot lay out a program of ${needed} bytes: the limit is ${this.#capacity}, ` +
          "shorten the environment or the arguments",
      );
    }
    const larger = new Uint8Array(Math.min(this.#capacity, Math.max(needed, 2 * this.#bytes.length)));
    larger.set(this.used);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  /** Puts a NUL-terminated string; equal strings share an address. A NUL inside it is refused. */
  string(text: string): number {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    if (text.includes("\0")) {
      throw new RangeError(`Cannot pass ${JSON.stringify(text)}: it contains a NUL byte`);
    }
    const address = this.#ascii(text) ?? this.#utf8(text);
    this.#strings.set(text, address);
    return address;
  }

  /** Puts what is one byte a character, as paths are: calling the encoder takes longer. Null for anything else. */
  #ascii(text: string): number | null {
    const address = this.allocate(text.length + 1, 1);
    const bytes = this.#bytes;
    let at = address - this.base;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) {
        bytes.fill(0, address - this.base, at);
        this.#top = address - this.base;
        return null;
      }
      bytes[at++] = code;
    }
    return address;
  }

  #utf8(text: string): number {
    const encoded = encoder.encode(text);
    const address = this.allocate(encoded.length + 1, 1);
    this.#bytes.set(encoded, address - this.base);
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
