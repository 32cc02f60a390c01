import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { connect } from "@clove/sdk";
import { lacks } from "../tests/facilities.ts";
import { type Keyboard, readReply, startAsking } from "./asking.ts";
import { questionText } from "./commands/approvals.ts";
import { clove, command, Lines, Scratch, testKernel } from "./fixture_test.ts";
import { termsText } from "./grant_text.ts";

/** Asks once for what its argument says, and says what came of it. */
const ASKER = `import { connect } from "@clove/sdk";
await using clove = await connect();
const { status, answer, message } = await clove.perms.request({
  rules: Deno.args[0],
  reason: "I \\u001b[31mneed\\u202e it",
  timeout_ms: 20_000,
});
console.log(status, answer ?? "-", message ?? "-");
`;

Deno.test("perms grant, revoke and explain: yes, no, and by which rule", async () => {
  await using test = await testKernel();
  const { env } = test;
  await clove(["spawn", "--name", "a", "--level", "minimal", "--", "sleep", "60"], { env });
  const explain = (...act: string[]) => clove(["perms", "explain", "a", ...act], { env });
  const no = await explain("fs.read:/srv/x");
  strictEqual(no.status, 1);
  strictEqual(
    no.stdout,
    "no  fs.read:/srv/x\n  refused by  level minimal: fs.read allows nothing\n" +
      "  to allow it  clove perms grant a fs.read:/srv/x\n",
  );
  const granted = await clove([
    "perms",
    "grant",
    "a",
    "fs.read:/srv/**",
    "net:https://example.com GET /v1/**",
    "--for",
    "10m",
    "--uses",
    "5",
  ], { env });
  match(
    granted.stdout,
    /^grant 1 to a \(\d+\), for (10m00s|9m\d\ds), 5 uses left: fs\.read:\/srv\/\*\*; net:https:\/\/example\.com GET \/v1\/\*\*\n$/,
  );
  const yes = await explain("net:https://example.com/v1/x", "GET");
  strictEqual(yes.status, 0);
  match(yes.stdout, /^yes {2}net:.*\n {2}allowed by {2}grant 1 by the operator: net:/);
  const shown = await clove(["perms", "show", "a"], { env });
  match(shown.stdout, /\n# grant 1, by the operator, for .*, 5 uses left: fs\.read:\/srv\/\*\*; net:/);
  strictEqual((await clove(["perms", "revoke", "a", "7"], { env })).status, 1);
  match((await clove(["perms", "revoke", "a"], { env })).stdout, /^a \(\d+\): revoked 1\n$/);
  match((await clove(["perms", "revoke", "a"], { env })).stdout, /no grants/);
  strictEqual((await explain("fs.read:/srv/x")).status, 1);
});

Deno.test("perms says what is wrong with a command line before it asks a kernel", async () => {
  const env = { CLOVE_SOCKET: "/no/such/clove.sock" };
  const tries: [string[], RegExp][] = [
    [["perms"], /choose from show, set, grant, revoke, explain/],
    [["perms", "give", "a", "x"], /choose from/],
    [["perms", "grant", "a"], /RULE/],
    [["perms", "grant", "a", "env:X", "--for", "soon"], /no time/],
    [["perms", "grant", "a", "env:X", "--uses", "0.5"], /no whole number/],
    [["perms", "revoke", "a", "first"], /no whole number/],
    [["perms", "explain", "a"], /ACT/],
    [["approvals", "answer", "1"], /ID and an answer/],
    [["approvals", "answer", "1", "yes"], /choose from once, for TIME/],
    [["approvals", "answer", "1", "for"], /choose from once, for TIME/],
    [["approvals", "answer", "x", "once"], /no whole number/],
  ];
  for (const [args, text] of tries) {
    const { status, stderr } = await clove(args, { env });
    strictEqual(status, 2, args.join(" "));
    match(stderr, text);
  }
});

Deno.test("approvals: a question is seen as it comes, shown escaped, and answered", async () => {
  await using test = await testKernel();
  await using scratch = await Scratch.make({ "asker.ts": ASKER });
  const { env } = test;
  const following = command(["approvals", "-f"], { env }).spawn();
  const news = new Lines(following.stdout);
  const run = command(["run", "--name", "asker", scratch.at("asker.ts"), "fs.read:/srv/x"], { env }).spawn();
  const output = new Lines(run.stdout);
  match(
    (await news.next())!,
    /^1 asked asker \(\d+\) fs\.read:\/srv\/x because: I \\u001b\[31mneed\\u202e it$/,
  );
  const [list, shown] = await Promise.all([
    clove(["approvals"], { env }),
    clove(["approvals", "show", "1"], { env }),
  ]);
  match(list.stdout, /^ID +AGENT.*\n 1 +asker \(\d+\) +pending +\d+s ago +fs\.read:\/srv\/x +I \\u001b/);
  match(
    shown.stdout,
    /^question {2}1\nagent .*\nwants {5}fs\.read:\/srv\/x\nreason {4}I \\u001b\[31mneed\\u202e it\n/,
  );
  const answered = await clove(["approvals", "answer", "1", "for", "5m", "--message", "fine"], { env });
  match(answered.stdout, /\nstatus {4}granted\ngranted {3}fs\.read:\/srv\/x, for (5m00s|4m59s)\n/);
  strictEqual(await output.next(), "granted for fine");
  match((await news.next())!, /^1 granted /);
  const again = await clove(["approvals", "answer", "1", "deny"], { env });
  deepStrictEqual([again.status, /it is granted/.test(again.stderr)], [1, true]);
  following.kill("SIGTERM");
  await Promise.all([following.status, run.status, following.stderr.cancel(), run.stderr.cancel()]);
});

Deno.test("what was given for good is listed, given again, and forgotten", async () => {
  await using test = await testKernel();
  await using scratch = await Scratch.make({ "asker.ts": ASKER });
  const { env } = test;
  const ask = () => clove(["run", "--name", "asker", scratch.at("asker.ts"), "fs.read:/srv/x"], { env });
  await using operator = await connect({ transport: test.kernel.connect() });
  const first = ask();
  for await (const { action, request } of operator.perms.approvals({ watch: true })) {
    if (action !== "asked") continue;
    await operator.perms.answer({ request_id: request!.request_id, answer: "always" });
    break;
  }
  strictEqual((await first).stdout, "granted always -\n");
  strictEqual((await ask()).stdout, "held - -\n");
  match(
    (await clove(["approvals", "--all"], { env })).stdout,
    /\nFOR GOOD +RULES\nasker +fs\.read:\/srv\/x\n/,
  );
  strictEqual((await clove(["perms", "revoke", "--kept", "asker"], { env })).stdout, "fs.read:/srv/x\n");
  strictEqual((await clove(["perms", "revoke", "--kept", "asker"], { env })).stdout, "Nothing was kept\n");
});

Deno.test("a reply means yes only where it says so", () => {
  for (const line of [null, "", "n", "no", "Y es", "10", "y10m", "ok", "forever", "0s", "-1m", "once more"]) {
    deepStrictEqual(readReply(line), { answer: "deny" }, JSON.stringify(line));
  }
  for (const line of ["y", " YES ", "once"]) deepStrictEqual(readReply(line), { answer: "once" });
  deepStrictEqual(readReply("10m"), { answer: "for", duration_ms: 600_000 });
  deepStrictEqual(readReply("life"), { answer: "life" });
  deepStrictEqual(readReply("always"), { answer: "always" });
});

Deno.test("only agents of this connection, and those below them, are asked about", async () => {
  await using test = await testKernel();
  await using scratch = await Scratch.make({
    "asker.ts": ASKER,
    "parent.ts": `import { connect } from "@clove/sdk";
      await using clove = await connect();
      const { agent_id } = await clove.agent.spawn({ script: Deno.args[0], name: "child", args: ["env:CHILD"] });
      await clove.agent.wait({ id: agent_id });`,
  });
  await using mine = await connect({ transport: test.kernel.connect() });
  await using theirs = await connect({ transport: test.kernel.connect() });
  let asked = 0;
  const keyboard: Keyboard = { line: () => Promise.resolve(++asked === 1 ? "y" : null) };
  const asking = await startAsking(mine, keyboard);
  const script = scratch.at("asker.ts");
  const stranger = await theirs.agent.spawn({ script, args: ["env:STRANGER"], name: "stranger" });
  const parent = await mine.agent.spawn({ script: scratch.at("parent.ts"), args: [script], name: "parent" });
  await mine.agent.wait({ id: parent.agent_id });
  strictEqual(asked, 1);
  const { requests } = await mine.perms.approvals({ all: true }).result;
  deepStrictEqual(
    requests.map(({ agent_name, status }) => `${agent_name} ${status}`).sort(),
    ["child granted", "stranger pending"],
  );
  asking.stop();
  await mine.agent.kill({ id: stranger.agent_id, grace_ms: 0 });
});

Deno.test("run --ask asks nobody where there is no terminal", async () => {
  await using scratch = await Scratch.make({ "asker.ts": ASKER });
  const { status, stderr } = await clove(["run", "--ask", scratch.at("asker.ts"), "env:X"]);
  strictEqual(status, 125);
  match(stderr, /--ask needs a terminal/);
});

Deno.test("run --ask puts the question to whoever sits there", {
  ignore: lacks("linux", "python3"),
}, async () => {
  await using scratch = await Scratch.make({ "asker.ts": ASKER });
  const [driver, main] = ["../tests/on_terminal.py", "./main.ts"].map((path) => {
    return fileURLToPath(new URL(path, import.meta.url));
  });
  const steps = JSON.stringify([["\\[N\\] no", "y\n"]]);
  const argv = [Deno.execPath(), "run", "-A", main!, "run", "--ask", scratch.at("asker.ts"), "env:ASKED"];
  const { stdout } = await new Deno.Command("python3", {
    args: [driver!, "24", "80", "60", steps, "--", ...argv],
    env: { NO_COLOR: "1", CLOVE_NO_SANDBOX: "1", CLOVE_SOCKET: "/tmp/clove-test-nobody/clove.sock" },
  }).output();
  const text = new TextDecoder().decode(stdout);
  match(text, /asks for\r?\n +env:ASKED\r?\n +because it says: I \\u001b\[31mneed\\u202e it/);
  match(text, /granted, once\r?\n/);
  match(text, /granted once -/);
});

Deno.test("grants and questions are told in a few words", () => {
  strictEqual(termsText({ from: 7, from_name: "", until: 61_000 }, 1_000), "by an agent (7), for 1m00s");
  strictEqual(termsText({ uses_left: 1, kept: true }), "for good, 1 use left");
  const question = {
    success: true,
    request_id: 3,
    agent_id: 7,
    agent_name: "a\u202eb",
    rules: ["env:A", "env:B"],
    reason: "",
    status: "denied",
    asked_at: 0,
    expires_at: 0,
    answer: "deny",
    message: "no\n",
  } as const;
  strictEqual(
    questionText({ ...question, rules: [...question.rules] }),
    "question  3\nagent     a\\u202eb (7)\nwants     env:A\n          env:B\nreason    none was given\n" +
      "status    denied\nmessage   no\\n\n",
  );
});
