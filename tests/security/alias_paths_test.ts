/** Other names for what an agent may not have: `/proc/self/root`, other processes' descriptors, dots, slashes, links. */
import { ok, strictEqual } from "node:assert/strict";
import { connect } from "@clove/sdk";
import { lacks } from "../facilities.ts";
import { kernelWithout, testRequests, testWalls } from "./attacked.ts";
import { runPython } from "./python_agent.ts";

testWalls(["climb-out", "alias-own-root", "alias-other-root", "alias-other-descriptor"]);
testRequests(["ask-read-alias"]);

/** Every name for one file that it can make, asked for; prints what was told of each. */
const ALIASES = `
work = os.environ["HOME"]
os.makedirs(f"{work}/below")
with open(f"{work}/secret.txt", "w") as file: file.write("secret")
os.symlink(f"{work}/secret.txt", f"{work}/link.txt")
os.symlink(work, f"{work}/below/up")
told = {}
for name in ("secret.txt", "./secret.txt", "below/../secret.txt", f"{work}//secret.txt", f"{work}/./secret.txt",
             "link.txt", "below/up/secret.txt", "below/up/link.txt", "below/up/below/../secret.txt"):
    try: told[name] = ask(0x03, {"path": name})["content"]
    except Stopped as error: told[name] = error.word
print(json.dumps({name.replace(work, "WORK"): word for name, word in told.items()}))`;

for (const [how, without] of [["behind walls", []], ["without walls", null]] as const) {
  Deno.test({
    name: `a rule about one name holds for every name of the file, ${how}`,
    ignore: lacks("linux", "python3") || (without !== null && Deno.uid() !== 0 && lacks("userns")),
    async fn() {
      await using attacked = await kernelWithout(without);
      await using clove = await connect({ path: attacked.socket });
      const secret = "deny fs.read:**/secret.txt";
      const refused = JSON.parse(await runPython(clove, ALIASES, { level: "sandboxed", policy: [secret] }));
      const read = JSON.parse(await runPython(clove, ALIASES, { level: "sandboxed" }));
      for (const [name, told] of Object.entries(read)) {
        ok(refused[name] === "denied" || refused[name] === "not_found", `${name}: ${refused[name]}`);
        if (told === "secret") strictEqual(refused[name], "denied", name);
        // Without mounts a link with a whole path leads to a place that requests do not know.
        else ok(told === "not_found" && without === null, `${name}: ${told}`);
      }
      ok(Object.values(read).filter((told) => told === "secret").length >= 5, JSON.stringify(read));
    },
  });
}
