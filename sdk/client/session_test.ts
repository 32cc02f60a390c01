import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { FLAGS, MAX_PAYLOAD_BYTES, SyscallError } from "../protocol/mod.ts";
import { TestKernel } from "../testing/kernel.ts";
import { connect } from "./connect.ts";
import { ConnectionError, ProtocolError, TimeoutError } from "./errors.ts";

const SEND = 0x20;
const NOOP = 0x00;

Deno.test("a kernel that speaks protocol 1 is answered in protocol 1, in order", async () => {
  const kernel = new TestKernel(1);
  await using clove = await connect({ transport: kernel.transport });
  strictEqual(clove.protocol, 1);
  strictEqual(clove.agentId, 7);
  const both = Promise.all([clove.request(SEND, { n: 1 }), clove.request(SEND, { n: 2 })]);
  const first = await kernel.next();
  const second = await kernel.next();
  deepStrictEqual([first.json, second.json], [{ n: 1 }, { n: 2 }]);
  kernel.send({ id: 7, opcode: SEND, json: { got: 1 } });
  kernel.send({ id: 7, opcode: SEND, json: { got: 2 } });
  deepStrictEqual(await both, [{ got: 1 }, { got: 2 }]);
});

Deno.test("in protocol 2 answers find their requests in any order", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  strictEqual(clove.protocol, 2);
  const one = clove.request(SEND, { n: 1 });
  const two = clove.request(SEND, { n: 2 });
  const first = await kernel.next();
  const second = await kernel.next();
  ok(first.id !== second.id);
  kernel.answer(second, { got: 2 });
  deepStrictEqual(await two, { got: 2 });
  kernel.answer(first, { got: 1 });
  deepStrictEqual(await one, { got: 1 });
});

Deno.test("requests made in one turn leave in one write", async () => {
  const kernel = new TestKernel();
  kernel.handlers.set(NOOP, (request) => kernel.answer(request, {}));
  await using clove = await connect({ transport: kernel.transport });
  const before = kernel.writes.length;
  await Promise.all(Array.from({ length: 100 }, (_, n) => clove.request(NOOP, { n })));
  strictEqual(kernel.writes.length - before, 1);
});

Deno.test("a refusal carries its code, its receipt and what else the answer said", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  const receipt = {
    need: "fs.read:/x",
    rule: "r",
    missing: "fs.read:/x",
    ask: "clove perms grant me fs.read:/x",
  };
  kernel.handlers.set(
    SEND,
    (request) =>
      kernel.answer(request, {
        success: false,
        error: "Permission denied: no",
        code: "denied",
        receipt,
        size: 0,
      }),
  );
  await rejects(clove.request(SEND), (error) => {
    ok(error instanceof SyscallError);
    strictEqual(error.code, "denied");
    deepStrictEqual(error.receipt, receipt);
    deepStrictEqual(error.details, { size: 0 });
    return true;
  });
});

Deno.test("an answer without success but without error is a result: the command ran and failed", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  kernel.handlers.set(SEND, (request) => kernel.answer(request, { success: false, exit_code: 1 }));
  deepStrictEqual(await clove.request(SEND), { success: false, exit_code: 1 });
});

Deno.test("a failure of an old kernel, without a code, still gets one", async () => {
  const kernel = new TestKernel(1);
  await using clove = await connect({ transport: kernel.transport });
  const texts = ["Permission denied: no", "invalid request: what", "spawn failed"];
  kernel.handlers.set(SEND, (request) => kernel.answer(request, { error: texts.shift() }));
  for (const code of ["denied", "bad_request", "internal"]) {
    await rejects(clove.request(SEND), (error) => error instanceof SyscallError && error.code === code);
  }
});

Deno.test("a request over the frame limit is refused here and harms no other", async () => {
  const kernel = new TestKernel();
  kernel.handlers.set(NOOP, (request) => kernel.answer(request, {}));
  await using clove = await connect({ transport: kernel.transport });
  const limit = (error: unknown) => error instanceof SyscallError && error.code === "limit";
  await rejects(clove.request(NOOP, "x".repeat(MAX_PAYLOAD_BYTES - 1)), limit);
  // Short as text, long as UTF-8.
  await rejects(clove.request(NOOP, "é".repeat(MAX_PAYLOAD_BYTES - 10)), limit);
  await clove.request(NOOP, "x".repeat(MAX_PAYLOAD_BYTES - 2));
});

