/** The SDK's client against a real kernel, in memory and over a socket, in both protocols. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { type Clove, connect, type ConnectOptions, SyscallError } from "@clove/sdk";
import { type Kernel, startKernel } from "../../kernel/main.ts";

interface Stage {
  readonly kernel: Kernel;
  readonly clove: Clove;
  /** Connects another client. */
  another(): Promise<Clove>;
}

function conforms(name: string, protocols: readonly (1 | 2)[], run: (stage: Stage) => Promise<void>): void {
  const test = async (transport: "memory" | "socket", protocol: 1 | 2) => {
    const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
    try {
      const socket = transport === "socket" ? `${directory}/clove.sock` : undefined;
      await using kernel = await startKernel({ sandbox: false, logLevel: "error", onLog: () => {}, socket });
      await using open = new AsyncDisposableStack();
      const another = async () => {
        const options: ConnectOptions = socket ? { path: socket } : { transport: kernel.connect() };
        return open.use(await connect({ ...options, protocol }));
      };
      await run({ kernel, clove: await another(), another });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  };
  for (const protocol of protocols) {
    for (const transport of ["memory", "socket"] as const) {
      Deno.test({
        name: `${transport}, protocol ${protocol}: ${name}`,
        ignore: transport === "socket" && Deno.build.os === "windows",
        fn: () => test(transport, protocol),
      });
    }
  }
}

const both = [1, 2] as const;

conforms("hello tells who the caller is, and leaves the protocol as it is", both, async ({ clove }) => {
  const hello = await clove.sys.hello();
  strictEqual(hello.agent_id, clove.agentId);
  strictEqual(hello.version, clove.version);
  strictEqual(hello.protocol_version, clove.protocol);
  deepStrictEqual(await Promise.all([clove.sys.noop(1), clove.sys.noop(2)]), [1, 2]);
});

conforms("noop echoes any JSON, exit says goodbye", both, async ({ clove }) => {
  deepStrictEqual(await clove.sys.noop({ any: ["thing", null] }), { any: ["thing", null] });
  strictEqual(await clove.sys.exit(), "goodbye");
});

conforms("a bad argument fails its own request alone", both, async ({ clove }) => {
  await rejects(
    clove.state.store({ key: 7 as unknown as string, value: 1 }),
    (error) => error instanceof SyscallError && error.code === "bad_request",
  );
  await clove.state.store({ key: "k", value: { n: 1 } });
  deepStrictEqual((await clove.state.fetch({ key: "k" })).value, { n: 1 });
});

conforms("a request over the frame limit leaves the connection alive", both, async ({ clove }) => {
  await rejects(
    clove.state.store({ key: "k", value: "x".repeat(2_000_000) }),
    (error) => error instanceof SyscallError && error.code === "limit",
  );
  strictEqual((await clove.state.fetch({ key: "k" })).exists, false);
});

conforms(
  "a thousand requests at once are all answered, each with its own answer",
  both,
  async ({ clove }) => {
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, n) => clove.sys.noop(n)));
    deepStrictEqual(answers, Array.from({ length: 1_000 }, (_, n) => n));
  },
);

conforms("messages arrive one by one while other requests go on", [2], async ({ clove, another }) => {
  const sender = await another();
  const received: unknown[] = [];
  const reading = (async () => {
    for await (const { message, from } of clove.messages()) {
      strictEqual(from, sender.agentId);
      if (received.push(message) === 3) break;
    }
  })();
  for (let n = 0; n < 3; n++) {
    await sender.ipc.send({ to: clove.agentId, message: n });
    await clove.sys.noop();
  }
  await reading;
  deepStrictEqual(received, [0, 1, 2]);
});

conforms("an aborted wait takes no message with it", [2], async ({ clove, another }) => {
  const sender = await another();
  const waiting = clove.ipc.recv({ wait: true }, { signal: AbortSignal.timeout(20) });
  await rejects(waiting, { name: "TimeoutError" });
  await sender.ipc.send({ to: clove.agentId, message: "later" });
  strictEqual((await clove.ipc.recv()).count, 1);
});

conforms(
  "events are pushed in order, more of them than one window holds",
  [2],
  async ({ clove, another }) => {
    const emitter = await another();
    const events = clove.events(["CUSTOM"]);
    deepStrictEqual((await events.result).subscribed, ["CUSTOM"]);
    const text = "x".repeat(2_000);
    const count = 600;
    let next = 0;
    const reading = (async () => {
      for await (const { data, dropped } of events) {
        strictEqual(dropped, undefined);
        strictEqual((data as { n: number }).n, next++);
        if (next === count) break;
      }
    })();
    for (let n = 0; n < count; n++) await emitter.event.emit({ event: "tick", data: { n, text } });
    await reading;
    // Leaving the loop has ended the subscription in the kernel, too.
    await clove.sys.noop();
    strictEqual((await emitter.event.emit({ event: "tick", data: {} })).delivered_to, 0);
  },
);

conforms("changes of state are streamed until the loop is left", [2], async ({ clove, another }) => {
  const writer = await another();
  const changes = clove.state.watch({ prefix: "job." });
  strictEqual((await changes.next()).value?.action, "watching");
  await writer.state.store({ key: "other", value: 0 });
  await writer.state.store({ key: "job.1", value: "done" });
  const { value } = await changes.next();
  deepStrictEqual([value?.action, value?.key, value?.value], ["store", "job.1", "done"]);
  changes.close();
  ok((await clove.state.keys({ prefix: "job." })).keys.includes("job.1"));
});

conforms("a polled subscription leaves events to event.poll", both, async ({ clove, another }) => {
  const emitter = await another();
  const polled = clove.event.subscribe({ event_types: ["CUSTOM"], poll: true });
  await polled.drain();
  await emitter.event.emit({ event: "one", data: { n: 1 } });
  strictEqual((await clove.event.poll()).events[0]?.event_type, "one");
});

conforms("a stream is refused in protocol 1, with what to do", [1], async ({ clove }) => {
  await rejects(
    clove.state.watch({}).drain(),
    (error) => error instanceof SyscallError && error.code === "unsupported",
  );
});
