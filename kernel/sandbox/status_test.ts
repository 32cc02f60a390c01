import { deepStrictEqual, throws } from "node:assert/strict";
import { formatBytes } from "../agents/bytes.ts";
import { describeExit } from "./exit.ts";
import { STATUS, StatusReader } from "./status.ts";

function frame(kind: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, kind, true);
  view.setUint32(4, body.length, true);
  bytes.set(body, 8);
  return bytes;
}

function ended(wait: number): Uint8Array {
  const body = new Uint8Array(152);
  const view = new DataView(body.buffer);
  view.setInt32(0, wait, true);
  for (const [at, value] of [[8, 1n], [16, 500_000n], [24, 0n], [32, 2_000n], [40, 1024n]] as const) {
    view.setBigInt64(at, value, true);
  }
  return frame(STATUS.ENDED, body);
}

Deno.test("bytes that no program of ours writes are refused", () => {
  throws(() => new StatusReader().push(frame(9, new Uint8Array(1))), /no such kind|there is no such kind/);
  throws(() => new StatusReader().push(new Uint8Array([1, 0, 0, 0, 255, 255, 255, 0])), /the limit is 4096/);
});

Deno.test("messages are read however their bytes arrive", () => {
  const born = frame(STATUS.BORN, new Uint8Array(new BigInt64Array([4711n]).buffer));
  const digits = new Uint8Array(16);
  digits.set(new TextEncoder().encode("4712"));
  const all = new Uint8Array([...born, ...frame(STATUS.STARTED, digits), ...ended(3 << 8)]);
  const expected = [
    { kind: "born", init: 4711 },
    { kind: "started", pid: 4712 },
    { kind: "ended", status: 3, signal: null, userMs: 1500, systemMs: 2, maxRss: 1048576 },
  ];
  deepStrictEqual(new StatusReader().push(all), expected);
  const slow = new StatusReader();
  deepStrictEqual([...all].flatMap((byte) => slow.push(new Uint8Array([byte]))), expected);
});

Deno.test("an agent that could not be named on the host has no number", () => {
  deepStrictEqual(new StatusReader().push(frame(STATUS.STARTED, new Uint8Array(16))), [{
    kind: "started",
    pid: null,
  }]);
});

Deno.test("ends are told in words", () => {
  const base = { status: null, signal: null, durationMs: 12.4, usage: null, oom: null };
  const told = (more: Partial<Parameters<typeof describeExit>[0]>): readonly unknown[] => {
    const { code, signal, reason, cause } = describeExit({ ...base, ...more });
    return [code, signal, reason, cause];
  };
  deepStrictEqual(told({ status: 3 }), [3, null, "exited", "exited with status 3"]);
  deepStrictEqual(told({ signal: 15 }), [143, "SIGTERM", "killed", "killed by SIGTERM"]);
  deepStrictEqual(told({ signal: 11 }), [139, "SIGSEGV", "crashed", "crashed with SIGSEGV"]);
  const oom = { limit: 64 * 1024 * 1024 };
  deepStrictEqual(told({ signal: 9, oom }), [137, "SIGKILL", "oom", "killed by the memory limit, 64 MiB"]);
  deepStrictEqual(told({ signal: 15, oom }), [143, "SIGTERM", "killed", "killed by SIGTERM"]);
});

Deno.test("bytes are told in the largest unit", () => {
  deepStrictEqual([0, 1023, 1024, 1.5 * 2 ** 30, 2 ** 60].map(formatBytes), [
    "0 bytes",
    "1023 bytes",
    "1 KiB",
    "1.5 GiB",
    "1048576 TiB",
  ]);
});