Deno.test("a request that is no JSON fails alone", async () => {
  const kernel = new TestKernel();
  kernel.handlers.set(NOOP, (request) => kernel.answer(request, {}));
  await using clove = await connect({ transport: kernel.transport });
  await rejects(clove.request(NOOP, { n: 1n }), TypeError);
  await clove.request(NOOP, { n: 1 });
});

Deno.test("an aborted request rejects with the reason and tells the kernel to stop", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  const controller = new AbortController();
  const call = clove.request(SEND, {}, { signal: controller.signal });
  const request = await kernel.next();
  const reason = new Error("enough");
  controller.abort(reason);
  await rejects(call, (error) => error === reason);
  const cancel = await kernel.next();
  deepStrictEqual([cancel.id, cancel.flags, cancel.payload.byteLength], [request.id, FLAGS.CANCEL, 0]);
  // Its answer comes nevertheless, and belongs to nobody.
  kernel.answer(request, { success: false, error: "cancelled", code: "cancelled" });
  kernel.handlers.set(NOOP, (request) => kernel.answer(request, { still: "here" }));
  deepStrictEqual(await clove.request(NOOP), { still: "here" });
});

Deno.test("a signal that has fired sends nothing", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  const before = kernel.writes.length;
  await rejects(clove.request(SEND, {}, { signal: AbortSignal.abort(new Error("no")) }), /no/);
  await Promise.resolve();
  strictEqual(kernel.writes.length, before);
});

Deno.test("a request out of time rejects with a TimeoutError, also in protocol 1", async () => {
  for (const version of [1, 2] as const) {
    const kernel = new TestKernel(version);
    await using clove = await connect({ transport: kernel.transport });
    const call = clove.request(SEND, {}, { timeoutMs: 5 });
    const request = await kernel.next();
    await rejects(call, (error) => error instanceof TimeoutError && error.timeoutMs === 5);
    kernel.answer(request, { late: true });
    kernel.handlers.set(NOOP, (request) => kernel.answer(request, { on: "time" }));
    deepStrictEqual(await clove.request(NOOP), { on: "time" });
  }
});

Deno.test("when the connection ends, open requests say whether they may have arrived", async () => {
  const kernel = new TestKernel();
  const clove = await connect({ transport: kernel.transport });
  const sent = clove.request(SEND);
  await kernel.next();
  const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
  kernel.gate = gate;
  const onTheWay = clove.request(SEND);
  await Promise.resolve();
  await Promise.resolve();
  const waiting = clove.request(SEND);
  kernel.end();
  const sentness = async (call: Promise<unknown>) => {
    const error = await call.then(() => null, (error) => error);
    ok(error instanceof ConnectionError, String(error));
    return error.sent;
  };
  deepStrictEqual([await sentness(sent), await sentness(onTheWay), await sentness(waiting)], [
    true,
    true,
    false,
  ]);
  strictEqual(await sentness(clove.request(SEND)), false);
  openGate();
  await clove.close();
});

Deno.test("answers that arrived before the end are still answers", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  const call = clove.request(SEND);
  const request = await kernel.next();
  kernel.answer(request, { last: true });
  kernel.end();
  deepStrictEqual(await call, { last: true });
});

Deno.test("bytes that are no frame end the connection with a ProtocolError as the cause", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  const call = clove.request(SEND);
  await kernel.next();
  kernel.sendBytes(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n"));
  await rejects(call, (error) => error instanceof ConnectionError && error.cause instanceof ProtocolError);
});

