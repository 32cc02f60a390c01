/** Programs are run for real: each is a process whose exit status tells which way it went. */
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { lacks } from "../tests/facilities.ts";
import { ARCH } from "./arch.ts";
import { makeImage } from "./image.ts";
import { diskImage, memoryImage } from "./image_file.ts";
import { reap } from "./processes.ts";
import { Chain, findFailure, Program } from "./program.ts";
import { posixSpawn } from "./spawn.ts";

/** A program with an exit for each way. */
function withExits(): { program: Program; exit: (status: number) => ReturnType<Program["entry"]> } {
  const program = new Program(ARCH);
  return {
    program,
    exit(status) {
      const entry = program.entry(`exit ${status}`, "exit_group", [status]);
      program.always(entry, entry);
      return entry;
    },
  };
}

async function statusOf(program: Program): Promise<number | null> {
  using file = memoryImage(makeImage(program))!;
  return await waitFor(posixSpawn(file.path, []));
}

async function waitFor(pid: number): Promise<number | null> {
  for (;;) {
    const result = reap({ pid });
    if (result) return result.status;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test({
  name: "an entry goes on by its result: error, equal, other",
  ignore: lacks("linux"),
  async fn() {
    const ways: [string, (p: Program) => ReturnType<Program["entry"]>, number][] = [
      ["error", (p) => p.entry("close nothing", "close", [999]), 1],
      ["equal", (p) => p.entry("umask", "umask", [0o22]), 2],
      ["other", (p) => p.entry("getpid", "getpid"), 3],
    ];
    for (const [name, make, expected] of ways) {
      const { program, exit } = withExits();
      const entry = make(program);
      const usual = name === "equal" ? Number(Deno.umask()) : -5;
      program.connect(entry, { error: exit(1), equal: { word: usual, entry: exit(2) }, other: exit(3) });
      program.startAt(entry);
      strictEqual(await statusOf(program), expected, name);
    }
  },
});

Deno.test({
  name: "a chain stops at the call that fails, and not at one that may",
  ignore: lacks("linux"),
  async fn() {
    for (const optional of [false, true]) {
      const { program, exit } = withExits();
      const chain = new Chain(program, exit(9));
      chain.add("getpid", "getpid");
      chain[optional ? "attempt" : "add"]("close nothing", "close", [999]);
      chain.then(exit(0));
      program.startAt(chain.first);
      strictEqual(await statusOf(program), optional ? 0 : 9);
    }
  },
});

Deno.test({
  name: "a chain goes on only with the word it expects",
  ignore: lacks("linux"),
  async fn() {
    for (const [word, expected] of [[Deno.pid, 0], [Deno.pid + 1, 7]] as const) {
      const { program, exit } = withExits();
      const chain = new Chain(program, exit(9));
      chain.expect(word, exit(7), "look for the parent", "getppid", []);
      chain.then(exit(0));
      program.startAt(chain.first);
      strictEqual(await statusOf(program), expected);
    }
  },
});

Deno.test({
  name: "an image runs from a file as it does from memory",
  ignore: lacks("linux"),
  async fn() {
    const { program, exit } = withExits();
    program.startAt(exit(5));
    const directory = await Deno.makeTempDir();
    try {
      using file = diskImage(makeImage(program), directory);
      strictEqual(await waitFor(posixSpawn(file.path, [])), 5);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});

Deno.test("the failure is the first error that was not allowed for", () => {
  const results = new BigInt64Array([7n, -2n, -13n, 0n]);
  const entry = (name: string, optional = false) => ({ name, optional });
  const entries = [entry("a"), entry("b", true), entry("c"), entry("d")];
  deepStrictEqual(findFailure(entries, new Uint8Array(results.buffer)), { step: "c", index: 2, errno: 13 });
  strictEqual(findFailure(entries.slice(0, 2), new Uint8Array(results.buffer)), null);
});

Deno.test("a program of too many steps is refused before it could outgrow a report", () => {
  const program = new Program("x86_64");
  throws(() => {
    for (let i = 0; i < 1000; i++) program.entry("getpid", "getpid");
  }, /Cannot build a program of more than 480 steps: use fewer mounts/);
});

Deno.test("a call the machine does not have is refused", () => {
  throws(() => new Program("aarch64").entry("chmod", "chmod"), /Cannot call chmod on aarch64/);
});
