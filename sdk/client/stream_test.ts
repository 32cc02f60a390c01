import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { FLAGS, STREAM_WINDOW_BYTES, SyscallError } from "../protocol/mod.ts";
import { TestKernel } from "../testing/kernel.ts";
import { Client } from "./client.ts";
import { ConnectionError } from "./errors.ts";
import type { Stream } from "./stream.ts";

const OUTPUT = { name: "agent.output", opcode: 0x17, params: {} };

interface Part {
  readonly n: number;
  readonly text?: string;
}

async function open(kernel: TestKernel, reopen: (() => TestKernel) | null = null, resubscribe = false) {
  return await Client.open(kernel.transport, {
    reopen: reopen && (() => Promise.resolve(reopen().transport)),
    reconnect: reopen ? { delayMs: 1, attempts: 3, resubscribe } : null,
    protocol: 2,
    helloTimeoutMs: 1_000,
  });
}

function stream(client: Client, options: { signal?: AbortSignal } = {}): Stream<Part, { done: boolean }> {
  return client.stream(OUTPUT, options, false);
}

function subscription(client: Client): Stream<Part, { done: boolean }> {
  return client.stream(OUTPUT, {}, true);
}

const more = (id: number, json: unknown) => ({ id, opcode: OUTPUT.opcode, flags: FLAGS.MORE, json });
const push = (id: number, json: unknown) => ({
  id,
  opcode: OUTPUT.opcode,
  flags: FLAGS.PUSH | FLAGS.MORE,
  json,
});

Deno.test("a stream yields its parts and then has its result", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const output = stream(client);
  const request = await kernel.next();
  kernel.send(more(request.id, { n: 1 }));
  kernel.send(more(request.id, { n: 2 }));
  kernel.answer(request, { done: true });
  deepStrictEqual(await Array.fromAsync(output), [{ n: 1 }, { n: 2 }]);
  deepStrictEqual(await output.result, { done: true });
  await client.close();
});

Deno.test("a stream that fails yields what came and then throws, once", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const output = stream(client);
  const request = await kernel.next();
  kernel.send(more(request.id, { n: 1 }));
  kernel.answer(request, { success: false, error: "Cannot follow it", code: "not_found" });
  deepStrictEqual(await output.next(), { value: { n: 1 }, done: false });
  await rejects(output.next(), (error) => error instanceof SyscallError && error.code === "not_found");
  await rejects(output.result, SyscallError);
  strictEqual((await output.next()).done, true);
  await client.close();
});

Deno.test("leaving the loop cancels the stream", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const output = stream(client);
  const request = await kernel.next();
  kernel.send(more(request.id, { n: 1 }));
  for await (const _part of output) break;
  const cancel = await kernel.next();
  deepStrictEqual([cancel.id, cancel.flags], [request.id, FLAGS.CANCEL]);
  // What was under way, and the answer to the cancelled request, belong to nobody.
  kernel.send(more(request.id, { n: 2 }));
  kernel.answer(request, { success: false, error: "cancelled", code: "cancelled" });
  kernel.handlers.set(0, (request) => kernel.answer(request, {}));
  await client.call({ name: "sys.noop", opcode: 0, params: {} });
  await rejects(output.result, { name: "AbortError" });
  await client.close();
});

Deno.test("a signal ends a stream with its reason and cancels it", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const controller = new AbortController();
  const output = stream(client, { signal: controller.signal });
  const request = await kernel.next();
  const waiting = output.next();
  controller.abort(new Error("enough"));
  await rejects(waiting, /enough/);
  await rejects(output.result, /enough/);
  strictEqual((await kernel.next()).id, request.id);
  await client.close();
});

Deno.test("credit is granted as parts are read, and only then", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const output = stream(client);
  const request = await kernel.next();
  const text = "x".repeat(STREAM_WINDOW_BYTES / 4);
  let frame = 0;
  for (let n = 0; n < 4; n++) {
    kernel.send(more(request.id, { n, text }));
    frame = 17 + JSON.stringify({ n, text }).length;
  }
  await output.next();
  await new Promise((resolve) => setTimeout(resolve, 1));
  strictEqual(kernel.writes.length, 2, "a grant came before half a window was read");
  await output.next();
  const credit = await kernel.next();
  deepStrictEqual([credit.id, credit.opcode, credit.flags], [request.id, OUTPUT.opcode, FLAGS.CREDIT]);
  strictEqual(new DataView(credit.payload.buffer, credit.payload.byteOffset).getUint32(0, true), 2 * frame);
  output.close();
  await client.close();
});

