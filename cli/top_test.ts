import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { lacks } from "../tests/facilities.ts";
import { readKeys } from "./commands/top_keys.ts";
import { type Look, ordered, type Row } from "./commands/top_model.ts";
import { drawScreen, type Scene } from "./commands/top_screen.ts";
import { clove, testKernel } from "./fixture_test.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
/** Another screen without a cursor, and back. */
const ENTERS = "\u001b[?1049h\u001b[?25l";
const LEAVES = "\u001b[?25h\u001b[?1049l";

function row(id: number, more: Partial<Row> = {}): Row {
  return {
    id,
    name: `agent_${id}`,
    state: "running",
    cpu: id,
    memory: 12_345_678,
    limit: 268_435_456,
    calls: 3,
    denied: 0,
    received: 1,
    sent: 2,
    tokens: 0,
    ...more,
  };
}

function scene(rows: readonly Row[], more: Partial<Scene> = {}): Scene {
  const look: Look = { rows, machine: { cpu: 12, memory: 2 ** 31, total: 2 ** 33, load: 0.5 } };
  return { look, order: "number", selected: null, message: "", follow: null, ...more };
}

Deno.test("top: the screen has as many lines as the terminal, none too wide, and nothing in it is obeyed", () => {
  const rows = [
    row(1, { name: "\u001b[2Jevil\u202e", calls: 123_456, denied: 5_000_000, tokens: 1e9, memory: 9e12 }),
    row(2, { name: "界".repeat(60), limit: null, received: 98_765, sent: 12_345 }),
    ...Array.from({ length: 100 }, (_, i) => row(i + 3)),
  ];
  for (const size of [{ rows: 24, columns: 80 }, { rows: 5, columns: 30 }, { rows: 60, columns: 200 }]) {
    const lines = drawScreen(scene(rows, { selected: 1 }), size);
    strictEqual(lines.length, size.rows);
    for (const { text } of lines) {
      ok([...text].length < size.columns, text);
      ok(!/\p{Cc}|\p{Cf}/u.test(text), JSON.stringify(text));
    }
  }
  const [summary, heading, first] = drawScreen(scene([row(1)], { selected: 1 }), { rows: 24, columns: 80 });
  match(summary!.text, /^1 agent, 1 running, by number {3}machine: cpu 12%, load 0.50, memory 2.0G\/8.0G$/);
  match(heading!.text, /^ {3}ID NAME +STATE +CPU% +MEM\/LIMIT CALLS\/S DENIED +IN\/OUT TOKENS$/);
  match(first!.text, /^ {4}1 agent_1 +running +1\.0 +12M\/256M +3\.0 +0 +1\/2 +0 *$/);
  strictEqual(first!.style, "selected");
});

Deno.test("top: the selected row stays in sight", () => {
  const rows = Array.from({ length: 100 }, (_, i) => row(i + 1));
  for (const selected of [1, 50, 100]) {
    const lines = drawScreen(scene(rows, { selected }), { rows: 24, columns: 80 });
    ok(lines.some(({ text, style }) => style === "selected" && text.includes(`agent_${selected} `)));
  }
});

Deno.test("top: orders, and keys as terminals send them", () => {
  const rows = [row(1, { memory: 5 }), row(2, { memory: 9 }), row(3, { memory: 7 })];
  deepStrictEqual(ordered(rows, "memory").map(({ id }) => id), [2, 3, 1]);
  deepStrictEqual(ordered(rows, "cpu").map(({ id }) => id), [3, 2, 1]);
  deepStrictEqual(readKeys(encoder.encode("\u001b[Aj\u001bOB\u001b[1;5C\u001b[200~K\u0003\u001b")), [
    "up",
    "j",
    "down",
    "K",
    "interrupt",
    "escape",
  ]);
});

