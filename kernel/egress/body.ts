/**
 * Bodies of HTTP/1.1 messages, read and written piece by piece.
 *
 * @module
 */
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type Framing, HttpSyntaxError, parseField } from "./http1.ts";
import { EGRESS_LIMITS } from "./limits.ts";

/** A chunk's size line with its extensions, which nobody uses and which are dropped. */
const CHUNK_LINE = 256;
/** Pieces of at most this many bytes, so that memory does not follow what a peer sends at once. */
const PIECE = 64 * 1024;

/**
 * Reads a body.
 *
 * @param reader Positioned after the head.
 * @param framing Where it ends.
 * @returns Its bytes, decoded from chunks; trailers are checked and dropped.
 * @throws {HttpSyntaxError} If the chunks are malformed, or the connection ends first.
 */
export async function* readBody(
  reader: ByteReader,
  framing: Framing,
): AsyncGenerator<Uint8Array, void, void> {
  switch (framing.kind) {
    case "none":
      return;
    case "length":
      return yield* readLength(reader, framing.length);
    case "chunked":
      return yield* readChunks(reader);
    case "close":
      for (let piece = await reader.take(PIECE); piece !== null; piece = await reader.take(PIECE)) {
        yield piece;
      }
  }
}

async function* readLength(reader: ByteReader, length: number): AsyncGenerator<Uint8Array, void, void> {
  let left = length;
  while (left > 0) {
    const piece = await reader.take(Math.min(left, PIECE));
    if (piece === null) {
      throw new HttpSyntaxError(400, `The connection ended ${left} bytes before the end of a body`);
    }
    left -= piece.length;
    yield piece;
  }
}

async function* readChunks(reader: ByteReader): AsyncGenerator<Uint8Array, void, void> {
  for (;;) {
    const line = await reader.line(CHUNK_LINE);
    // 8 digits are 4 GiB. The extension may hold anything that is visible.
    const match = /^([0-9a-fA-F]{1,8})(?:[ \t]*;[\t\x20-\x7e]*)?$/.exec(line);
    if (match === null) throw new HttpSyntaxError(400, "A chunk has no proper size");
    const size = parseInt(match[1]!, 16);
    if (size === 0) return await dropTrailers(reader);
    yield* readLength(reader, size);
    const end = await reader.exactly(2);
    if (end === null || end[0] !== 13 || end[1] !== 10) {
      throw new HttpSyntaxError(400, "A chunk is longer than its size says");
    }
  }
}

async function dropTrailers(reader: ByteReader): Promise<void> {
  let bytes = 0;
  for (let count = 0; count <= EGRESS_LIMITS.headers; count++) {
    const line = await reader.line(EGRESS_LIMITS.headBytes);
    if (line === "") return;
    parseField(line);
    bytes += line.length;
    if (bytes > EGRESS_LIMITS.headBytes) break;
  }
  throw new HttpSyntaxError(431, "The trailers of a body are too long");
}

/** Writes one piece of a body; as a chunk where the receiver cannot know the length. */
export async function writePiece(writer: ByteWriter, piece: Uint8Array, chunked: boolean): Promise<void> {
  if (!chunked) return await writer.write(piece);
  if (piece.length === 0) return; // A chunk of nothing would end the body.
  const size = piece.length.toString(16);
  const framed = new Uint8Array(size.length + 4 + piece.length);
  for (let index = 0; index < size.length; index++) framed[index] = size.charCodeAt(index);
  framed[size.length] = 13;
  framed[size.length + 1] = 10;
  framed.set(piece, size.length + 2);
  framed[framed.length - 2] = 13;
  framed[framed.length - 1] = 10;
  await writer.write(framed);
}

/** The end of a chunked body. */
export const LAST_CHUNK = "0\r\n\r\n";
