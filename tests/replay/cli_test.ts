/** The command line, as a person types it. */
import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { ROOT } from "../root.ts";

Deno.test("clove run --record, clove replay, replay show and --at, each with its status", async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-replay-" });
  const clove = async (...args: string[]) => {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", `${ROOT}/cli/main.ts`, "--socket", `${dir}/none.sock`, ...args],
      cwd: dir,
      env: { NO_COLOR: "1", CLOVE_NO_SANDBOX: "1" },
      stdin: "null",
    });
    const { code, stdout, stderr } = await command.output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, out: out!, err: err! };
  };
  const text = `import { connect } from "@clove/sdk";
await using clove = await connect();
await clove.state.store({ key: "k", value: [Math.random(), Date.now()] });
console.log("done");
`;
  try {
    await Deno.writeTextFile(`${dir}/agent.ts`, text);
    strictEqual((await clove("replay", "none.jsonl")).code, 127);
    const run = await clove("run", "--record", "r.jsonl.gz", "agent.ts");
    deepStrictEqual([run.code, run.out], [0, "done\n"]);

    const again = await clove("replay", "r.jsonl.gz");
    deepStrictEqual([again.code, again.out], [0, "done\n"]);
    match(again.err, /clove: replayed 2 of 2 calls, all as recorded\n/);

    const shown = await clove("replay", "show", "--json", "r.jsonl.gz");
    const kinds = shown.out.trim().split("\n").map((line) => JSON.parse(line).kind).filter((kind) =>
      kind !== "decision" && kind !== "input"
    );
    deepStrictEqual(kinds.slice(0, 4), ["header", "agent", "call", "answer"]);
    strictEqual(kinds.at(-1), "exit");
    const { state, next } = JSON.parse((await clove("replay", "--at", "2", "--json", "r.jsonl.gz")).out);
    deepStrictEqual([state.length, state[0].key, next], [1, "k", null]);

    await Deno.writeTextFile(`${dir}/agent.ts`, text.replace('"k"', '"other"'));
    const changed = await clove("replay", "--json", "r.jsonl.gz");
    strictEqual(changed.code, 1);
    const { diverged_at, program_changed } = JSON.parse(changed.out);
    deepStrictEqual([diverged_at, program_changed], [1, true]);
    match(
      (await clove("replay", "r.jsonl.gz")).err,
      /clove: diverged at call 1: .*\n {2}- params\.key: "k"\n {2}\+ params\.key: "other"\n/,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
