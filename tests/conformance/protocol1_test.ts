/** Protocol 1: what the original's clients send and expect, and what a bad one may not do to others. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { HEADER_BYTES, MAX_PAYLOAD_BYTES } from "@clove/sdk/protocol";
import { json } from "../raw_client.ts";
import { conforms } from "./transports.ts";

const text = (payload: Uint8Array) => new TextDecoder().decode(payload);
const bytes = (value: string) => new TextEncoder().encode(value);

conforms("NOOP echoes any bytes, and the answer carries the connection's number", async ({ connect }) => {
  const client = await connect();
  const payload = new Uint8Array([0, 255, 254, 1, 128]);
  await client.send(0x00, payload, { id: 4711 });
  const frame = (await client.next())!;
  deepStrictEqual([...frame.payload], [...payload]);
  strictEqual(frame.opcode, 0x00);
  const hello = await client.call(0xfe);
  strictEqual(frame.id, hello.agent_id);
});

conforms("EXIT says goodbye and the connection stays usable", async ({ connect }) => {
  const client = await connect();
  await client.send(0xff, {});
  strictEqual(text((await client.next())!.payload), "goodbye");
  strictEqual((await client.call(0xfe)).success, true);
});

conforms("HELLO has the original's keys and the ones its SDK reads", async ({ connect }) => {
  const hello = await (await connect()).call(0xfe);
  deepStrictEqual(hello.features, {
    async_default_exec_http: true,
    llm_in_kernel: false,
    sys_think_stub: true,
  });
  strictEqual(hello.protocol_version, 1);
  strictEqual(hello.kernel_version, hello.version);
  ok(hello.capabilities.includes("fs"));
  ok(hello.uptime >= 0);
});

conforms("pipelined requests are answered once each and in order", async ({ connect }) => {
  const client = await connect();
  const frames = Array.from(
    { length: 300 },
    (_, i) => client.frame(i % 3 ? 0x00 : 0x31, { key: `k${i}`, n: i }),
  );
  const all = new Uint8Array(frames.reduce((sum, frame) => sum + frame.length, 0));
  frames.reduce((at, frame) => (all.set(frame, at), at + frame.length), 0);
  await client.sendBytes(all);
  for (let i = 0; i < 300; i++) {
    const answer = json(await client.next());
    if (i % 3) strictEqual(answer.n, i);
    else strictEqual(answer.exists, false);
  }
});

conforms("a frame may come one byte at a time", async ({ connect }) => {
  const client = await connect();
  for (const byte of client.frame(0x30, { key: "slow", value: 1 })) {
    await client.sendBytes(new Uint8Array([byte]));
  }
  strictEqual(json(await client.next()).success, true);
});

conforms("a wrong magic closes that connection and no other", async ({ connect }) => {
  const [bad, good] = [await connect(), await connect()];
  await bad.sendBytes(new Uint8Array(64).fill(7));
  strictEqual(await bad.next(), null);
  strictEqual((await good.call(0xfe)).success, true);
});

conforms(
  "an oversized frame is answered once with its opcode, then closed; exactly 1 MiB works",
  async ({ connect }) => {
    const [bad, good] = [await connect(), await connect()];
    const header = bad.frame(0x30, new Uint8Array(0));
    new DataView(header.buffer).setBigUint64(9, BigInt(MAX_PAYLOAD_BYTES + 1), true);
    await bad.sendBytes(header);
    const answer = (await bad.next())!;
    strictEqual(answer.opcode, 0x30);
    strictEqual(json(answer).code, "limit");
    strictEqual(await bad.next(), null);
    await good.send(0x00, new Uint8Array(MAX_PAYLOAD_BYTES));
    strictEqual((await good.next())!.payload.length, MAX_PAYLOAD_BYTES);
  },
);

conforms("a length of 2^64-1 does not allocate anything", async ({ connect }) => {
  const bad = await connect();
  const header = bad.frame(0x00, new Uint8Array(0));
  header.fill(0xff, 9, HEADER_BYTES);
  await bad.sendBytes(header);
  strictEqual(json(await bad.next()).code, "limit");
});

conforms(
  "an unknown opcode is refused, a family that is not offered is unavailable, neither echoes",
  async ({ connect }) => {
    const client = await connect();
    for (const opcode of [0x13, 0x79, 0x99]) {
      const answer = await client.call(opcode, { secret: "echo me" });
      strictEqual(answer.code, "unsupported");
      match(answer.error, /unknown opcode/);
      strictEqual(answer.secret, undefined);
    }
    for (const opcode of [0xa0, 0xb0, 0x01]) strictEqual((await client.call(opcode, {})).code, "unavailable");
  },
);

/** Each of these ended the original with one frame. */
const KILLERS: readonly [string, number, string | Uint8Array][] = [
  ["GET_AUDIT_LOG with an array", 0x76, "[]"],
  ["ASYNC_POLL with an array", 0x80, "[]"],
  ["SET_AUDIT_CONFIG with a text", 0x77, '{"max_entries":"x"}'],
  ["RECORD_START with a text flag", 0x70, '{"include_exec":"yes"}'],
  ["METRICS_AGENT with an array", 0xc1, "[]"],
  ["METRICS_CGROUP with a number", 0xc3, '{"cgroup_path":7}'],
  ["EXEC with a numeric command", 0x02, '{"command":7,"async":false}'],
  ["EXEC with a numeric command, asynchronous", 0x02, '{"command":7}'],
  ["EXEC with cwd null", 0x02, '{"command":"true","cwd":null,"async":false}'],
  ["HTTP with a numeric url", 0x50, '{"url":7,"async":false}'],
  ["LLM_REPORT with a text", 0xf0, '{"tokens":"many"}'],
  ["THINK with a text flag", 0x01, '{"prompt":"x","async":"x"}'],
  ["REGISTER with invalid UTF-8", 0x23, new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])],
  ["STORE with invalid UTF-8", 0x30, new Uint8Array([0xc3, 0x28])],
  ["STORE nested deeply", 0x30, `{"key":"k","value":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
  ["STORE with __proto__", 0x30, '{"__proto__":{"key":"k"},"key":"k","value":1}'],
  ["KILL past 2^53", 0x11, '{"id":9007199254740993}'],
  ["SEND with null everywhere", 0x20, '{"to":null,"to_name":null,"message":null}'],
  ["POLL_EVENTS with an empty payload", 0x62, ""],
  ["KEYS with an empty payload", 0x33, ""],
  ["RECV with a text", 0x21, '{"max":"all"}'],
  ["a bare number", 0x31, "7"],
  ["a bare null", 0x31, "null"],
  ["no JSON", 0x31, "{"],
];

conforms("no malformed request does more than fail itself", async ({ connect }) => {
  const [bad, good] = [await connect(), await connect()];
  for (const [name, opcode, payload] of KILLERS) {
    await bad.send(opcode, typeof payload === "string" ? bytes(payload) : payload);
    const frame = await bad.next();
    ok(frame, `${name}: the connection ended`);
    strictEqual(frame.opcode, opcode, name);
    const answer = json(frame);
    if (answer.success === false) {
      ok(answer.code !== "internal", `${name}: ${answer.error}`);
      ok(typeof answer.error === "string" && answer.error.length > 0, name);
    }
    strictEqual((await good.call(0xfe)).success, true, name);
  }
});

conforms("a request sent just before the client ends still takes effect", async ({ kernel, connect }) => {
  const [sender, reader] = [await connect(), await connect()];
  await reader.call(0x23, { name: "reader" });
  await sender.send(0x20, { to_name: "reader", message: "last words" });
  await sender.end();
  const got = await reader.call(0x21, { wait: true, timeout_ms: 5000 });
  strictEqual(got.messages[0].message, "last words");
  ok(kernel);
});

conforms("a client that does not read is not read from, and others notice nothing", async ({ connect }) => {
  const [deaf, good] = [await connect(), await connect()];
  const chunk = new Uint8Array(64 * 1024);
  const frame = deaf.frame(0x00, chunk);
  let sent = 0;
  const flood = (async () => {
    for (; sent < 2000; sent++) await deaf.sendBytes(frame);
  })();
  flood.catch(() => {});
  let before = -1;
  while (sent !== before) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
    strictEqual((await good.call(0xfe)).success, true);
  }
  ok(sent < 1000, `the kernel took ${sent} x 64 KiB from a client that does not read`);
});
