/**
 * Wraps a syscall program and its loop into a static executable, small enough to be made for every launch.
 *
 * Two segments: headers and loop, readable and executable; program and data, readable and writable, followed by
 * zeroed memory that the file does not carry. Offsets agree with addresses modulo 64 KiB, for aarch64's large pages.
 * Source of the layout: elf(5).
 *
 * @module
 */
import { loopCode } from "./loop.ts";
import { DATA_BASE, type Program, ZERO_BASE, ZERO_CAPACITY } from "./program.ts";

const CODE_BASE = 0x400000;
const DATA_OFFSET = 0x1000;
const ALIGN = 0x10000;
const HEADER = 64;
const SEGMENT = 56;
const SEGMENTS = 3;
const CODE_OFFSET = HEADER + SEGMENTS * SEGMENT;

const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const READ = 4;
const WRITE = 2;
const EXECUTE = 1;

const EM_X86_64 = 62;
const EM_AARCH64 = 183;

/** The executable of a finished program. */
export function makeImage(program: Program): Uint8Array<ArrayBuffer> {
  const data = program.arena.used;
  const code = loopCode(program.arch);
  const file = new Uint8Array(DATA_OFFSET + data.length);
  const view = new DataView(file.buffer);
  const machine = program.arch === "x86_64" ? EM_X86_64 : EM_AARCH64;

  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // magic, 64 bits, little-endian, version 1
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, CODE_BASE + CODE_OFFSET, true); // entry
  view.setUint32(32, HEADER, true); // program headers
  view.setUint16(52, HEADER, true);
  view.setUint16(54, SEGMENT, true);
  view.setUint16(56, SEGMENTS, true);

  const codeSize = CODE_OFFSET + code.length;
  const memory = ZERO_BASE + ZERO_CAPACITY - DATA_BASE;
  segment(view, 0, { type: PT_LOAD, flags: READ | EXECUTE, offset: 0, address: CODE_BASE, size: codeSize });
  segment(view, 1, {
    type: PT_LOAD,
    flags: READ | WRITE,
    offset: DATA_OFFSET,
    address: DATA_BASE,
    size: data.length,
    memory,
  });
  segment(view, 2, { type: PT_GNU_STACK, flags: READ | WRITE, offset: 0, address: 0, size: 0 });
  file.set(code, CODE_OFFSET);
  file.set(data, DATA_OFFSET);
  return file;
}

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
  readonly memory?: number;
}

function segment(
  view: DataView,
  index: number,
  { type, flags, offset, address, size, memory }: Segment,
): void {
  const at = HEADER + SEGMENT * index;
  view.setUint32(at, type, true);
  view.setUint32(at + 4, flags, true);
  view.setUint32(at + 8, offset, true);
  view.setUint32(at + 16, address, true);
  view.setUint32(at + 24, address, true);
  view.setUint32(at + 32, size, true);
  view.setUint32(at + 40, memory ?? size, true);
  view.setUint32(at + 48, ALIGN, true);
}
