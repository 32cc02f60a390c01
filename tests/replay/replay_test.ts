/** Runs of real programs, recorded and replayed. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { lacks } from "../facilities.ts";
import { openBench } from "./fixture.ts";

/** Uses chance, time, timers, concurrent calls, and a wait that times out. */
const BUSY = `import { connect } from "@clove/sdk";
await using clove = await connect();
console.log(Date.now(), Math.random(), crypto.randomUUID(), new Date().toISOString());
await clove.state.store({ key: "a", value: { n: Math.random(), at: Date.now(), id: crypto.randomUUID() } });
let ticks = 0;
const timer = setInterval(() => ticks++, 7);
await Promise.all([clove.state.fetch({ key: "a" }), clove.fs.write({ path: "/work/x", content: "hello" })]);
await new Promise((resolve) => setTimeout(resolve, 60));
await clove.ipc.recv({ wait: true, timeout_ms: 50 });
clearInterval(timer);
await clove.state.store({ key: "ticks", value: { ticks, now: Date.now(), p: performance.now() } });
const { content } = await clove.fs.read({ path: "/work/x" });
console.log(content, ticks);
`;

Deno.test("a changed line is found at the exact call, with what is different", async () => {
  await using bench = await openBench();
  const script = await bench.program(BUSY);
  const { file } = await bench.record(script);
  await bench.program(BUSY.replace("timeout_ms: 50", "timeout_ms: 51"));
  const { state, diverged_at, divergence } = await bench.replay(file);
  strictEqual(state, "diverged");
  // hello, store, fetch, write, recv: counted from 0.
  strictEqual(diverged_at, 4);
  match(divergence!.message, /^diverged at call 4: /);
  deepStrictEqual(divergence!.differences, [{ path: "params.timeout_ms", expected: "50", actual: "51" }]);
});

Deno.test("a program that ends early, goes on, or ends otherwise has diverged", async () => {
  await using bench = await openBench();
  const store = (key: string) => `await clove.state.store({ key: "${key}", value: 1 });\n`;
  const head = 'import { connect } from "@clove/sdk";\nawait using clove = await connect();\n';
  const script = await bench.program(head + store("a") + store("b"));
  const { file } = await bench.record(script);
  for (
    const [text, at, why] of [
      [head + store("a"), 2, /the program ended .*recorded was state\.store/],
      [
        head + store("a") + store("b") + store("c"),
        3,
        /the program called state\.store, recorded was its end/,
      ],
      [`${head}${store("a")}${store("b")}Deno.exit(3);`, 3, /the program exited with status 3/],
    ] as const
  ) {
    await bench.program(text);
    const { diverged_at, divergence } = await bench.replay(file);
    strictEqual(diverged_at, at);
    match(divergence!.message, why);
  }
});

Deno.test("100 replays of an unchanged program are 100 identical runs", async () => {
  await using bench = await openBench();
  const { file, output } = await bench.record(await bench.program(BUSY));
  const traces = new Set<string>();
  let left = 100;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const run = await bench.replay(file);
      deepStrictEqual(run.errors, []);
      strictEqual(run.state, "completed");
      strictEqual(run.output, output);
      traces.add(run.trace_sha256!);
    }
  };
  await Promise.all([work(), work(), work()]);
  strictEqual(traces.size, 1);
});

Deno.test("a replay touches nothing: what the program stored, sent and wrote was only said", async () => {
  await using bench = await openBench();
  const { file } = await bench.record(await bench.program(BUSY));
  strictEqual((await bench.clove.state.fetch({ key: "ticks" })).exists, true);
  await bench.clove.state.delete({ key: "ticks" });
  strictEqual((await bench.replay(file)).state, "completed");
  strictEqual((await bench.clove.state.fetch({ key: "ticks" })).exists, false);
});

