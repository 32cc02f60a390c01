/**
 * Compressed bodies, with a bound on what they become.
 *
 * @module
 */
import { pipeline, Readable, type Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw } from "node:zlib";
import { EgressError, reasonOf } from "./errors.ts";

/** What Accept-Encoding says where the request does not. */
export const ACCEPT_ENCODING = "gzip, deflate, br";

/** Input is fed in pieces this small, so that between two looks at the bound little can be produced. */
const PIECE = 1024;

/**
 * Whether a body in this Content-Encoding is decoded here. Chains such as `gzip, gzip` are not: each layer
 * multiplies what few bytes can become.
 */
export function decodable(encoding: string): boolean {
  return ["gzip", "x-gzip", "deflate", "br"].includes(encoding);
}

/**
 * Decodes a body.
 *
 * @param source The bytes as they came.
 * @param encoding One for which {@link decodable} holds.
 * @returns The decoded bytes, in small pieces; the source is read as they are taken.
 * @throws {EgressError} `unavailable` where the bytes are not in that encoding.
 */
export async function* decode(
  source: AsyncIterable<Uint8Array>,
  encoding: string,
): AsyncGenerator<Uint8Array, void, void> {
  const pieces = slices(source);
  const first = await pieces.next();
  if (first.done) return; // An empty body is empty in every encoding.
  const decoder = decoderFor(encoding, first.value);
  let sourceError: unknown = null;
  const input = Readable.from(resume(first.value, pieces, (error) => sourceError = error), {
    highWaterMark: 1,
  });
  // The callback has nothing to do: the error of any part surfaces in the loop below.
  pipeline(input, decoder, () => {});
  try {
    for await (const piece of decoder) yield piece as Uint8Array;
  } catch (error) {
    if (sourceError !== null) throw sourceError;
    throw new EgressError("unavailable", `Cannot decode a body as ${encoding}: ${reasonOf(error)}`, {
      cause: error,
    });
  } finally {
    input.destroy();
    await pieces.return();
  }
}

async function* slices(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of source) {
    for (let at = 0; at < piece.length; at += PIECE) yield piece.subarray(at, at + PIECE);
  }
}

async function* resume(
  first: Uint8Array,
  rest: AsyncGenerator<Uint8Array, void, void>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield first;
    yield* rest;
  } catch (error) {
    onError(error);
    throw error;
  }
}

function decoderFor(encoding: string, first: Uint8Array): Transform {
  switch (encoding) {
    case "br":
      return createBrotliDecompress();
    case "deflate":
      // The name means the zlib format, but some servers send it bare; its two-byte header tells (RFC 1950, 2.2).
      return (first[0]! & 0x0f) === 8 && ((first[0]! << 8) | (first[1] ?? 0)) % 31 === 0
        ? createInflate()
        : createInflateRaw();
    default:
      return createGunzip();
  }
}
