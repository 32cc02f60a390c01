/**
 * Whole files through descriptors, in threads, so that a slow disk holds up nobody else.
 *
 * @module
 */
import { constants, fstatSync, read, write } from "node:fs";
import { closeFd, openFd } from "./beneath.ts";
import { FileError } from "./file_error.ts";

/** Files whose length is not known beforehand, such as those of /proc, are read in such pieces. */
const PIECE_BYTES = 64 * 1024;

/**
 * Reads the regular file that is held at a path.
 *
 * @throws {FileError} `limit` when there is more than `maxBytes`.
 */
export async function readHeld(
  at: string,
  inside: string,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  // Non-blocking has no meaning for regular files, and protects from what should turn out not to be one.
  const fd = await openFd(at, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    if (size > maxBytes) throw tooLong(inside, size, maxBytes);
    if (size === 0) return await readToEnd(fd, inside, maxBytes);
    // As long as it was when it was opened: who appends meanwhile comes later.
    const bytes = new Uint8Array(size);
    let length = 0;
    for (let got = -1; got !== 0 && length < size; length += got) got = await readSome(fd, bytes, length);
    return length === size ? bytes : bytes.slice(0, length);
  } finally {
    closeFd(fd);
  }
}

/** Files of /proc do not know their length. */
async function readToEnd(fd: number, inside: string, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const piece = new Uint8Array(PIECE_BYTES);
    const got = await readSome(fd, piece, 0);
    if (got === 0) break;
    length += got;
    if (length > maxBytes) throw tooLong(inside, length, maxBytes);
    pieces.push(piece.subarray(0, got));
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * Writes everything, at the descriptor's position.
 *
 * @throws Errors of the operating system, also when it took only a part.
 */
export async function writeAll(fd: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await writeSome(fd, bytes, at);
}

function readSome(fd: number, bytes: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, bytes, at, bytes.length - at, null, (error, got) => error ? reject(error) : resolve(got));
  });
}

function writeSome(fd: number, bytes: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, at, bytes.length - at, null, (error, done) => error ? reject(error) : resolve(done));
  });
}

function tooLong(inside: string, size: number, maxBytes: number): FileError {
  return new FileError(
    "limit",
    `Cannot read "${inside}": it has ${size} bytes or more, the limit is ${maxBytes}`,
  );
}
