/**
 * Compiles a readable list of refused system calls into the classic BPF that seccomp(2) takes.
 *
 * A call that no rule names is allowed. Arguments are compared in their low 32 bits, which is all that the calls
 * worth a condition look at. Another architecture's calls end the process; numbers newer than the table are answered
 * with ENOSYS, as by a kernel that does not have them, so that a call invented tomorrow is not allowed by accident.
 *
 * @module
 */
import type { Arch } from "./arch.ts";
import type { Chain } from "./program.ts";
import { NEWEST_SYSCALL, type SyscallName, SYSCALLS } from "./syscall_numbers.ts";

/** A test of one argument. Exactly one of `is`, `isNot`, `hasAny` is given. */
export interface Condition {
  /** 0 to 5. */
  readonly argument: number;
  /** Bits that count; all by default. */
  readonly mask?: number;
  /** The masked argument equals this. */
  readonly is?: number;
  /** The masked argument differs from this. */
  readonly isNot?: number;
  /** The argument has one of these bits. */
  readonly hasAny?: number;
}

/** A refused call. */
export interface Refusal {
  readonly call: SyscallName;
  /** Refused only when all of them hold; always when there are none. */
  readonly when?: readonly Condition[];
  /** The answer's errno; EPERM unless said. */
  readonly errno?: number;
}

const EPERM = 1;
const ENOSYS = 38;

const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_NOT_LESS = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;

const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const KILL_PROCESS = 0x80000000;
const USER_NOTIF = 0x7fc00000;

const NUMBER_OFFSET = 0; // struct seccomp_data
const ARCH_OFFSET = 4;
const argumentOffset = (argument: number): number => 16 + 8 * argument;

const AUDIT_ARCH: Readonly<Record<Arch, number>> = { x86_64: 0xc000003e, aarch64: 0xc00000b7 };
const X32_BIT = 0x40000000;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];

/**
 * The filter for a machine: `struct sock_filter` after `struct sock_filter`.
 *
 * @throws {RangeError} If a condition says nothing, or a block is longer than a jump reaches.
 */
export function compileFilter(refusals: readonly Refusal[], arch: Arch): Uint8Array<ArrayBuffer> {
  const column = arch === "x86_64" ? 0 : 1;
  const instructions: Instruction[] = [
    [LOAD_WORD, 0, 0, ARCH_OFFSET],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[arch]],
    [RETURN, 0, 0, KILL_PROCESS],
    [LOAD_WORD, 0, 0, NUMBER_OFFSET],
  ];
  if (arch === "x86_64") {
    instructions.push([JUMP_NOT_LESS, 0, 1, X32_BIT], [RETURN, 0, 0, ERRNO | ENOSYS]);
  }
  instructions.push([JUMP_GREATER, 0, 1, NEWEST_SYSCALL], [RETURN, 0, 0, ERRNO | ENOSYS]);

  const byNumber = new Map<number, Refusal[]>();
  for (const refusal of refusals) {
    const number = SYSCALLS[refusal.call][column];
    if (number >= 0) byNumber.set(number, [...byNumber.get(number) ?? [], refusal]);
  }
  // The kernel remembers which calls are allowed whatever their arguments, and asks the filter only about the
  // others: those with conditions, which therefore come first.
  const isPlain = (rules: readonly Refusal[]): boolean => rules.some((rule) => !rule.when?.length);
  const ordered = [...byNumber].sort(([, a], [, b]) => Number(isPlain(a)) - Number(isPlain(b)));
  for (const [number, rules] of ordered) {
    const body = rules.flatMap(compileRule);
    const last = body.at(-1)!;
    if (rules.at(-1)?.when?.length || last[0] !== RETURN) body.push([RETURN, 0, 0, ALLOW]);
    instructions.push([JUMP_EQUAL, 0, reach(body.length), number], ...body);
  }
  instructions.push([RETURN, 0, 0, ALLOW]);
  return encode(instructions);
}

/**
 * A filter that stops some calls until a listener lets them go on, and allows all others. What another filter of the
 * same process refuses stays refused, and its listener hears nothing of it.
 */
export function compileNotifier(calls: readonly SyscallName[], arch: Arch): Uint8Array<ArrayBuffer> {
  const numbers = calls.map((call) => SYSCALLS[call][arch === "x86_64" ? 0 : 1]).filter((number) =>
    number >= 0
  );
  return encode([
    [LOAD_WORD, 0, 0, ARCH_OFFSET],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[arch]],
    [RETURN, 0, 0, ALLOW],
    [LOAD_WORD, 0, 0, NUMBER_OFFSET],
    ...numbers.map((number, i): Instruction => [JUMP_EQUAL, reach(numbers.length - i), 0, number]),
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, USER_NOTIF],
  ]);
}

function compileRule({ when = [], errno = EPERM }: Refusal): Instruction[] {
  const conditions = when.map(compileCondition);
  const answer: Instruction = [RETURN, 0, 0, ERRNO | errno];
  const length = conditions.reduce((sum, { load }) => sum + load.length + 1, 0);
  const body: Instruction[] = [];
  for (const { load, code, k, negate } of conditions) {
    body.push(...load);
    const skip = reach(length - body.length); // behind the answer
    body.push(negate ? [code, skip, 0, k] : [code, 0, skip, k]);
  }
  return [...body, answer];
}

function compileCondition({ argument, mask, is, isNot, hasAny }: Condition): {
  readonly load: readonly Instruction[];
  readonly code: number;
  readonly k: number;
  readonly negate: boolean;
} {
  const load: Instruction[] = [[LOAD_WORD, 0, 0, argumentOffset(argument)]];
  if (mask !== undefined) load.push([AND, 0, 0, mask]);
  if (is !== undefined) return { load, code: JUMP_EQUAL, k: is, negate: false };
  if (isNot !== undefined) return { load, code: JUMP_EQUAL, k: isNot, negate: true };
  if (hasAny !== undefined) return { load, code: JUMP_ANY_BIT, k: hasAny, negate: false };
  throw new RangeError(`Cannot compile a condition on argument ${argument}: it compares with nothing`);
}

function reach(distance: number): number {
  if (distance > 255) throw new RangeError(`Cannot jump over ${distance} BPF instructions: the limit is 255`);
  return distance;
}

function encode(instructions: readonly Instruction[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 * instructions.length);
  const view = new DataView(bytes.buffer);
  for (const [i, [code, ifTrue, ifFalse, k]] of instructions.entries()) {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, ifTrue);
    view.setUint8(8 * i + 3, ifFalse);
    view.setUint32(8 * i + 4, k >>> 0, true);
  }
  return bytes;
}

const SET_MODE_FILTER = 1;

/** Puts the calling process under a filter, for good. Needs no_new_privs. */
export function installFilter(chain: Chain, filter: Uint8Array): void {
  const { arena } = chain.program;
  const code = arena.bytes(filter);
  const header = arena.allocate(16); // struct sock_fprog: length, pointer
  arena.setShort(header, filter.length / 8);
  arena.setWord(header + 8, code);
  chain.add("install the seccomp filter", "seccomp", [SET_MODE_FILTER, 0, header]);
}
