import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import corpus from "../../tests/corpus/frames.json" with { type: "json" };
import { encodeFrame, FrameError, FrameParser, type ProtocolVersion } from "./frame.ts";

const bytesOf = (hex: string): Uint8Array => Uint8Array.fromHex(hex.replaceAll(" ", ""));

/** The frames of some bytes, as the corpus writes them. */
function parse(version: ProtocolVersion, chunks: Iterable<Uint8Array>): unknown[] {
  const parser = new FrameParser();
  parser.version = version;
  const frames: unknown[] = [];
  for (const chunk of chunks) {
    parser.push(chunk);
    for (let frame = parser.next(); frame; frame = parser.next()) {
      frames.push({ ...frame, payload: frame.payload.toHex() });
    }
  }
  strictEqual(parser.buffered, 0);
  return frames;
}

for (const { name, protocol, bytes: hex, frames, error } of corpus) {
  const version = protocol as ProtocolVersion;
  const bytes = bytesOf(hex);
  const bytewise = Array.from(bytes, (byte) => new Uint8Array([byte]));

  Deno.test(`corpus, protocol ${version}: ${name}`, () => {
    for (const chunks of [[bytes], bytewise]) {
      if (error !== undefined) {
        throws(
          () => parse(version, chunks),
          (thrown) => thrown instanceof FrameError && thrown.kind === error,
        );
      } else deepStrictEqual(parse(version, chunks), frames);
    }
    if (!frames) return;
    ok(frames.length > 0);
    const written = frames.map((frame) =>
      encodeFrame(version, { ...frame, payload: bytesOf(frame.payload) }).toHex()
    );
    strictEqual(written.join(""), bytes.toHex());
  });
}