Deno.test("top: what is no terminal gets the table once", async () => {
  await using test = await testKernel();
  await using client = await connect({ transport: test.kernel.connect() });
  await client.agent.spawn({ name: "sleeper", command: ["sleep", "60"] });
  const { status, stdout } = await clove(["top"], { env: test.env });
  strictEqual(status, 0);
  match(stdout, /^1 agent, 1 running, .*\n +ID NAME .*\n +\d+ sleeper +running +[\d.]+ +[\d.]+[KM]\/\S+ /);
  ok(!stdout.includes("\u001b"));
  const json = JSON.parse((await clove(["top", "--json"], { env: test.env })).stdout);
  strictEqual(json.rows[0].name, "sleeper");
});

Deno.test("top: on a terminal it pauses, resumes, follows, kills, and gives the terminal back as it was", {
  ignore: lacks("linux", "python3"),
}, async () => {
  await using test = await testKernel();
  await using client = await connect({ transport: test.kernel.connect() });
  const script = "printf 'hello\\033[31m there\\n'; exec sleep 60";
  await client.agent.spawn({ name: "first", command: ["sh", "-c", script] });
  await client.agent.spawn({ name: "second", command: ["sleep", "60"] });
  const steps: [string, string][] = [
    ["second +running", "p"],
    ["paused first.*", ""],
    ["first +paused", "r"],
    ["resumed first", "l"],
    ["hello\\\\u001b\\[31m there", "q"],
    ["second +running", "\u001b[B"],
    ["\u001b\\[7m[^\u001b]*second", "K"],
    ["Kill second \\(\\d+\\)\\? y or n", "n"],
    ["\u001b\\[7m[^\u001b]*second", "K"],
    ["Kill second \\(\\d+\\)\\? y or n", "y"],
    ["killed second.*1 agent,", "q"],
  ];
  const { code, text } = await onTerminal(steps, ["top", "--interval", "200ms"], test.env);
  strictEqual(code, 0, text);
  deepStrictEqual((await client.agent.list({})).map(({ name, state }) => [name, state]), [[
    "first",
    "running",
  ]]);
  ok(text.indexOf(LEAVES) > text.indexOf(ENTERS) && text.includes(ENTERS));
  const [before, after] = settings(text);
  strictEqual(after, before);
});

Deno.test("top: the terminal is given back too when the kernel goes, and on a signal", {
  ignore: lacks("linux", "python3"),
}, async () => {
  const test = await testKernel();
  const gone = onTerminal([["no agents", ""]], ["top"], test.env);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await test[Symbol.asyncDispose]();
  const { text } = await gone;
  ok(
    text.indexOf("clove: ") > text.indexOf(LEAVES) && text.includes(LEAVES),
    "what went wrong is said afterwards",
  );
  const [before, after] = settings(text);
  strictEqual(after, before);

  await using other = await testKernel();
  const interrupted = await onTerminal([["no agents", "\u0003"]], ["top"], other.env);
  ok(interrupted.text.includes(LEAVES));
  strictEqual(new Set(settings(interrupted.text)).size, 1);
});

/** What stty(1) says before and after. */
function settings(text: string): string[] {
  return [...text.matchAll(/STTY (\S+)/g)].map((found) => found[1]!);
}

async function onTerminal(
  steps: readonly [string, string][],
  args: readonly string[],
  env: Record<string, string>,
): Promise<{ code: number; text: string }> {
  const path = (name: string) => new URL(name, import.meta.url).pathname;
  const program = `echo STTY $(stty -g); "$@"; status=$?; echo STTY $(stty -g); exit $status`;
  const { code, stdout, stderr } = await new Deno.Command("python3", {
    args: [
      path("../tests/on_terminal.py"),
      "24",
      "80",
      "20",
      JSON.stringify(steps),
      "--",
      "sh",
      "-c",
      program,
      "sh",
      Deno.execPath(),
      "run",
      "-A",
      "--no-prompt",
      path("./main.ts"),
      ...args,
    ],
    env: { CLOVE_NO_SANDBOX: "1", TERM: "xterm", NO_COLOR: "", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}
