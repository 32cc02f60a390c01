/** The first command of the README does what it promises. */
import { match, strictEqual } from "node:assert/strict";
import { ROOT } from "./root.ts";

for (const [how, flags] of [["behind walls", {}], ["without walls", { CLOVE_NO_SANDBOX: "1" }]] as const) {
  Deno.test(`the hello agent reads, is refused, remembers and talks, ${how}`, async () => {
    const dir = await Deno.makeTempDir({ prefix: "clove-test-" });
    try {
      const command = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "cli/main.ts", "--socket", `${dir}/none.sock`, "run", "examples/hello_agent.ts"],
        cwd: ROOT,
        env: { NO_COLOR: "1", ...flags },
        stdin: "null",
      });
      const { code, stdout, stderr } = await command.output();
      const [output, talk] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      strictEqual(code, 0, talk);
      match(output!, /^Hello, I am \S+, agent \d+, on Clove \d/);
      match(output!, /\nRead \S*\/greeting\.txt: Hello from a file\n/);
      match(output!, /\nRefused: Permission denied: .*\n {2}needed {4}fs\.read:\/etc\/shadow\n/);
      match(output!, /\n {2}to get it clove perms grant \S+ fs\.read:\/etc\/shadow\n/);
      match(output!, /\nStored and fetched: 1\npeer answers: .*\npeer exited with status 0\n$/);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
}
