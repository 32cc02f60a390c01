/**
 * Runs a seccomp filter on paper: the instructions that `ffi/seccomp.ts` uses, and an error for any other, so that a
 * filter that is wrong does not pass by being misread.
 *
 * @module
 */

/** What a filter is asked about: `struct seccomp_data` without the instruction pointer. */
export interface Call {
  readonly arch: number;
  readonly number: number;
  readonly args?: readonly number[];
}

/** The filter's answer, as Linux reads it. */
export type Verdict = "allow" | "kill" | { readonly errno: number };

/** Runs a filter. */
export function interpret(filter: Uint8Array, call: Call): Verdict {
  const view = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  let accumulator = 0;
  for (let at = 0; at < filter.length / 8; at++) {
    const code = view.getUint16(8 * at, true);
    const [ifTrue, ifFalse] = [view.getUint8(8 * at + 2), view.getUint8(8 * at + 3)];
    const k = view.getUint32(8 * at + 4, true);
    switch (code) {
      case 0x20:
        accumulator = load(call, k);
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x15:
        at += accumulator === k ? ifTrue : ifFalse;
        break;
      case 0x25:
        at += accumulator > k ? ifTrue : ifFalse;
        break;
      case 0x35:
        at += accumulator >= k ? ifTrue : ifFalse;
        break;
      case 0x45:
        at += (accumulator & k) !== 0 ? ifTrue : ifFalse;
        break;
      case 0x06:
        return verdict(k);
      default:
        throw new Error(`Cannot interpret instruction ${at}: code 0x${code.toString(16)} is unknown`);
    }
  }
  throw new Error("Cannot interpret the filter: it ends without an answer");
}

function load(call: Call, offset: number): number {
  if (offset === 0) return call.number >>> 0;
  if (offset === 4) return call.arch >>> 0;
  const argument = (offset - 16) / 8;
  if (!Number.isInteger(argument) || argument < 0 || argument > 5) {
    throw new Error(`Cannot load offset ${offset}: it is not the low half of an argument`);
  }
  return (call.args?.[argument] ?? 0) >>> 0;
}

function verdict(k: number): Verdict {
  const action = (k & 0xffff0000) >>> 0;
  if (action === 0x7fff0000) return "allow";
  if (action === 0x80000000) return "kill";
  if (action === 0x00050000) return { errno: k & 0xffff };
  throw new Error(`Cannot read the answer 0x${k.toString(16)}`);
}