Deno.test("a kernel that sends without credit loses the connection", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const output = stream(client);
  const request = await kernel.next();
  const text = "x".repeat(STREAM_WINDOW_BYTES / 2);
  for (let n = 0; n < 3; n++) kernel.send(more(request.id, { n, text }));
  await new Promise((resolve) => setTimeout(resolve, 1));
  await rejects(output.drain(), ConnectionError);
  await client.close();
});

Deno.test("a stream longer than its window arrives whole when it is read", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const output = stream(client);
  const request = await kernel.next();
  let credit = STREAM_WINDOW_BYTES;
  const sending = (async () => {
    for (let n = 0; n < 5_000; n++) {
      while (credit <= 0) {
        const { payload } = await kernel.next();
        credit += new DataView(payload.buffer, payload.byteOffset).getUint32(0, true);
      }
      const json = { n, text: "x".repeat(n % 1_000) };
      credit -= 17 + JSON.stringify(json).length;
      kernel.send(more(request.id, json));
    }
    kernel.answer(request, { done: true });
  })();
  let next = 0;
  for await (const { n } of output) strictEqual(n, next++);
  strictEqual(next, 5_000);
  await sending;
  await client.close();
});

Deno.test("drain drops the parts and gives the result", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const output = stream(client);
  const request = await kernel.next();
  kernel.send(more(request.id, { n: 1 }));
  kernel.answer(request, { done: true });
  deepStrictEqual(await output.drain(), { done: true });
  await client.close();
});

Deno.test("a subscription has its result at once and goes on until the kernel ends it", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const events = subscription(client);
  const request = await kernel.next();
  kernel.answer(request, { done: false });
  deepStrictEqual(await events.result, { done: false });
  kernel.send(push(request.id, { n: 1 }));
  deepStrictEqual(await events.next(), { value: { n: 1 }, done: false });
  kernel.send({ id: request.id, opcode: OUTPUT.opcode, flags: FLAGS.PUSH, json: { closed: true } });
  strictEqual((await events.next()).done, true);
  strictEqual(kernel.refs, 0);
  await client.close();
});

Deno.test("a subscription that is closed before its answer came frees its id with the last frame", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const events = subscription(client);
  const request = await kernel.next();
  events.close();
  await kernel.next();
  kernel.answer(request, { done: false });
  kernel.send(push(request.id, { n: 1 }));
  kernel.send({ id: request.id, opcode: OUTPUT.opcode, flags: FLAGS.PUSH, json: { closed: true } });
  kernel.handlers.set(0, (request) => kernel.answer(request, { n: 9 }));
  deepStrictEqual(await client.call({ name: "sys.noop", opcode: 0, params: {} }), { n: 9 });
  await client.close();
});

Deno.test("pushes that nobody can read are cancelled, and harm nothing", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel);
  const call = client.call(OUTPUT);
  const request = await kernel.next();
  kernel.answer(request, {});
  await call;
  kernel.send(push(request.id, { n: 1 }));
  const cancel = await kernel.next();
  deepStrictEqual([cancel.id, cancel.flags], [request.id, FLAGS.CANCEL]);
  await client.close();
});

Deno.test("a subscription ends with a ConnectionError when the connection does", async () => {
  const kernel = new TestKernel();
  const client = await open(kernel, () => new TestKernel());
  const events = subscription(client);
  kernel.answer(await kernel.next(), { done: false });
  await events.result;
  const waiting = events.next();
  kernel.end();
  await rejects(waiting, ConnectionError);
  await client.close();
});

Deno.test("with resubscribe a subscription goes on over the next connection", async () => {
  const kernels: TestKernel[] = [];
  const first = new TestKernel();
  const client = await open(first, () => {
    const kernel = new TestKernel();
    kernels.push(kernel);
    return kernel;
  }, true);
  const events = subscription(client);
  first.answer(await first.next(), { done: false });
  await events.result;
  const waiting = events.next();
  first.end();
  while (kernels.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  const second = kernels[0]!;
  const request = await second.next();
  second.answer(request, { done: false });
  second.send(push(request.id, { n: 5 }));
  deepStrictEqual(await waiting, { value: { n: 5 }, done: false });
  await client.close();
  ok((await events.next().then(() => null, (error) => error)) instanceof ConnectionError);
});
