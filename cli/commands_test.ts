import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { clove, command, Lines, Scratch, testKernel } from "./fixture_test.ts";

Deno.test("agents: spawned, listed, paused, resumed, killed, and read afterwards", async () => {
  await using test = await testKernel();
  const { env } = test;
  const spawned = await clove([
    "spawn",
    "--name",
    "worker",
    "--",
    "sh",
    "-c",
    "echo one; echo two >&2; exec sleep 60",
  ], {
    env,
  });
  strictEqual(spawned.stdout, "worker\n");
  match(spawned.stderr, /started without the walls pid, mount/);

  const taken = await clove(["spawn", "--name", "worker", "--", "true"], { env });
  strictEqual(taken.status, 1);
  match(taken.stderr, /the name is taken/);

  const [table, json] = await Promise.all([clove(["ps"], { env }), clove(["ps", "--json"], { env })]);
  match(
    table.stdout,
    /^ID +NAME +STATE +PID +UPTIME +CPU +MEMORY +LEVEL +WALLS\n *\d+ +worker +running +\d+ .* none\n$/,
  );
  const [agent] = JSON.parse(json.stdout);
  strictEqual(agent.name, "worker");

  strictEqual((await clove(["pause", String(agent.id)], { env })).status, 0);
  const again = await clove(["pause", "worker", "nobody"], { env });
  strictEqual(again.status, 1);
  match(again.stderr, /it is paused[^]*Agent not found: "nobody"/);
  strictEqual((await clove(["resume", "worker"], { env })).status, 0);
  strictEqual((await clove(["kill", "--now", "worker"], { env })).status, 0);

  const [logs, tail, all, none] = await Promise.all([
    clove(["logs", "worker"], { env }),
    clove(["logs", "--tail", "4", "worker"], { env }),
    clove(["ps", "-a"], { env }),
    clove(["ps"], { env }),
  ]);
  deepStrictEqual([logs.stdout, logs.stderr], ["one\n", "two\n"]);
  deepStrictEqual([tail.stdout, tail.stderr], ["", "two\n"]);
  match(all.stdout, /worker +stopped .*SIGTERM|worker +stopped .*killed/);
  strictEqual(none.stdout.split("\n").length, 2);
});

Deno.test("logs -f shows output as it comes, and ends with the agent", async () => {
  await using test = await testKernel();
  const { env } = test;
  await using client = await connect({ transport: test.kernel.connect() });
  const script = "echo first; read line; echo last $line";
  await client.agent.spawn({ name: "talker", command: ["sh", "-c", script], stdin: true });
  const child = command(["logs", "-f", "talker"], { env }).spawn();
  const lines = new Lines(child.stdout);
  strictEqual(await lines.next(), "first");
  await client.agent.input({ name: "talker", text: "word\n", end: true });
  strictEqual(await lines.next(), "last word");
  await child.stderr.cancel();
  strictEqual((await child.status).code, 0);
});

Deno.test("exec ends with the command's status, and gives its bytes as they are", async () => {
  await using test = await testKernel();
  const { env } = test;
  const [failed, binary, input, late, ended, missing] = await Promise.all([
    clove(["exec", "--", "sh", "-c", "echo out; echo err >&2; exit 3"], { env }),
    command(["exec", "--", "printf", "\\377\\000"], { env }).output(),
    clove(["exec", "-i", "--", "cat"], { env, input: "handed over" }),
    clove(["exec", "--timeout", "200ms", "--", "sh", "-c", "echo early; sleep 20"], { env }),
    clove(["exec", "--", "sh", "-c", "kill -TERM $$"], { env }),
    clove(["exec", "--", "clove-no-such-program"], { env }),
  ]);
  deepStrictEqual(failed, { status: 3, stdout: "out\n", stderr: "err\n" });
  deepStrictEqual([...binary.stdout], [0xff, 0]);
  strictEqual(input.stdout, "handed over");
  strictEqual(late.status, 124);
  strictEqual(late.stdout, "early\n");
  strictEqual(ended.status, 143);
  strictEqual(missing.status, 127);
});

