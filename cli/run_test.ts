import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { lacks } from "../tests/facilities.ts";
import { clove, command, Lines, Scratch, testKernel } from "./fixture_test.ts";

Deno.test("run: what cannot be run is told as a shell tells it", async () => {
  await using scratch = await Scratch.make({ "notes.txt": "x", "plain.sh": "echo never" });
  const cases: [string[], number, RegExp][] = [
    [["run", scratch.at("none.ts")], 127, /there is no such file/],
    [["run", "--", "clove-no-such-program"], 127, /there is no such program/],
    [["run", "--", scratch.at("none")], 127, /there is no such file/],
    [["run", scratch.path], 126, /it is a directory/],
    [["run", scratch.at("notes.txt")], 126, /a script ends in \.ts, [^]*clove run -- /],
    [["run", "--", scratch.at("plain.sh")], 126, /it is not executable, make it so with: chmod \+x/],
    [["run", "--require", "net", "--", "true"], 126, /the wall net/],
    [["run", "--fast", "--", "true"], 125, /there is no option "--fast"/],
    [["run", "--memory", "much", "--", "true"], 125, /it is no size/],
    [["run", "--policy", scratch.at("none"), "--", "true"], 125, /Cannot read the policy/],
    [["run", "--allow", "fly:high", "--", "true"], 125, /fly/],
    [["run"], 125, /name a script, or a program after "--"/],
  ];
  const results = [];
  for (const [args] of cases) results.push(await clove(args));
  for (const [i, { status, stdout, stderr }] of results.entries()) {
    const [args, expected, message] = cases[i]!;
    strictEqual(status, expected, `${args.join(" ")}: ${stderr}`);
    strictEqual(stdout, "");
    match(stderr, message);
  }
});