Deno.test("what came on standard input and what Deno was refused come again", async () => {
  await using bench = await openBench();
  const text = `import { connect } from "@clove/sdk";
await using clove = await connect();
const input = await new Response(Deno.stdin.readable).text();
const refused = await Deno.readTextFile("/etc/hostname").then(() => "read", (error) => error.name);
await clove.state.store({ key: "in", value: { input, refused } });
`;
  const file = `${bench.dir}/input.jsonl`;
  const script = await bench.program(text);
  const { agent_id } = await bench.clove.agent.spawn({ script, record: file, stdin: true });
  await bench.clove.agent.input({ id: agent_id, text: "one " });
  await bench.clove.agent.input({ id: agent_id, text: "two", end: true });
  strictEqual((await bench.clove.agent.wait({ id: agent_id })).exit_code, 0);
  deepStrictEqual((await bench.clove.state.fetch({ key: "in" })).value, {
    input: "one two",
    refused: "NotCapable",
  });
  const run = await bench.replay(file);
  deepStrictEqual([run.errors, run.state], [[], "completed"]);
});

Deno.test("a replay waits for no timer", async () => {
  await using bench = await openBench();
  const text = `import { connect } from "@clove/sdk";
await using clove = await connect();
const before = Date.now();
await new Promise((resolve) => setTimeout(resolve, 3_000));
await clove.state.store({ key: "slept", value: Date.now() - before });
`;
  const { file } = await bench.record(await bench.program(text));
  const began = performance.now();
  strictEqual((await bench.replay(file)).state, "completed");
  ok(performance.now() - began < 2_500);
});

Deno.test("events, streams and given-up calls come again as they came", async () => {
  await using bench = await openBench();
  const text = `import { connect } from "@clove/sdk";
await using clove = await connect();
const events = clove.events(["CUSTOM"]);
await clove.event.emit({ event: "one", data: { n: 1 } });
await clove.event.emit({ event: "two", data: { n: 2 } });
const seen = [];
for await (const event of events) {
  seen.push(event.event_type);
  if (seen.length === 2) break;
}
const giveUp = AbortSignal.timeout(80);
await clove.ipc.recv({ wait: true, timeout_ms: 5_000 }, { signal: giveUp }).catch(() => seen.push("given up"));
await clove.state.store({ key: "seen", value: seen });
console.log(seen.join());
`;
  const { file, output } = await bench.record(await bench.program(text));
  strictEqual(output, "one,two,given up\n");
  const run = await bench.replay(file);
  deepStrictEqual(run.errors, []);
  strictEqual(run.state, "completed");
  strictEqual(run.output, output);
});

Deno.test("agents that a recorded agent spawns are recorded too, and each is replayed by itself", async () => {
  await using bench = await openBench();
  const child = await bench.program(
    `import { connect } from "@clove/sdk";
await using clove = await connect();
await clove.state.store({ key: "child", value: Math.random() });
`,
    "child.ts",
  );
  const { file } = await bench.record(
    await bench.program(`import { connect } from "@clove/sdk";
await using clove = await connect();
const { agent_id } = await clove.agent.spawn({ name: "child", script: ${JSON.stringify(child)} });
const { exit_code } = await clove.agent.wait({ id: agent_id });
await clove.state.store({ key: "ended", value: exit_code });
`),
    { level: "unrestricted", name: "parent" },
  );
  const { agents, complete } = await bench.clove.replay.inspect({ path: file }).result;
  deepStrictEqual(agents.map(({ name, replayable }) => [name, replayable]), [["parent", true], [
    "child",
    true,
  ]]);
  strictEqual(complete, true);
  strictEqual((await bench.replay(file)).state, "completed");
  strictEqual((await bench.replay(file, { agent: "child" })).state, "completed");
  await rejects(bench.replay(file, { agent: "nobody" }), /Cannot find the agent "nobody" in the recording/);
});

