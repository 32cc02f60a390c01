import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { lacks } from "../tests/facilities.ts";

Deno.test({
  name: "a process that starts anew keeps its id, its arguments and what it wrote into its environment",
  ignore: lacks("linux"),
  async fn() {
    const directory = await Deno.makeTempDir({ prefix: "clove-test-" });
    try {
      const program = `${directory}/program.ts`;
      await Deno.writeTextFile(
        program,
        `import { ownWords, startAnew } from ${JSON.stringify(new URL("replace.ts", import.meta.url).href)};
         console.log(JSON.stringify({ pid: Deno.pid, args: Deno.args, turn: Deno.env.get("TURN") ?? null }));
         if (!Deno.env.has("TURN")) {
           Deno.env.set("TURN", "second");
           startAnew(ownWords());
         }`,
      );
      const args = ["", "two words", "ünï"];
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", program, ...args],
        cwd: fileURLToPath(new URL("..", import.meta.url)),
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      const { code, stdout } = await child.output();
      strictEqual(code, 0);
      const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
      deepStrictEqual(lines, [
        { pid: child.pid, args, turn: null },
        { pid: child.pid, args, turn: "second" },
      ]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
