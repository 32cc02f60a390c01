/**
 * Builds syscall programs: tables of system calls with branches, walked by a tiny loop between clone and exec, where
 * no JavaScript can run.
 *
 * An entry makes one call, keeps its result, and goes on to one of three others: on an error (a negative result), on
 * a result equal to a given word, on any other. Results lie together, so that one write tells the kernel how far a
 * program came and which errno stopped it.
 *
 * @module
 */
import type { Arch } from "./arch.ts";
import { Arena } from "./arena.ts";
import { type SyscallName, syscallNumber } from "./syscall_numbers.ts";

/** Where an image keeps its program; `vm_x64.S` and `vm_arm64.S` start there. */
export const DATA_BASE = 0x411000;
/** Bytes of program, strings, environment and filters together. */
export const DATA_CAPACITY = 256 * 1024;
/** Where the zeroed memory begins that the image does not carry. */
export const ZERO_BASE = DATA_BASE + DATA_CAPACITY;
/** Bytes of zeroed memory. */
export const ZERO_CAPACITY = 16 * 1024;

/** A report of all results has to fit one atomic write to a pipe (4096 bytes) together with its header. */
const MAX_ENTRIES = 480;

const WORD = 8;
const OUT = 7;
const COMPARE = 8;
const OTHER = 9;
const EQUAL = 10;
const ERROR = 11;

/** One system call of a program. */
export interface Entry {
  /** What it does, in words: `mount /proc`. */
  readonly name: string;
  /** Where it lies. */
  readonly address: number;
  /** Its place among the results. */
  readonly index: number;
  /** An error here is no failure. */
  readonly optional: boolean;
}

/** Where to go after an entry. What is left out stays as it was. */
export interface Successors {
  /** After an error. */
  readonly error?: Entry;
  /** After a result equal to `word`. */
  readonly equal?: { readonly word: number; readonly entry: Entry };
  /** After anything else. */
  readonly other?: Entry;
}

/** A program under construction. */
export class Program {
  /** The data the calls point to. */
  readonly arena: Arena = new Arena(DATA_BASE, DATA_CAPACITY);
  /** The machine it is for. */
  readonly arch: Arch;
  readonly #entries: Entry[] = [];
  readonly #start: Entry;
  readonly #results: number;
  #zeroTop = ZERO_BASE;

  /** An empty program for a machine. */
  constructor(arch: Arch) {
    this.arch = arch;
    this.#results = this.zeroed(WORD * MAX_ENTRIES);
    // The loop begins at the first entry; whatever is built later can be put behind it.
    this.#start = this.entry("start", "getpid");
  }