Deno.test("another answer leads the program elsewhere, from exactly that call", async () => {
  await using bench = await openBench();
  const { file } = await bench.record(
    await bench.program(`import { connect } from "@clove/sdk";
await using clove = await connect();
await clove.state.store({ key: "weather", value: "rain" });
const { value } = await clove.state.fetch({ key: "weather" });
await clove.state.store({ key: "plan", value: value === "rain" ? "stay" : "go" });
`),
  );
  await rejects(bench.replay(file, { patches: [{ call: 9, answer: {} }] }), /the recording has 4 calls/);
  const answer = { success: true, exists: true, found: true, value: "sun" };
  const run = await bench.replay(file, { patches: [{ call: 2, answer }] });
  strictEqual(run.diverged_at, 3);
  deepStrictEqual(run.divergence!.differences, [{
    path: "params.value",
    expected: '"stay"',
    actual: '"go"',
  }]);
  const live = await bench.replay(file, { patches: [{ call: 2, answer }], continue_live_from: 3 });
  deepStrictEqual([live.state, live.live, live.exit_code], ["completed", true, 0]);
  strictEqual((await bench.clove.state.fetch({ key: "plan" })).value, "go");
});

Deno.test("a point in time shows state, messages and files as they were before a call", async () => {
  await using bench = await openBench();
  const { file } = await bench.record(
    await bench.program(`import { connect } from "@clove/sdk";
await using clove = await connect();
await clove.state.store({ key: "k", value: 1 });
await clove.fs.write({ path: "/work/note", content: "a" });
await clove.ipc.send({ to: clove.agentId, message: { hi: 1 } });
await clove.ipc.recv({});
await clove.state.store({ key: "k", value: 2 });
await clove.fs.remove({ path: "/work/note" });
`),
  );
  const at = async (n: number) => {
    const { snapshot } = await bench.clove.replay.inspect({ path: file, at: n }).result;
    const { state, files, received } = snapshot as Record<string, Record<string, unknown>[]>;
    return [state!.map(({ value }) => value), files!.map(({ content }) => content), received!.length];
  };
  deepStrictEqual(await at(1), [[], [], 0]);
  deepStrictEqual(await at(4), [[1], ["a"], 0]);
  deepStrictEqual(await at(5), [[1], ["a"], 1]);
  deepStrictEqual(await at(7), [[2], [], 1]);
  await rejects(at(8), /Cannot look at call 8: the recording has 7 calls/);
});

Deno.test("a secret in a variable is not in the file, wherever the program repeats it", async () => {
  await using bench = await openBench();
  const script = await bench.program(`import { connect } from "@clove/sdk";
await using clove = await connect();
const key = Deno.env.get("API_KEY")!;
await clove.state.store({ key: "copy", value: { inner: ["x" + key] } });
await clove.fs.write({ path: "/work/f" }, { tail: new TextEncoder().encode(key) });
await clove.state.fetch({ key: "copy" });
console.log(key);
`);
  const { file, output } = await bench.record(script, { env: { API_KEY: "tulip-4711-mole", MODE: "fast" } });
  strictEqual(output, "tulip-4711-mole\n");
  const text = await Deno.readTextFile(file);
  ok(!text.includes("tulip-4711-mole") && !text.includes(btoa("tulip-4711-mole")));
  ok(text.includes("[redacted: API_KEY]") && text.includes('"MODE":"fast"'));
  strictEqual((await Deno.stat(file)).mode! & 0o777, 0o600);
});

Deno.test("only an operator records and replays files", async () => {
  await using bench = await openBench();
  const script = await bench.program(`import { connect } from "@clove/sdk";
await using clove = await connect();
for (const call of [
  () => clove.agent.spawn({ script: import.meta.filename, record: "/tmp/stolen.jsonl" }),
  () => clove.replay.start({ path: "/etc/passwd" }),
  () => clove.replay.inspect({ path: "/etc/passwd" }).result,
  () => clove.record.start({}),
]) await call().then(() => console.log("allowed"), (error) => console.log(error.code));
`);
  const { output } = await bench.record(script);
  deepStrictEqual(output.trim().split("\n"), ["denied", "denied", "denied", "denied"]);
});

