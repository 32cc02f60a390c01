import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { startKernel } from "../kernel/main.ts";
import { clove, Scratch, testKernel } from "./fixture_test.ts";

Deno.test("logs: what makes no sense is refused", async () => {
  const cases: [string[], RegExp][] = [
    [["logs", "--grep", "/(/", "x"], /Cannot use --grep "\/\(\/": a "\(" is not closed/],
    [["logs", "--since", "then", "x"], /Cannot use --since "then"/],
    [["logs", "--tail", "4K", "--earlier", "x"], /Cannot use --tail with --earlier/],
  ];
  const results = await Promise.all(cases.map(([args]) => clove(args)));
  for (const [i, { status, stderr }] of results.entries()) {
    strictEqual(status, 2);
    match(stderr, cases[i]![1]);
  }
});

Deno.test("logs: by time, by pattern, by stream", async () => {
  await using test = await testKernel();
  const { env } = test;
  await using client = await connect({ transport: test.kernel.connect() });
  const script = "echo old error; sleep 1; echo new error; echo all well; echo 'worse ERROR' >&2";
  await client.agent.spawn({ name: "talker", command: ["sh", "-c", script] });
  await client.agent.wait({ name: "talker" });
  const at = new Date(Date.now() - 700).toISOString();
  const [since, ago, text, regex, out, err, time] = await Promise.all([
    clove(["logs", "--since", at, "talker"], { env }),
    clove(["logs", "--since", "1h", "talker"], { env }),
    clove(["logs", "--grep", "error", "talker"], { env }),
    clove(["logs", "--grep", "/^(new|worse) error$/i", "talker"], { env }),
    clove(["logs", "--stdout", "talker"], { env }),
    clove(["logs", "--stderr", "talker"], { env }),
    clove(["logs", "--time", "--grep", "well", "talker"], { env }),
  ]);
  deepStrictEqual([since.stdout, since.stderr], ["new error\nall well\n", "worse ERROR\n"]);
  strictEqual(ago.stdout, "old error\nnew error\nall well\n");
  deepStrictEqual([text.stdout, text.stderr], ["old error\nnew error\n", ""]);
  deepStrictEqual([regex.stdout, regex.stderr], ["new error\n", "worse ERROR\n"]);
  deepStrictEqual([out.stdout, out.stderr], ["old error\nnew error\nall well\n", ""]);
  deepStrictEqual([err.stdout, err.stderr], ["", "worse ERROR\n"]);
  match(time.stdout, /^\d{4}-\d\d-\d\dT[\d:.]+Z all well\n$/);
});

Deno.test("logs: the output of an agent outlives its kernel", async () => {
  await using scratch = await Scratch.make();
  const socket = scratch.at("clove.sock");
  const options = { socket, data: scratch.at("data"), sandbox: false, onLog: () => {} };
  const env = { CLOVE_SOCKET: socket };
  {
    await using kernel = await startKernel(options);
    await using client = await connect({ transport: kernel.connect() });
    await client.agent.spawn({ name: "worker", command: ["sh", "-c", "echo first life; echo oops >&2"] });
    await client.agent.wait({ name: "worker" });
  }
  await using kernel = await startKernel(options);
  await using client = await connect({ transport: kernel.connect() });
  const before = await clove(["logs", "worker"], { env });
  deepStrictEqual([before.status, before.stdout, before.stderr], [0, "first life\n", "oops\n"]);
  await client.agent.spawn({ name: "worker", command: ["echo", "second life"] });
  await client.agent.wait({ name: "worker" });
  const [now, both, none] = await Promise.all([
    clove(["logs", "worker"], { env }),
    clove(["logs", "--earlier", "--stdout", "worker"], { env }),
    clove(["logs", "nobody"], { env }),
  ]);
  strictEqual(now.stdout, "second life\n");
  strictEqual(both.stdout, "first life\nsecond life\n");
  strictEqual(none.status, 1);
  match(none.stderr, /Agent not found: "nobody"/);
});
