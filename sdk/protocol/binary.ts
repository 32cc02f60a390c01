/**
 * Payloads with a BINARY tail (protocol 2): a u32 length, that many bytes of JSON, then raw bytes to the end.
 *
 * @module
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Puts JSON and raw bytes into one payload. */
export function encodeBinary(json: unknown, tail: Uint8Array): Uint8Array {
  const text = encoder.encode(JSON.stringify(json));
  const payload = new Uint8Array(4 + text.byteLength + tail.byteLength);
  new DataView(payload.buffer).setUint32(0, text.byteLength, true);
  payload.set(text, 4);
  payload.set(tail, 4 + text.byteLength);
  return payload;
}

/**
 * Takes JSON and raw bytes apart again. The tail is a view into `payload`.
 *
 * @throws {RangeError} When the length points outside the payload.
 * @throws {SyntaxError | TypeError} When the JSON part is no JSON, or no UTF-8.
 */
export function decodeBinary(payload: Uint8Array): { json: unknown; tail: Uint8Array } {
  if (payload.byteLength < 4) {
    throw new RangeError("Cannot read a binary payload: it is shorter than its length field");
  }
  const length = new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
  if (length > payload.byteLength - 4) {
    throw new RangeError(
      `Cannot read a binary payload: ${length} bytes of JSON in ${payload.byteLength - 4}`,
    );
  }
  const json: unknown = JSON.parse(decoder.decode(payload.subarray(4, 4 + length)));
  return { json, tail: payload.subarray(4 + length) };
}