Deno.test("run: the status is the program's, and 128 more than a signal's number", async () => {
  const results = await Promise.all([
    clove(["run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]),
    clove(["run", "--", "sh", "-c", "kill -KILL $$"]),
  ]);
  deepStrictEqual(results[0], { status: 7, stdout: "out\n", stderr: "err\n" });
  strictEqual(results[1]!.status, 137);
});

Deno.test("run: a Deno script and a Python script get exactly their own arguments", {
  ignore: lacks("python3"),
}, async () => {
  await using scratch = await Scratch.make({
    "a.ts": "console.log(JSON.stringify(Deno.args))",
    "a.py": "import sys, json\nprint(json.dumps(sys.argv[1:]))",
  });
  const args = ["--name", "x", "--", "-t", ""];
  const results = await Promise.all([
    clove(["run", scratch.at("a.ts"), ...args]),
    clove(["run", "a.py", ...args], { cwd: scratch.path }),
    clove(["run", "--", "printf", "<%s>", ...args]),
  ]);
  deepStrictEqual(results.map(({ status }) => status), [0, 0, 0], JSON.stringify(results));
  deepStrictEqual(JSON.parse(results[0]!.stdout), args);
  deepStrictEqual(JSON.parse(results[1]!.stdout), args);
  strictEqual(results[2]!.stdout, "<--name><x><--><-t><>");
});

Deno.test("run: output arrives while the program still runs, and input reaches it", async () => {
  const child = command(["run", "--", "sh", "-c", "echo ready; read line; echo got $line"], {}, true).spawn();
  const lines = new Lines(child.stdout);
  strictEqual(await lines.next(), "ready");
  // It waits for this line: had its output been kept until its end, the test would hang here.
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("a line\n"));
  strictEqual(await lines.next(), "got a line");
  await child.stderr.cancel();
  strictEqual((await child.status).code, 0);
  await writer.close();
});

Deno.test("run: every byte goes through, both ways", async () => {
  const bytes = new Uint8Array(300_000).map((_, i) => (i * 31 + (i >> 8)) & 0xff);
  const child = command(["run", "--", "cat"], {}, true).spawn();
  const writer = child.stdin.getWriter();
  const sent = writer.write(bytes).then(() => writer.close());
  const { code, stdout } = await child.output();
  await sent;
  strictEqual(code, 0);
  deepStrictEqual(stdout, bytes);
});

Deno.test("run: a reader that is slow loses nothing, the program waits for it", async () => {
  // More than the kernel keeps of an agent's output.
  const bytes = 12_000_000;
  const child = command(["run", "--", "head", "-c", String(bytes), "/dev/zero"]).spawn();
  const errors = new Response(child.stderr).text();
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  let read = 0;
  for await (const chunk of child.stdout) read += chunk.byteLength;
  strictEqual((await child.status).code, 0);
  strictEqual(read, bytes, await errors);
});

Deno.test("run: Ctrl-C stops the program in order, and its own status counts", async () => {
  const script = "trap 'echo cleaned up; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
  const child = command(["run", "--", "sh", "-c", script]).spawn();
  const lines = new Lines(child.stdout);
  strictEqual(await lines.next(), "ready");
  child.kill("SIGINT");
  strictEqual(await lines.next(), "cleaned up");
  await child.stderr.cancel();
  strictEqual((await child.status).code, 5);
});

Deno.test("run: a second Ctrl-C ends a program that ignores the first", async () => {
  const child = command(["run", "--", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    .spawn();
  const lines = new Lines(child.stdout);
  strictEqual(await lines.next(), "ready");
  child.kill("SIGINT");
  await new Promise((resolve) => setTimeout(resolve, 100));
  const began = performance.now();
  child.kill("SIGINT");
  await child.stderr.cancel();
  strictEqual((await child.status).code, 137);
  // The grace period is five seconds.
  ok(performance.now() - began < 3_000);
});

Deno.test("run: when nobody reads its output, the program is stopped as by SIGPIPE", async () => {
  const child = command(["run", "--", "sh", "-c", "while echo line; do :; done"]).spawn();
  await child.stderr.cancel();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  strictEqual((await child.status).code, 141);
});

Deno.test("run: a denied system call shows its receipt, and a variable can come from here", async () => {
  await using scratch = await Scratch.make({
    "ask.ts": `import { connect } from "@clove/sdk";
      await using clove = await connect();
      try {
        await clove.fs.read({ path: "/etc/shadow" });
      } catch (error) {
        console.log(error.code, error.receipt.need, Deno.env.get("TOKEN_NAME"));
      }`,
  });
  const args = ["run", "--env", "TOKEN_NAME", scratch.at("ask.ts")];
  const { status, stdout, stderr } = await clove(args, { env: { TOKEN_NAME: "from here" } });
  strictEqual(status, 0, stderr);
  strictEqual(stdout, "denied fs.read:/etc/shadow from here\n");
});

Deno.test("run: joins the kernel that answers; a program it starts can be listed and killed there", async () => {
  await using test = await testKernel();
  const child = command(["run", "--name", "joined", "--", "sh", "-c", "echo ready; exec sleep 60"], {
    env: test.env,
  })
    .spawn();
  const lines = new Lines(child.stdout);
  strictEqual(await lines.next(), "ready");
  deepStrictEqual([...test.kernel.services.agents.all()].map(({ name, state }) => [name, state]), [
    ["joined", "running"],
  ]);
  const killed = await clove(["kill", "joined"], { env: test.env });
  deepStrictEqual(killed, { status: 0, stdout: "", stderr: "" });
  await child.stderr.cancel();
  strictEqual((await child.status).code, 143);
});

Deno.test("run: leaves nothing behind", async () => {
  const left = async (): Promise<string[]> => {
    const names = [];
    for await (const { name } of Deno.readDir(Deno.env.get("TMPDIR") ?? "/tmp")) {
      if (name.startsWith("clove-cli-")) names.push(name);
    }
    return names.sort();
  };
  const before = await left();
  strictEqual((await clove(["run", "--", "true"])).status, 0);
  strictEqual((await clove(["run", "--", "clove-no-such-program"])).status, 127);
  const after = await left();
  deepStrictEqual(after.filter((name) => !before.includes(name)), []);
});

Deno.test("run --explain names the steps and takes none", async () => {
  await using scratch = await Scratch.make({ "write.py": `open("${"$"}{path}", "w")` });
  const { status, stdout, stderr } = await clove(["run", "--explain", scratch.at("write.py")]);
  strictEqual(status, 0, stderr);
  match(stdout, /^start \S*python3? .*write\.py$/m);
});
