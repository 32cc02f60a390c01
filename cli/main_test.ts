import { match, ok, strictEqual } from "node:assert/strict";
import { COMMANDS } from "./commands.ts";
import { clove, Scratch } from "./fixture_test.ts";

Deno.test("what is no command, or no option, is refused with status 2 and nothing on stdout", async () => {
  const cases: [string[], RegExp][] = [
    [["fly"], /^clove: Cannot fly: there is no such command, see "clove --help"/],
    [["--fast", "ps"], /there is no such option before a command/],
    [["ps", "--fast"], /^clove: Cannot ps: there is no option "--fast", see "clove ps --help"/],
    [["kill"], /NAME or ID is missing/],
    [["state", "fly", "x"], /choose from get, set, delete, keys, watch/],
    [[], /no command was given[^]*Usage: clove/],
  ];
  const results = await Promise.all(cases.map(([args]) => clove(args)));
  for (const [i, { status, stdout, stderr }] of results.entries()) {
    strictEqual(status, 2, stderr);
    strictEqual(stdout, "");
    match(stderr, cases[i]![1]);
  }
});

Deno.test("without a kernel a command says how to start one, and ends with status 3", async () => {
  const { status, stdout, stderr } = await clove(["ps"]);
  strictEqual(status, 3);
  strictEqual(stdout, "");
  match(
    stderr,
    /^clove: Cannot reach a kernel at "\S+clove\.sock": nothing is there, start one with: clove kernel --socket \S+\n$/,
  );
});

Deno.test("a socket that nobody listens on any more counts as no kernel", async () => {
  // To connect to a file that is no socket is refused just as with one that was left by kill -9.
  await using scratch = await Scratch.make({ "left.sock": "" });
  const path = scratch.at("left.sock");
  const { status, stderr } = await clove(["--socket", path, "ps"]);
  strictEqual(status, 3);
  match(stderr, /no kernel listens there any more/);
});

Deno.test("help comes first, names every command, and goes to stdout", async () => {
  const [help, ofRun, version] = await Promise.all([
    clove(["--help"]),
    clove(["help", "run"]),
    clove(["--version"]),
  ]);
  strictEqual(help.status, 0);
  for (const name of Object.keys(COMMANDS)) match(help.stdout, new RegExp(`^  ${name} `, "m"));
  strictEqual(ofRun.status, 0);
  match(ofRun.stdout, /^Run a program as an agent[^]*Usage: clove run[^]*Exit status/);
  match(version.stdout, /^clove \d+\.\d+\.\d+\n$/);
});

for (const [name, entry] of Object.entries(COMMANDS)) {
  Deno.test(`the help of ${name} says how it is used, on lines that fit a terminal`, async () => {
    const { help } = await entry.load();
    // The kernel has a help of its own.
    if (name === "kernel") return strictEqual(help, "");
    match(help, new RegExp(`Usage: clove ${name} `));
    for (const line of help.split("\n")) ok(line.length <= 100, `Cannot fit a terminal: "${line}"`);
  });
}

Deno.test("docs/cli.md knows every command, and docs/ every option", async () => {
  const docs = new URL("../docs/", import.meta.url);
  const text = await Deno.readTextFile(new URL("cli.md", docs));
  let all = "";
  for await (const { name } of Deno.readDir(docs)) {
    if (name.endsWith(".md")) all += await Deno.readTextFile(new URL(name, docs));
  }
  for (const [name, entry] of Object.entries(COMMANDS)) {
    ok(text.includes(`clove ${name}`), `Cannot find "clove ${name}" in docs/cli.md`);
    for (const [option] of (await entry.load()).help.matchAll(/--[a-z-]+/g)) {
      ok(option === "--help" || all.includes(option), `Cannot find ${option} of ${name} in docs/`);
    }
  }
});
