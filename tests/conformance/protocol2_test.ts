/** Protocol 2: numbered requests, streams with credit, cancellation, frames that the kernel starts, binary tails. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { decodeBinary, encodeBinary, FLAGS } from "@clove/sdk/protocol";
import { json } from "../raw_client.ts";
import { conforms } from "./transports.ts";

conforms("reserved bits close the connection", async ({ connect }) => {
  const client = await connect();
  await client.upgrade();
  const frame = client.frame(0xfe, {}, { id: 1 });
  frame[14] = 1;
  await client.sendBytes(frame);
  strictEqual(await client.next(), null);
});

conforms("a request number in use is refused, and the first request goes on", async ({ connect }) => {
  const client = await connect();
  await client.upgrade();
  await client.send(0x21, { wait: true, timeout_ms: 300 }, { id: 9 });
  await client.send(0x31, { key: "k" }, { id: 9 });
  strictEqual(json(await client.next()).code, "conflict");
  strictEqual(json(await client.next()).count, 0);
});

conforms("answers come as they finish: a waiting request holds nothing up", async ({ connect }) => {
  const client = await connect();
  await client.upgrade();
  await client.send(0x21, { wait: true, timeout_ms: 400 }, { id: 1 });
  await client.send(0xfe, {}, { id: 2 });
  deepStrictEqual([(await client.next())!.id, (await client.next())!.id], [2, 1]);
});

conforms(
  "CANCEL ends a request with the code cancelled, and takes no message with it",
  async ({ connect }) => {
    const client = await connect();
    await client.upgrade();
    await client.send(0x21, { wait: true }, { id: 5 });
    await client.cancel(5);
    const answer = (await client.next())!;
    strictEqual(answer.id, 5);
    strictEqual(json(answer).code, "cancelled");
    const { agent_id } = await client.call(0xfe, {}, { id: 6 });
    await client.call(0x20, { to: agent_id, message: 1 }, { id: 7 });
    strictEqual((await client.call(0x21, {}, { id: 8 })).count, 1);
  },
);

conforms(
  "events are pushed under the number of the subscription until it is cancelled",
  async ({ connect }) => {
    const client = await connect();
    await client.upgrade();
    await client.call(0x60, { events: ["CUSTOM"] }, { id: 40 });
    await client.send(0x63, { event: "ping", data: { n: 1 } }, { id: 41 });
    const frames = [(await client.next())!, (await client.next())!];
    const push = frames.find((frame) => frame.flags & FLAGS.PUSH)!;
    strictEqual(push.id, 40);
    strictEqual(json(push).event_type, "ping");
    strictEqual(json(push).data.custom_type, "ping");
    await client.cancel(40);
    const last = (await client.next())!;
    ok(last.flags & FLAGS.PUSH && !(last.flags & FLAGS.MORE));
    strictEqual((await client.call(0x63, { event: "ping" }, { id: 42 })).delivered_to, 0);
  },
);

conforms(
  "a subscriber that grants no credit loses the oldest events, is told how many, and stalls nobody",
  async ({ connect }) => {
    const [slow, busy] = [await connect(), await connect()];
    await slow.upgrade();
    await slow.call(0x60, { events: ["CUSTOM"] }, { id: 1 });
    const data = { text: "x".repeat(2000) };
    for (let i = 0; i < 3000; i++) {
      strictEqual(
        (await busy.call(0x63, { event: "e", data: { ...data, i } })).success,
        true,
      );
    }
    let dropped = 0;
    let got = 0;
    let last = -1;
    const credit = new Uint8Array(4);
    new DataView(credit.buffer).setUint32(0, 1 << 20, true);
    while (last < 2999) {
      const event = json(await slow.next());
      dropped += event.dropped ?? 0;
      ok(event.data.i > last);
      last = event.data.i;
      if (++got % 50 === 0) await slow.send(0, credit, { id: 1, flags: FLAGS.CREDIT });
    }
    strictEqual(got + dropped, 3000);
    ok(dropped > 500);
  },
);

conforms("binary tails carry bytes both ways", async ({ connect }) => {
  const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
  try {
    const client = await connect();
    await client.upgrade();
    const tail = Uint8Array.from({ length: 1000 }, (_, i) => i % 256);
    const path = `${directory}/bytes`;
    const written = await client.call(0x04, encodeBinary({ path }, tail), { id: 1 });
    // `call` sends without the flag: the payload is then no JSON at all.
    strictEqual(written.code, "bad_request");
    await client.send(0x04, encodeBinary({ path }, tail), { id: 2, flags: FLAGS.BINARY });
    strictEqual(json(await client.next()).bytes_written, 1000);
    await client.send(0x03, { path, encoding: "binary" }, { id: 3 });
    const answer = (await client.next())!;
    ok(answer.flags & FLAGS.BINARY);
    deepStrictEqual([...decodeBinary(answer.payload).tail], [...tail]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