Deno.test("state: set, get, list, watch and delete, as text and as JSON", async () => {
  await using test = await testKernel();
  const { env } = test;
  const absent = await clove(["state", "get", "greeting"], { env });
  deepStrictEqual([absent.status, absent.stdout], [1, ""]);

  const watch = command(["state", "watch", "--json"], { env }).spawn();
  const changes = new Lines(watch.stdout);
  strictEqual(JSON.parse((await changes.next())!).action, "watching");
  strictEqual((await clove(["state", "set", "greeting"], { env, input: "hello" })).status, 0);
  strictEqual((await clove(["state", "set", "--json", "list", "[1,2]"], { env })).status, 0);
  const badJson = await clove(["state", "set", "--json", "list", "[1,"], { env });
  deepStrictEqual([badJson.status, badJson.stdout], [2, ""]);

  const [text, list, json, keys] = await Promise.all([
    clove(["state", "get", "greeting"], { env }),
    clove(["state", "get", "list"], { env }),
    clove(["state", "get", "--json", "greeting"], { env }),
    clove(["state", "keys"], { env }),
  ]);
  deepStrictEqual([text.stdout, list.stdout, json.stdout, keys.stdout], [
    "hello\n",
    "[1,2]\n",
    '"hello"\n',
    "greeting\nlist\n",
  ]);
  const gone = await clove(["state", "delete", "list", "nothing"], { env });
  deepStrictEqual([gone.status, gone.stderr], [1, 'clove: there was no "nothing"\n']);
  const seen = [await changes.next(), await changes.next(), await changes.next()].map((line) =>
    JSON.parse(line!)
  );
  deepStrictEqual(seen.map(({ action, key }) => [action, key]), [["store", "greeting"], ["store", "list"], [
    "delete",
    "list",
  ]]);
  watch.kill("SIGTERM");
  await Promise.all([changes.rest(), watch.stderr.cancel(), watch.status]);
});

Deno.test("events are shown as they happen, and what agents put into them is escaped", async () => {
  await using test = await testKernel();
  const { events } = test.kernel.services;
  const child = command(["events", "-n", "2", "CUSTOM", "AGENT_EXITED"], { env: test.env }).spawn();
  const lines = new Lines(child.stdout);
  // It has subscribed when an event reaches somebody.
  const timer = setInterval(
    () => events.emit("CUSTOM", { custom_type: "tick", text: "\u001b[2J\u202e" }),
    20,
  );
  const line = await lines.next();
  match(line!, /^\d{4}-\d\d-\d\dT[\d:.]+Z {2}CUSTOM tick +0 {2}\{.*"text":"\\u001b\[2J\\u202e"\}$/);
  ok(await lines.next());
  clearInterval(timer);
  strictEqual(await lines.next(), null);
  await child.stderr.cancel();
  strictEqual((await child.status).code, 0);
});

Deno.test("perms: shown as a policy file, set to a level or from such a file", async () => {
  await using test = await testKernel();
  await using scratch = await Scratch.make({ "rules": "# two\nfs.read:/srv/data/**\nstate:*\n" });
  const { env } = test;
  await clove(["spawn", "--name", "a", "--level", "readonly", "--", "sleep", "60"], { env });
  const shown = await clove(["perms", "show", "a"], { env });
  match(shown.stdout, /^# a \(\d+\), level readonly\nlevel:readonly\n$/);
  const set = await clove(["perms", "set", "a", "--policy", scratch.at("rules")], { env });
  match(set.stdout, /level custom\n[^]*fs\.read:\/srv\/data\//);
  const [nobody, noLevel, both] = await Promise.all([
    clove(["perms", "show", "nobody"], { env }),
    clove(["perms", "set", "a", "highest"], { env }),
    clove(["perms", "set", "a", "minimal", "--policy", "x"], { env }),
  ]);
  deepStrictEqual([nobody.status, noLevel.status, both.status], [1, 2, 2]);
  match(nobody.stderr, /nobody has that name or number/);
});

Deno.test("doctor names every wall, also without a kernel", async () => {
  const [text, json] = await Promise.all([clove(["doctor"]), clove(["doctor", "--json"])]);
  strictEqual(text.status, 0);
  const { walls } = JSON.parse(json.stdout);
  strictEqual(walls.length, 10);
  for (const { wall } of walls) match(text.stdout, new RegExp(`^${wall} +(yes|no) `, "m"));
});

Deno.test("kernel: starts on the socket that was named, and ends in order on SIGTERM", async () => {
  await using scratch = await Scratch.make();
  const socket = scratch.at("clove.sock");
  const child = command(["--socket", socket, "kernel", "--ephemeral"]).spawn();
  const log = new Lines(child.stderr);
  for (let line; (line = await log.next()) !== null && !line.includes("the kernel is ready"););
  deepStrictEqual(await clove(["--socket", socket, "ps", "--json"]), {
    status: 0,
    stdout: "[]\n",
    stderr: "",
  });
  child.kill("SIGTERM");
  await Promise.all([log.rest(), child.stdout.cancel()]);
  strictEqual((await child.status).code, 0);
});