Deno.test("an answer that is no JSON ends the connection", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  kernel.handlers.set(SEND, ({ id }) => {
    const frame = new Uint8Array([0x54, 0x4e, 0x47, 0x41, 0, 0, 0, 0, SEND, 1, 0, 0, 0, 0, 0, 0, 0, 0x7b]);
    frame[4] = id;
    kernel.sendBytes(frame);
  });
  await rejects(clove.request(SEND), ProtocolError);
  await rejects(clove.request(SEND), ConnectionError);
});

Deno.test("an answer with another opcode ends the connection", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  kernel.handlers.set(SEND, ({ id }) => kernel.send({ id, opcode: NOOP }));
  await rejects(clove.request(SEND), (error) => error instanceof ConnectionError);
});

Deno.test("what does not answer HELLO is no kernel", async () => {
  const silent = new TestKernel();
  silent.gate = new Promise(() => {});
  await rejects(connect({ transport: silent.transport, timeoutMs: 5 }), TimeoutError);
  const other = new TestKernel();
  other.sendBytes(new TextEncoder().encode("SSH-2.0-OpenSSH_9.2p1 Debian\r\n"));
  await rejects(connect({ transport: other.transport }), ConnectionError);
  const gone = new TestKernel();
  gone.end();
  await rejects(connect({ transport: gone.transport }), ConnectionError);
});

Deno.test("raw bytes go beside the arguments and come beside the result", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  const call = clove.request(SEND, { a: 1 }, { tail: new Uint8Array([1, 2, 3]) });
  const request = await kernel.next();
  strictEqual(request.flags, FLAGS.BINARY);
  deepStrictEqual([...request.payload], [7, 0, 0, 0, ...new TextEncoder().encode('{"a":1}'), 1, 2, 3]);
  kernel.answer(request, { size: 2 }, new Uint8Array([0xff, 0x00]));
  deepStrictEqual(await call, { size: 2, tail: new Uint8Array([0xff, 0x00]) });
});

Deno.test("raw bytes are refused where the kernel speaks protocol 1", async () => {
  const kernel = new TestKernel(1);
  await using clove = await connect({ transport: kernel.transport });
  await rejects(
    clove.request(SEND, {}, { tail: new Uint8Array(1) }),
    (error) => error instanceof SyscallError && error.code === "unsupported",
  );
});

Deno.test("the program may end while nothing is expected, and not before", async () => {
  const kernel = new TestKernel();
  await using clove = await connect({ transport: kernel.transport });
  strictEqual(kernel.refs, 0);
  const call = clove.request(SEND);
  strictEqual(kernel.refs, 1);
  kernel.answer(await kernel.next(), {});
  await call;
  strictEqual(kernel.refs, 0);
});

Deno.test("a kernel that does not read holds requests back instead of filling memory", async () => {
  const kernel = new TestKernel();
  const text = "x".repeat(500_000);
  let seen = 0;
  kernel.handlers.set(NOOP, (request) => {
    seen++;
    kernel.answer(request, {});
  });
  await using clove = await connect({ transport: kernel.transport });
  const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
  kernel.gate = gate;
  const calls = Array.from({ length: 20 }, () => clove.request(NOOP, text));
  await new Promise((resolve) => setTimeout(resolve, 1));
  const held = kernel.writes.at(-1)!.byteLength;
  ok(held <= 2_000_000, `${held} bytes were written at once`);
  openGate();
  await Promise.all(calls);
  strictEqual(seen, 20);
});

Deno.test("time runs and signals work while a request waits for room", async () => {
  const kernel = new TestKernel();
  const clove = await connect({ transport: kernel.transport });
  const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
  kernel.gate = gate;
  const text = "x".repeat(1_000_000);
  const filling = [1, 2, 3, 4].map(() => clove.request(NOOP, text).catch((error) => error));
  await Promise.resolve();
  const controller = new AbortController();
  const aborted = clove.request(SEND, {}, { signal: controller.signal });
  controller.abort(new Error("enough"));
  await rejects(aborted, /enough/);
  await rejects(clove.request(SEND, {}, { timeoutMs: 1 }), TimeoutError);
  kernel.end();
  openGate();
  for (const error of await Promise.all(filling)) ok(error instanceof ConnectionError);
  await clove.close();
});