Deno.test("a recording whose writer was killed is read up to its last whole line; other files are refused", async () => {
  await using bench = await openBench();
  const { file } = await bench.record(await bench.program(BUSY));
  const text = await Deno.readTextFile(file);
  const torn = `${bench.dir}/torn.jsonl`;
  await Deno.writeTextFile(torn, text.slice(0, text.lastIndexOf('"kind":"exit"') - 20));
  strictEqual((await bench.clove.replay.inspect({ path: torn }).result).complete, false);
  for (
    const [content, why] of [
      ["", /it is empty/],
      ["{}\n", /does not begin as a recording does/],
      ['{"kind":"header","clove_recording":99}\n', /its format is 99/],
      [`${text.split("\n")[0]}\n{"kind":"what"}\n`, /line 2 is of no known kind/],
      [`${text.split("\n")[0]}\n{"kind":"call"}\n`, /line 2 lacks a number/],
    ] as const
  ) {
    await Deno.writeTextFile(torn, content);
    await rejects(bench.clove.replay.start({ path: torn }), why);
  }
  await rejects(bench.clove.replay.start({ path: `${bench.dir}/none` }), /there is no such file/);
});

Deno.test({
  name: "behind walls a program is recorded, compressed, and replayed without a network",
  ignore: lacks("root"),
  async fn() {
    await using bench = await openBench({ sandbox: true });
    const { agent_id } = await bench.clove.agent.spawn({
      script: await bench.program(BUSY),
      record: `${bench.dir}/walls.jsonl.gz`,
    });
    await bench.clove.agent.wait({ id: agent_id });
    const run = await bench.replay(`${bench.dir}/walls.jsonl.gz`);
    deepStrictEqual(run.errors, []);
    strictEqual(run.state, "completed");
  },
});

for (const [how, sandbox] of [["behind walls", true], ["without walls", false]] as const) {
  Deno.test({
    name: `a replayed program reaches nobody, whatever it was allowed, ${how}`,
    ignore: sandbox && lacks("root"),
    async fn() {
      let reached = 0;
      const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
        reached++;
        return new Response("hello");
      });
      await using bench = await openBench({ sandbox });
      const url = `http://127.0.0.1:${server.addr.port}/`;
      const script = await bench.program(
        `const answer = await fetch("${url}").then((it) => it.text(), () => "refused");
console.log(answer);
`,
      );
      const { file, output } = await bench.record(script, {
        level: "sandboxed",
        policy: [`net:${url.slice(0, -1)}`],
      });
      deepStrictEqual([output, reached], ["hello\n", 1]);
      const run = await bench.replay(file);
      deepStrictEqual([run.output, reached], ["refused\n", 1]);
      await server.shutdown();
    },
  });
}

Deno.test({
  name: "a Python program gets its calls and its hashes again",
  ignore: lacks("python3"),
  async fn() {
    await using bench = await openBench();
    const script = await bench.program(
      `import json, socket, struct
s = socket.socket(fileno=3)
def call(opcode, value):
    body = json.dumps(value).encode()
    s.sendall(struct.pack("<IIBQ", 0x41474E54, 0, opcode, len(body)) + body)
    head = s.recv(17, socket.MSG_WAITALL)
    return json.loads(s.recv(struct.unpack("<Q", head[9:])[0], socket.MSG_WAITALL))
call(0x30, {"key": "h", "value": hash("word") % 1000003})
print(call(0x31, {"key": "h"})["value"] == hash("word") % 1000003)
`,
      "agent.py",
    );
    const { file, output } = await bench.record(script);
    strictEqual(output, "True\n");
    const run = await bench.replay(file);
    deepStrictEqual([run.errors, run.state, run.output], [[], "completed", output]);
  },
});