  /** All entries, in the order of their results. */
  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** The results: address and length in bytes, of the entries built so far. */
  get results(): { readonly address: number; readonly length: number } {
    return { address: this.#results, length: WORD * this.#entries.length };
  }

  /** Reserves memory that is zero when the program starts and takes no place in its image. */
  zeroed(size: number): number {
    const address = this.#zeroTop;
    this.#zeroTop += Math.ceil(size / WORD) * WORD;
    if (this.#zeroTop > ZERO_BASE + ZERO_CAPACITY) {
      throw new RangeError(
        `Cannot reserve ${size} bytes: the zeroed memory of a program is ${ZERO_CAPACITY}`,
      );
    }
    return address;
  }

  /** Adds a call. Its successors are unset: the loop would fault there, so every entry is connected. */
  entry(name: string, call: SyscallName, args: readonly (number | string)[] = [], optional = false): Entry {
    const index = this.#entries.length;
    if (index >= MAX_ENTRIES) {
      throw new RangeError(`Cannot build a program of more than ${MAX_ENTRIES} steps: use fewer mounts`);
    }
    const arena = this.arena;
    const address = arena.allocate(12 * WORD);
    arena.setWord(address, syscallNumber(call, this.arch));
    for (let i = 0; i < args.length; i++) {
      const arg = args[i]!;
      arena.setWord(address + WORD * (1 + i), typeof arg === "string" ? arena.string(arg) : arg);
    }
    arena.setWord(address + WORD * OUT, this.#results + WORD * index);
    const entry: Entry = { name, address, index, optional };
    this.#entries.push(entry);
    return entry;
  }

  /** Says where to go after an entry. */
  connect(from: Entry, to: Successors): void {
    const { arena } = this;
    if (to.error) arena.setWord(from.address + WORD * ERROR, to.error.address);
    if (to.other) arena.setWord(from.address + WORD * OTHER, to.other.address);
    if (to.equal) {
      arena.setWord(from.address + WORD * COMPARE, to.equal.word);
      arena.setWord(from.address + WORD * EQUAL, to.equal.entry.address);
    }
  }

  /** Goes to `to` after `from`, whatever came of it. */
  always(from: Entry, to: Entry): void {
    this.connect(from, { error: to, other: to, equal: { word: 0, entry: to } });
  }

  /** Says where the program begins. */
  startAt(entry: Entry): void {
    this.always(this.#start, entry);
  }

  /** Address of an argument of an entry, for calls that write what a later one needs. */
  argument(entry: Entry, position: number): number {
    return entry.address + WORD * (1 + position);
  }

  /** Address of the word that an entry's result is compared with. */
  comparison(entry: Entry): number {
    return entry.address + WORD * COMPARE;
  }

  /** Sends an entry's result to another place than its own, where a report will not show it. */
  redirect(entry: Entry, address: number): void {
    this.arena.setWord(entry.address + WORD * OUT, address);
  }

  /** Where an entry's result is kept. */
  result(entry: Entry): number {
    return this.#results + WORD * entry.index;
  }
}

/** Calls made one after the other; the first that fails goes to `failure`. */
export class Chain {
  /** The program it belongs to. */
  readonly program: Program;
  readonly #failure: Entry;
  #lenient = false;
  #expected: number | undefined;
  #first: Entry | undefined;
  #last: Entry | undefined;

  /** An empty chain of a program. Ends in `failure` unless {@link then} says otherwise. */
  constructor(program: Program, failure: Entry) {
    this.program = program;
    this.#failure = failure;
  }

  /** The first call. */
  get first(): Entry {
    if (!this.#first) throw new RangeError("Cannot start a chain without entries");
    return this.#first;
  }

  /** Adds what `build` adds as calls whose errors do not matter. */
  leniently(build: () => void): void {
    this.#lenient = true;
    try {
      build();
    } finally {
      this.#lenient = false;
    }
  }

  /** Adds a call that has to succeed. */
  add(name: string, call: SyscallName, args: readonly (number | string)[] = []): Entry {
    return this.#append(this.program.entry(name, call, args, this.#lenient));
  }

  /** Adds a call whose error does not matter. */
  attempt(name: string, call: SyscallName, args: readonly (number | string)[] = []): Entry {
    return this.#append(this.program.entry(name, call, args, true));
  }

  /** Adds a call that has to answer exactly `word`; anything else goes to `otherwise`. */
  expect(
    word: number,
    otherwise: Entry,
    name: string,
    call: SyscallName,
    args: readonly (number | string)[],
  ): Entry {
    const entry = this.#append(this.program.entry(name, call, args));
    this.program.connect(entry, { error: otherwise, other: otherwise });
    this.#expected = word;
    return entry;
  }

  /** Continues with an entry built elsewhere; the chain is complete. */
  then(next: Entry): void {
    const last = this.#last;
    if (!last) throw new RangeError("Cannot continue a chain without entries");
    const program = this.program;
    if (this.#expected !== undefined) {
      program.connect(last, { equal: { word: this.#expected, entry: next } });
      this.#expected = undefined;
      return;
    }
    program.connect(last, { other: next, equal: { word: 0, entry: next } });
    if (last.optional) program.connect(last, { error: next });
  }

  #append(entry: Entry): Entry {
    if (this.#last) this.then(entry);
    this.program.always(entry, this.#failure);
    this.#first ??= entry;
    this.#last = entry;
    return entry;
  }
}

/** The call that stopped a program, from the results it reported. */
export interface Failure {
  /** The entry's name. */
  readonly step: string;
  /** The entry's place among the results. */
  readonly index: number;
  /** Its error number. */
  readonly errno: number;
}

/**
 * Finds the call that stopped a program.
 *
 * @param entries {@link Program.entries}, or only what of them matters here.
 * @param results The reported results, 8 bytes an entry.
 * @returns The failure, or null when no call failed.
 */
export function findFailure(
  entries: readonly Pick<Entry, "name" | "optional">[],
  results: Uint8Array,
): Failure | null {
  const view = new DataView(results.buffer, results.byteOffset, results.byteLength);
  const count = Math.min(entries.length, Math.floor(results.byteLength / WORD));
  for (let i = 0; i < count; i++) {
    const value = Number(view.getBigInt64(WORD * i, true));
    if (value < 0 && !entries[i]!.optional) return { step: entries[i]!.name, index: i, errno: -value };
  }
  return null;
}
