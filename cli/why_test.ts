import { match, ok, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { startKernel } from "../kernel/main.ts";
import { clove, Scratch, testKernel } from "./fixture_test.ts";

const AGENT = `
import { connect } from "@clove/sdk";
const clove = await connect();
await clove.state.store({ key: "progress", value: 1 });
for (let i = 0; i < 3; i++) await clove.fs.read({ path: "/etc/shadow" }).catch(() => {});
console.log("one\\u001b[31m line");
console.error("about to fail");
Deno.exit(7);
`;

Deno.test("why: nobody is nobody", async () => {
  await using test = await testKernel();
  const { status, stderr } = await clove(["why", "nobody"], { env: test.env });
  strictEqual(status, 1);
  match(stderr, /Agent not found: "nobody"/);
});

Deno.test("why: cause, calls, refusals, output and limits, on one screen, with nothing to obey", async () => {
  await using test = await testKernel();
  const { env } = test;
  await using scratch = await Scratch.make({ "agent.ts": AGENT });
  await using client = await connect({ transport: test.kernel.connect() });
  await client.agent.spawn({
    name: "worker",
    script: scratch.at("agent.ts"),
    level: "sandboxed",
    limits: { memory: 512 * 1024 * 1024 },
  });
  await client.agent.wait({ name: "worker" });
  const { status, stdout, stderr } = await clove(["why", "worker"], { env });
  strictEqual(status, 0, stderr);
  match(stdout, /^worker \(\d+\) exited with status 7 after [\d.]+ s\n/);
  match(stdout, /^ {2}memory +(at most .*, )?limit 512 MiB$/m);
  match(stdout, /^ {2}restarts +0, policy never$/m);
  match(stdout, /^happened\n[^]*AGENT_SPAWNED[^]*AGENT_EXITED/m);
  match(
    stdout,
    /^ {2}\S+ +fs\.read:\/etc\/shadow \(fs\.read\), and 2 times more\n +refused by level sandboxed.*\n +to allow it: start it with --allow 'fs\.read:\/etc\/shadow'$/m,
  );
  match(
    stdout,
    /^last calls\n[^]*state\.store progress {2}ok, [\d.]+ ms\n[^]*fs\.read \/etc\/shadow {2}denied, /m,
  );
  match(stdout, /^ {4}one\\u001b\[31m line$/m);
  match(stdout, /^ {2}! about to fail$/m);
  ok(!stdout.includes("\u001b"));
  ok(stdout.split("\n").length <= 40, stdout);
  for (const line of stdout.split("\n")) ok(line.length <= 240, line);

  const json = JSON.parse((await clove(["why", "--json", "worker"], { env })).stdout);
  strictEqual(json.exit.exit_code, 7);
  strictEqual(json.denials[0].repeated, 2);
});

Deno.test("why: restarts until it was given up, and who stopped it", async () => {
  await using test = await testKernel();
  const { env } = test;
  await using client = await connect({ transport: test.kernel.connect() });
  await client.agent.spawn({
    name: "flaky",
    command: ["false"],
    restart_policy: "on-failure",
    max_restarts: 2,
    restart_backoff_ms: 10,
  });
  await client.agent.wait({ name: "flaky" });
  await client.agent.spawn({ name: "sleeper", command: ["sleep", "60"] });
  const alive = await clove(["why", "sleeper"], { env });
  match(alive.stdout, /^sleeper \(\d+\) is running\n[^]* running +process \d+, for \d+s\n/);
  await clove(["kill", "--now", "sleeper"], { env });
  const [flaky, sleeper] = await Promise.all([
    clove(["why", "flaky"], { env }),
    clove(["why", "sleeper"], { env }),
  ]);
  match(flaky.stdout, /^flaky \(\d+\) exited with status 1 after [\d.]+ s; given up after 2 restarts\n/);
  match(flaky.stdout, /restarts +2, policy on-failure[^]*AGENT_RESTARTING[^]*AGENT_ESCALATED/);
  match(sleeper.stdout, /^sleeper \(\d+\) was stopped by (operator|number).*: .*SIG(TERM|KILL).* after /);
});

Deno.test("why: an agent of an earlier kernel is known by its audit lines and its output", async () => {
  await using scratch = await Scratch.make();
  const socket = scratch.at("clove.sock");
  const options = { socket, data: scratch.at("data"), sandbox: false, onLog: () => {} };
  {
    await using kernel = await startKernel(options);
    await using client = await connect({ transport: kernel.connect() });
    await client.agent.spawn({ name: "worker", command: ["sh", "-c", "echo famous last words; exit 4"] });
    await client.agent.wait({ name: "worker" });
  }
  await using _kernel = await startKernel(options);
  const { status, stdout, stderr } = await clove(["why", "worker"], { env: { CLOVE_SOCKET: socket } });
  strictEqual(status, 0, stderr);
  match(
    stdout,
    /^worker \(\d+\) exited with status 4 after [^]*kernel +an earlier one[^]*famous last words\n$/,
  );
});
