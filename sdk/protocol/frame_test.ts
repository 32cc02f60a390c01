import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  encodeFrame,
  FLAGS,
  type Frame,
  FrameError,
  FrameParser,
  HEADER_BYTES,
  MAX_PAYLOAD_BYTES,
  type ProtocolVersion,
} from "./frame.ts";

const frame = (version: ProtocolVersion): fc.Arbitrary<Frame> =>
  fc.record({
    id: fc.integer({ min: 0, max: 0xffffffff }),
    opcode: fc.integer({ min: 0, max: 255 }),
    flags: version === 1 ? fc.constant(0) : fc.integer({ min: 0, max: 0x1f }),
    payload: fc.uint8Array({ maxLength: 300 }),
  }, { noNullPrototype: true });

const versions: readonly ProtocolVersion[] = [1, 2];

/** All frames in some chunks. Payloads are copied, as a reader that keeps them must. */
function parse(version: ProtocolVersion, chunks: readonly Uint8Array[], maxPayload?: number): Frame[] {
  const parser = new FrameParser(maxPayload);
  parser.version = version;
  const frames: Frame[] = [];
  for (const chunk of chunks) {
    parser.push(chunk);
    for (let next = parser.next(); next; next = parser.next()) {
      frames.push({ ...next, payload: next.payload.slice() });
    }
  }
  strictEqual(parser.buffered, 0, "bytes were left over");
  return frames;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.byteLength;
  }
  return bytes;
}

function header(version: ProtocolVersion, change: (bytes: Uint8Array, view: DataView) => void): Uint8Array {
  const bytes = encodeFrame(version, { id: 1, opcode: 0x03, flags: 0, payload: new Uint8Array(0) });
  change(bytes, new DataView(bytes.buffer));
  return bytes;
}

for (const version of versions) {
  Deno.test(`protocol ${version}: bytes without the magic are refused`, () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: HEADER_BYTES, maxLength: 100 }), (bytes) => {
      fc.pre(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) !== 0x41474e54);
      throws(() => parse(version, [bytes]), (error) => error instanceof FrameError && error.kind === "magic");
    }));
  });

  Deno.test(`protocol ${version}: a payload over the limit is refused from its header, before any of it came`, () => {
    const bytes = header(version, (_, view) => view.setUint32(9, MAX_PAYLOAD_BYTES + 1, true));
    throws(() => parse(version, [bytes]), (error) => {
      ok(error instanceof FrameError && error.kind === "size", String(error));
      deepStrictEqual([error.opcode, error.id], [0x03, 1]);
      return true;
    });
    // Also when the header comes a byte at a time.
    throws(() => parse(version, [...bytes].map((byte) => new Uint8Array([byte]))), FrameError);
  });

  Deno.test(`protocol ${version}: the longest payload passes`, () => {
    const payload = new Uint8Array(MAX_PAYLOAD_BYTES).fill(0x61);
    const [only] = parse(version, [encodeFrame(version, { id: 1, opcode: 3, flags: 0, payload })]);
    strictEqual(only!.payload.byteLength, MAX_PAYLOAD_BYTES);
  });

  Deno.test(`protocol ${version}: frames are the same one byte at a time`, () => {
    fc.assert(fc.property(fc.array(frame(version), { maxLength: 5 }), (frames) => {
      const bytes = join(frames.map((one) => encodeFrame(version, one)));
      deepStrictEqual(parse(version, [...bytes].map((byte) => new Uint8Array([byte]))), frames);
    }));
  });

  Deno.test(`protocol ${version}: frames are the same however the bytes are cut`, () => {
    const cuts = fc.array(fc.integer({ min: 0, max: 2_000 }), { maxLength: 8 });
    fc.assert(fc.property(fc.array(frame(version), { maxLength: 8 }), cuts, (frames, at) => {
      const bytes = join(frames.map((one) => encodeFrame(version, one)));
      const edges = [
        0,
        ...at.map((cut) => Math.min(cut, bytes.byteLength)).sort((a, b) => a - b),
        bytes.byteLength,
      ];
      const chunks = edges.slice(1).map((end, i) => bytes.slice(edges[i], end));
      deepStrictEqual(parse(version, chunks), frames);
    }));
  });

  Deno.test(`protocol ${version}: any bytes give frames or a FrameError, and never hold more than was pushed`, () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(frame(version), fc.uint8Array({ maxLength: 60 })).map(([one, rest]) =>
        join([encodeFrame(version, one), rest])
      ),
      fc.tuple(frame(version), fc.nat(30), fc.nat(255)).map(([one, at, byte]) => {
        const whole = encodeFrame(version, one);
        if (at < whole.byteLength) whole[at] = byte;
        return whole;
      }),
    );
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 4 }), (chunks) => {
        const parser = new FrameParser(512);
        parser.version = version;
        let pushed = 0;
        try {
          for (const chunk of chunks) {
            parser.push(chunk);
            pushed += chunk.byteLength;
            for (let next = parser.next(); next; next = parser.next()) {
              ok(next.payload.byteLength <= 512);
              pushed -= HEADER_BYTES + next.payload.byteLength;
            }
            strictEqual(parser.buffered, pushed);
          }
        } catch (error) {
          ok(error instanceof FrameError, String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });
}

