import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { TestKernel } from "../testing/kernel.ts";
import { Client, familiesOf } from "./client.ts";
import { connect } from "./connect.ts";
import { ConnectionError } from "./errors.ts";
import { ROWS } from "./syscalls.generated.ts";

const NOOP = { name: "sys.noop", opcode: 0x00, params: {} };

async function openWith(first: TestKernel, next: () => TestKernel, attempts = 3): Promise<Client> {
  return await Client.open(first.transport, {
    reopen: () => Promise.resolve(next().transport),
    reconnect: { delayMs: 1, attempts },
    protocol: 2,
    helloTimeoutMs: 1_000,
  });
}

Deno.test("without the option, a lost connection stays lost", async () => {
  const kernel = new TestKernel();
  const clove = await connect({ transport: kernel.transport });
  kernel.end();
  await new Promise((resolve) => setTimeout(resolve, 1));
  await rejects(clove.request(0), (error) => error instanceof ConnectionError && !error.sent);
  await clove.close();
});

Deno.test("an open request is never repeated: it fails, and the next one goes to the new connection", async () => {
  const first = new TestKernel();
  const second = new TestKernel();
  second.handlers.set(0, (request) => second.answer(request, { from: "second" }));
  const client = await openWith(first, () => second);
  const open = client.call(NOOP);
  await first.next();
  first.end();
  await rejects(open, (error) => error instanceof ConnectionError && error.sent);
  deepStrictEqual(await client.call(NOOP), { from: "second" });
  strictEqual(second.writes.length, 2, "more than HELLO and one request reached the second kernel");
  await client.close();
});

Deno.test("requests that come together share one attempt to reconnect", async () => {
  const first = new TestKernel();
  let opened = 0;
  const client = await openWith(first, () => {
    opened++;
    const kernel = new TestKernel();
    kernel.handlers.set(0, (request) => kernel.answer(request, {}));
    return kernel;
  });
  first.end();
  await new Promise((resolve) => setTimeout(resolve, 1));
  await Promise.all([client.call(NOOP), client.call(NOOP), client.call(NOOP)]);
  strictEqual(opened, 1);
  await client.close();
});

Deno.test("reconnecting gives up after its attempts and says so, and tries again for the next request", async () => {
  const first = new TestKernel();
  let opened = 0;
  const client = await openWith(first, () => {
    opened++;
    const kernel = new TestKernel();
    kernel.end();
    return kernel;
  });
  first.end();
  await new Promise((resolve) => setTimeout(resolve, 1));
  await rejects(client.call(NOOP), /Cannot send sys.noop: no kernel answered in 3 attempts/);
  strictEqual(opened, 3);
  await rejects(client.call(NOOP), ConnectionError);
  strictEqual(opened, 6);
  await client.close();
});

Deno.test("a closed client does not reconnect", async () => {
  const first = new TestKernel();
  const client = await openWith(first, () => {
    throw new Error("reopened");
  });
  await client.close();
  await rejects(client.call(NOOP), /Cannot send sys.noop: the client is closed/);
});

Deno.test("close sends what is waiting", async () => {
  const kernel = new TestKernel();
  const clove = await connect({ transport: kernel.transport });
  const call = clove.request(0x20, { last: "words" }).catch(() => {});
  await clove.close();
  deepStrictEqual((await kernel.next()).json, { last: "words" });
  await call;
});

Deno.test("every row has its method, and the method sends its opcode", async () => {
  const kernel = new TestKernel();
  const client = await openWith(kernel, () => kernel);
  const families = familiesOf(client);
  for (const [family, verb, opcode] of ROWS) {
    const method = families[family]![verb] as (params: unknown) => { catch?: (handler: () => void) => void };
    method({}).catch?.(() => {});
    const request = await kernel.next();
    strictEqual(request.opcode, opcode, `${family}.${verb}`);
  }
  await client.close();
});

Deno.test("messages are taken one at a time and a quiet time is no end", async () => {
  const kernel = new TestKernel();
  const batches = [[], [{ message: "one" }], [], [{ message: "two" }]];
  kernel.handlers.set(0x21, (request) => {
    const { max, wait } = request.json as { max: number; wait: boolean };
    ok(wait && max === 1);
    kernel.answer(request, { success: true, messages: batches.shift() ?? [], count: 0 });
  });
  await using clove = await connect({ transport: kernel.transport });
  const seen: unknown[] = [];
  for await (const { message } of clove.messages()) {
    seen.push(message);
    if (seen.length === 2) break;
  }
  deepStrictEqual(seen, ["one", "two"]);
});
