/** The SDK's client against a real kernel, in memory and over a socket, in both protocols. */
import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import {
  type Clove,
  connect,
  ConnectionError,
  type ConnectOptions,
  SyscallError,
  TimeoutError,
} from "@clove/sdk";
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

conforms("events cannot be followed in protocol 1, and it says what can", [1], async ({ clove }) => {
  await rejects(
    clove.events(["CUSTOM"]).next(),
    (error) => error instanceof SyscallError && error.code === "unsupported",
  );
});

conforms(
  "a stream out of time ends with a TimeoutError and leaves the connection alive",
  [2],
  async ({ clove }) => {
    const changes = clove.state.watch({}, { timeoutMs: 20 });
    strictEqual((await changes.next()).value?.action, "watching");
    await rejects(changes.next(), TimeoutError);
    strictEqual(await clove.sys.noop(1), 1);
  },
);

conforms("an agent is run, followed and waited for", [2], async ({ clove }) => {
  const command = ["sh", "-c", "echo out; echo err >&2; exit 3"];
  const { agent, output, ended } = await clove.agents.run({ command, sandboxed: false });
  ok(agent.pid > 0);
  const written = { stdout: "", stderr: "" };
  for await (const { stream, text } of output) written[stream] += text;
  deepStrictEqual(written, { stdout: "out\n", stderr: "err\n" });
  strictEqual((await ended).exit_code, 3);
});

conforms("raw bytes go into files and come out of them", [2], async ({ clove }) => {
  const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
  try {
    const path = `${directory}/bytes`;
    const bytes = Uint8Array.from({ length: 70_000 }, (_, n) => n * 7);
    strictEqual((await clove.fs.write({ path }, { tail: bytes })).bytes_written, bytes.byteLength);
    deepStrictEqual((await clove.fs.read({ path, encoding: "binary" })).tail, bytes);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test({
  name: "a client that reconnects finds the next kernel on the same socket",
  ignore: Deno.build.os === "windows",
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
    const settings = { sandbox: false, logLevel: "error", socket: `${directory}/clove.sock` } as const;
    try {
      let kernel = await startKernel(settings);
      await using clove = await connect({
        path: settings.socket,
        reconnect: { delayMs: 5, attempts: 20, resubscribe: true },
      });
      const events = clove.events(["CUSTOM"]);
      await events.result;
      const lost = rejects(
        clove.ipc.recv({ wait: true }),
        (error) => error instanceof ConnectionError && error.sent,
      );
      await clove.sys.noop();
      await kernel.close();
      await lost;
      kernel = await startKernel(settings);
      strictEqual(await clove.sys.noop("again"), "again");
      const next = events.next();
      while ((await clove.event.emit({ event: "back", data: {} })).delivered_to === 0) await clove.sys.noop();
      strictEqual((await next).value?.event_type, "back");
      events.close();
      await clove.close();
      await kernel.close();
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