Deno.test("protocol 1: a length past 32 bits is over the limit, not cut off", () => {
  const bytes = header(1, (_, view) => view.setBigUint64(9, 2n ** 32n, true));
  throws(() => parse(1, [bytes]), /Cannot read a frame of 4294967296 bytes/);
  const all = header(1, (_, view) => view.setBigUint64(9, 2n ** 64n - 1n, true));
  throws(() => parse(1, [all]), /Cannot read a frame of 18446744073709551615 bytes/);
});

Deno.test("protocol 2: reserved bytes and unknown flags are refused", () => {
  for (const [at, value] of [[13, 1], [14, 0x80], [15, 0xff], [16, 0x20], [16, 0x80]] as const) {
    const bytes = header(2, (header) => header[at] = value);
    throws(
      () => parse(2, [bytes]),
      (error) => error instanceof FrameError && error.kind === "reserved",
      `${at}`,
    );
  }
});

Deno.test("protocol 2: every flag passes", () => {
  for (const flags of Object.values(FLAGS)) {
    const [only] = parse(2, [
      encodeFrame(2, { id: 0xffffffff, opcode: 255, flags, payload: new Uint8Array(1) }),
    ]);
    deepStrictEqual(only, { id: 0xffffffff, opcode: 255, flags, payload: new Uint8Array(1) });
  }
});

Deno.test("the protocol can change between two frames of one chunk", () => {
  const hello = encodeFrame(1, { id: 0, opcode: 0xfe, flags: 0, payload: new Uint8Array(2) });
  const next = encodeFrame(2, { id: 9, opcode: 0x17, flags: FLAGS.MORE, payload: new Uint8Array(3) });
  const parser = new FrameParser();
  parser.push(join([hello, next]));
  strictEqual(parser.next()!.opcode, 0xfe);
  parser.version = 2;
  deepStrictEqual(parser.next(), { id: 9, opcode: 0x17, flags: FLAGS.MORE, payload: new Uint8Array(3) });
  strictEqual(parser.next(), null);
});

Deno.test("a lying length waits, bounded by the limit, and takes nothing else along", () => {
  const parser = new FrameParser(1_000);
  const bytes = header(1, (_, view) => view.setUint32(9, 1_000, true));
  parser.push(bytes);
  strictEqual(parser.next(), null);
  for (let n = 0; n < 999; n++) {
    parser.push(new Uint8Array([0x54]));
    strictEqual(parser.next(), null);
  }
  parser.push(join([new Uint8Array([0x54]), header(1, () => {})]));
  strictEqual(parser.next()!.payload.byteLength, 1_000);
  strictEqual(parser.next()!.payload.byteLength, 0);
});

Deno.test("a chunk pushed before the last one was read is our own mistake", () => {
  const parser = new FrameParser();
  parser.push(new Uint8Array(4));
  throws(() => parser.push(new Uint8Array(1)), RangeError);
});
