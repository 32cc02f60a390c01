/** A kernel whose telemetry goes to a receiver on loopback, as a collector would get it. */
import { deepStrictEqual, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type Clove, connect } from "@clove/sdk";
import { startKernel } from "../kernel.ts";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const GIVEN = `00-${TRACE}-b7ad6b7169203331-01`;

const AGENT = `
import { connect } from "@clove/sdk";
const clove = await connect();
await clove.state.store({ key: "k", value: 1 });
await clove.fs.read({ path: "/etc/shadow" }).catch(() => {});
await clove.net.http({ url: Deno.args[0] });
await clove.ipc.send({ to_name: "listener", message: Deno.env.get("TRACEPARENT") });
Deno.exit(3);
`;

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly kind: number;
  readonly status: { readonly code: number; readonly message: string };
  readonly attributes: Record<string, unknown>;
}

/** Takes what OTLP over HTTP sends as JSON. */
class Receiver implements AsyncDisposable {
  readonly spans: Span[] = [];
  /** The traceparent headers of requests that are no telemetry. */
  readonly headers: (string | null)[] = [];
  posts = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
      const { pathname } = new URL(request.url);
      if (!pathname.startsWith("/v1/")) {
        this.headers.push(request.headers.get("traceparent"));
        return new Response("hello");
      }
      this.posts++;
      const body = await request.json();
      for (const { scopeSpans = [] } of body.resourceSpans ?? []) {
        for (const { scope, spans } of scopeSpans) {
          if (scope.name === "clove") this.spans.push(...spans.map(spanOf));
        }
      }
      return Response.json({});
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Waits for a span. */
  async span(name: string): Promise<Span> {
    for (let tries = 0; tries < 200; tries++) {
      const found = this.spans.find((span) => span.name === name);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no span "${name}", only ${this.spans.map((span) => span.name).join(", ")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

// deno-lint-ignore no-explicit-any -- as it comes over the wire
function spanOf(raw: any): Span {
  const attributes = raw.attributes.map(({ key, value }: { key: string; value: Record<string, unknown> }) => {
    return [key, Object.values(value)[0]];
  });
  return { ...raw, attributes: Object.fromEntries(attributes) };
}

async function reached(socket: string): Promise<Clove> {
  for (let tries = 0;; tries++) {
    try {
      return await connect({ path: socket });
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

Deno.test(
  "one trace leads from an operator through an agent's life and calls to its mail and its HTTP requests",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await using receiver = new Receiver();
    const dir = await Deno.makeTempDir({ prefix: "clove-otel-" });
    const socket = `${dir}/clove.sock`;
    await Deno.writeTextFile(`${dir}/agent.ts`, AGENT);
    const kernel = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-prompt", MAIN, "--no-sandbox", "--ephemeral", "--socket", socket],
      env: {
        OTEL_DENO: "true",
        OTEL_DENO_CONSOLE: "ignore",
        OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_BSP_SCHEDULE_DELAY: "100",
      },
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      await using clove = await reached(socket);
      await clove.ipc.register({ name: "listener" });
      await clove.agent.spawn({
        name: "worker",
        script: `${dir}/agent.ts`,
        args: [`${receiver.url}/page`],
        level: "sandboxed",
        policy: [`net:${receiver.url}`],
        traceparent: GIVEN,
      });
      await clove.agent.wait({ name: "worker" });
      const { messages: [message] } = await clove.ipc.recv({});
      await clove.agent.spawn({ name: "never", command: ["/no/such/program"] }).catch(() => {});

      const spawn = await receiver.span("agent.spawn");
      deepStrictEqual([spawn.traceId, spawn.parentSpanId], [TRACE, "b7ad6b7169203331"]);
      strictEqual(spawn.attributes["gen_ai.operation.name"], "create_agent");
      const life = await receiver.span("invoke_agent worker");
      deepStrictEqual([life.traceId, life.parentSpanId], [TRACE, spawn.spanId]);
      strictEqual(message!.message, `00-${TRACE}-${life.spanId}-01`, "TRACEPARENT in its environment");
      deepStrictEqual([life.attributes["gen_ai.agent.name"], life.status.code], ["worker", 2]);

      const run = await receiver.span("agent run");
      deepStrictEqual([run.parentSpanId, Number(run.attributes["process.exit.code"])], [life.spanId, 3]);
      const store = await receiver.span("state.store");
      deepStrictEqual([store.traceId, store.parentSpanId, store.kind, store.status.code], [
        TRACE,
        life.spanId,
        2,
        0,
      ]);
      deepStrictEqual(
        ["rpc.system", "rpc.service", "rpc.method", "gen_ai.tool.name", "gen_ai.agent.name"].map((key) => {
          return store.attributes[key];
        }),
        ["clove", "state", "store", "state.store", "worker"],
      );
      const read = await receiver.span("fs.read");
      deepStrictEqual([read.status.code, read.attributes["error.type"]], [2, "denied"]);
      const http = await receiver.span("net.http");
      deepStrictEqual(receiver.headers, [`00-${TRACE}-${http.spanId}-01`]);
      const send = await receiver.span("ipc.send");
      strictEqual(message!.traceparent, `00-${TRACE}-${send.spanId}-01`);
      const never = await receiver.span("invoke_agent never");
      strictEqual(never.status.code, 2);
      notStrictEqual(never.traceId, TRACE);
      for (const span of receiver.spans) {
        ok(
          !JSON.stringify(span).includes("/etc/shadow"),
          "no arguments in spans",
        );
      }
    } finally {
      kernel.kill("SIGTERM");
      await kernel.status;
      await Deno.remove(dir, { recursive: true });
    }
  },
);

Deno.test("without telemetry nothing is measured, and a trace that a request brings is still carried on", async () => {
  await using receiver = new Receiver();
  await using kernel = await startKernel({ sandbox: false, data: null, onLog: () => {} });
  strictEqual(kernel.services.telemetry, null);
  await using clove = await connect({ transport: kernel.connect() });
  await clove.ipc.register({ name: "listener" });
  await clove.ipc.send({ to_name: "listener", message: 1 });
  await clove.ipc.send({ to_name: "listener", message: 2, traceparent: GIVEN });
  await clove.ipc.send({ to_name: "listener", message: 3, traceparent: "no such thing" });
  await clove.ipc.broadcast({ message: 4, traceparent: GIVEN, include_self: true });
  const { messages } = await clove.ipc.recv({});
  deepStrictEqual(messages.map(({ traceparent }) => traceparent), [undefined, GIVEN, undefined, GIVEN]);
  await clove.net.http({ url: `${receiver.url}/`, traceparent: GIVEN });
  await clove.net.http({ url: `${receiver.url}/`, headers: { Traceparent: "mine" }, traceparent: GIVEN });
  await clove.net.http({ url: `${receiver.url}/` });
  deepStrictEqual(receiver.headers, [GIVEN, "mine", null]);
  await clove.agent.spawn({ name: "env", command: ["sh", "-c", "echo $TRACEPARENT"], traceparent: GIVEN });
  await clove.agent.wait({ name: "env" });
  let text = "";
  for await (const part of clove.agent.output({ name: "env" })) text += part.text;
  strictEqual(text, `${GIVEN}\n`);
  strictEqual(receiver.posts, 0);
});
