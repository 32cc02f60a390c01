/**
 * What the SDK adds to a round trip: NOOP through the client against a bare `Deno.connect` that writes and reads, both
 * talking to the same raw echo, in turns, in one process.
 *
 *     deno run -A bench/sdk_pingpong.ts
 *
 * @module
 */
import { connect } from "../sdk/mod.ts";
import { encodeFrame, HEADER_BYTES } from "../sdk/protocol/mod.ts";
import type { Transport } from "../sdk/client/transport.ts";
import { report } from "./lib/report.ts";
import { startEcho } from "./lib/servers.ts";

const ROUNDS = 2_000;
const BLOCKS = 15;

/** Answers HELLO itself and leaves everything else to the echo: a NOOP's echo is its answer. */
function overEcho(conn: Deno.UnixConn): Transport {
  const buffer = new Uint8Array(64 * 1024);
  let hello: Uint8Array | null = encodeFrame(1, {
    id: 1,
    opcode: 0xfe,
    flags: 0,
    payload: new TextEncoder().encode('{"success":true,"protocol_version":2,"agent_id":1}'),
  });
  let greeted = false;
  return {
    async read() {
      if (hello) {
        const first = hello;
        hello = null;
        return first;
      }
      const length = await conn.read(buffer);
      return length === null ? null : buffer.subarray(0, length);
    },
    async write(bytes) {
      // The first write is HELLO; it was answered above.
      let at = greeted ? await conn.write(bytes) : bytes.byteLength;
      while (at < bytes.byteLength) at += await conn.write(bytes.subarray(at));
      greeted = true;
    },
    close: () => conn.close(),
    ref: () => conn.ref(),
    unref: () => conn.unref(),
  };
}

/** Microseconds a round trip: median of the medians of all blocks, and the ratio block by block. */
export async function sdkPingPong(): Promise<void> {
  await using echo = await startEcho();
  using bare = await Deno.connect({ transport: "unix", path: echo.socket });
  await using clove = await connect({
    transport: overEcho(await Deno.connect({ transport: "unix", path: echo.socket })),
  });
  const text = "x".repeat(64 - 2);
  const request = encodeFrame(2, {
    id: 1,
    opcode: 0,
    flags: 0,
    payload: new TextEncoder().encode(`"${text}"`),
  });
  const buffer = new Uint8Array(64 * 1024);
  const bareOnce = async () => {
    await bare.write(request);
    for (let got = 0; got < HEADER_BYTES + 64;) got += (await bare.read(buffer))!;
  };
  const sdkOnce = async () => {
    if (await clove.sys.noop(text) !== text) throw new Error("Cannot measure: the echo is wrong");
  };
  const ratios: number[] = [];
  const medians: { bare: number[]; sdk: number[] } = { bare: [], sdk: [] };
  for (let block = -2; block < BLOCKS; block++) {
    const a = await medianOf(bareOnce);
    const b = await medianOf(sdkOnce);
    if (block < 0) continue;
    medians.bare.push(a);
    medians.sdk.push(b);
    ratios.push(b / a);
  }
  report("bare client on the raw echo, p50", { value: middle(medians.bare) }, { limit: "-", unit: "us" });
  report("SDK on the raw echo, p50", { value: middle(medians.sdk), ratio: middle(ratios) }, {
    limit: "<= 1.3x the bare client",
    unit: "us",
  });
}

async function medianOf(once: () => Promise<void>): Promise<number> {
  const times = new Float64Array(ROUNDS);
  for (let i = 0; i < ROUNDS; i++) {
    const startedAt = performance.now();
    await once();
    times[i] = performance.now() - startedAt;
  }
  return times.sort()[ROUNDS / 2]! * 1_000;
}

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

if (import.meta.main) await sdkPingPong();
