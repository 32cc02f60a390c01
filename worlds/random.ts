/**
 * Chance as an argument: the machine's, or one that a single number repeats.
 *
 * @module
 */

/** Where chance comes from. */
export interface Random {
  /** From 0 up to but not including 1. */
  float(): number;
  /** `n` random bytes. */
  bytes(n: number): Uint8Array<ArrayBuffer>;
  /** A version 4 UUID in lower case. */
  uuid(): string;
}

/** `crypto.getRandomValues` fills no more than this at once (Web Cryptography API, section 10.1.1). */
const MOST_AT_ONCE = 65_536;

/** The machine's own randomness; bytes and UUIDs are fit for secrets, floats are not. */
export const systemRandom: Random = {
  float: () => Math.random(),
  bytes(n: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(n);
    for (let at = 0; at < n; at += MOST_AT_ONCE) {
      crypto.getRandomValues(bytes.subarray(at, at + MOST_AT_ONCE));
    }
    return bytes;
  },
  uuid: () => crypto.randomUUID(),
};

/**
 * Repeatable chance (sfc32, Chris Doty-Humphrey's small fast counter): the same seed gives the same run. Never for
 * secrets.
 *
 * @param seed Any number; its 53-bit integer part counts.
 */
export function seededRandom(seed: number): Random {
  const whole = Math.trunc(seed);
  let a = 0x9e3779b9 | 0, b = Math.floor(whole / 2 ** 32) | 0, c = whole | 0, counter = 1;
  const next = (): number => {
    const out = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + out | 0;
    return out >>> 0;
  };
  // The generator's author asks for 12 rounds before the state is well mixed.
  for (let round = 0; round < 12; round++) next();

  const bytes = (n: number): Uint8Array<ArrayBuffer> => {
    const out = new Uint8Array(n);
    for (let at = 0; at < n; at += 4) {
      const word = next();
      for (let i = 0; i < 4 && at + i < n; i++) out[at + i] = word >>> (8 * i);
    }
    return out;
  };
  return {
    float: () => (next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53,
    bytes,
    uuid(): string {
      const raw = bytes(16);
      raw[6] = (raw[6]! & 0x0f) | 0x40; // Version 4.
      raw[8] = (raw[8]! & 0x3f) | 0x80; // The variant of RFC 9562.
      const hex = raw.toHex();
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${
        hex.slice(20)
      }`;
    },
  };
}
