import { deepStrictEqual, notStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { SyscallError } from "@clove/sdk/protocol";
import { policyLines } from "../../cli/learning.ts";
import { CliError } from "../../cli/exit.ts";
import { lacks } from "../facilities.ts";
import { rig } from "./fixture.ts";

const ignore = lacks("linux", "landlock", "seccomp");
const refused = (code: string, text: RegExp) => (error: unknown): boolean =>
  error instanceof SyscallError && error.code === code && text.test(error.message);

Deno.test({
  name: "a run that leaves nothing to learn from is refused, and no file is made for it",
  ignore,
  async fn() {
    await using box = await rig();
    const learn = `${box.directory}/policy.json`;
    const command = ["true"];
    for (
      const [params, text] of [
        [{ level: "sandboxed" }, /it has the level sandboxed/],
        [{ sandboxed: false }, /would not be confined/],
        [{ network: true }, /is not seen/],
        [{ permissions: "flags" }, /to a broker only/],
      ] as const
    ) {
      await rejects(box.clove.agent.spawn({ command, learn, ...params }), refused("bad_request", text));
    }
    await rejects(
      box.clove.agent.spawn({ command: ["no-such-program"], learn }),
      refused("not_found", /no such program/),
    );
    await rejects(
      box.clove.agent.spawn({ command, learn: `${box.directory}/none/policy.json` }),
      refused("unavailable", /ENOENT/),
    );
    await rejects(Deno.stat(learn), Deno.errors.NotFound);
  },
});

Deno.test({
  name: "a run that is learned from changes nothing it was not given, and learns what it could not have",
  ignore,
  async fn() {
    await using box = await rig();
    await Deno.writeTextFile(`${box.directory}/kept`, "kept");
    await Deno.chmod(box.directory, 0o777);
    await Deno.chmod(`${box.directory}/kept`, 0o666);
    const shell = `echo gone > ${box.directory}/kept; cat /etc/shadow; mkdir ${box.directory}/made; exit 3`;
    const { status, rules, unseen, notes } = await box.learn({ command: ["sh", "-c", shell] });
    strictEqual(status, 3);
    strictEqual(await Deno.readTextFile(`${box.directory}/kept`), "kept");
    await rejects(Deno.stat(`${box.directory}/made`), Deno.errors.NotFound);
    ok(unseen?.some(({ path }) => path === "/etc/shadow"));
    ok(notes?.some((note) => note.includes("exited with status 3")));
    ok(rules.some(({ rule }) => rule === "exec:/usr/bin/cat"));
  },
});

Deno.test({
  name: "under rules alone a native program has nothing but them; beside a level it has all of its places",
  ignore,
  async fn() {
    await using box = await rig();
    const directory = `${box.directory}/data`;
    await Deno.mkdir(directory);
    await Deno.writeTextFile(`${directory}/open`, "open");
    await Deno.writeTextFile(`${directory}/closed`, "closed");
    const cat = (name: string) => ({ command: ["cat", `${directory}/${name}`] });
    const rule = `fs.read:${directory}/open`;
    deepStrictEqual(await box.run({ ...cat("open"), policy: [rule] }), { status: 0, output: "open" });
    notStrictEqual((await box.run({ ...cat("closed"), policy: [rule] })).status, 0);
    notStrictEqual((await box.run({ ...cat("open"), policy: ["state:*"] })).status, 0);

    const write = { command: ["sh", "-c", "echo x > /work/x && ls /work"] };
    notStrictEqual((await box.run({ ...write, policy: ["fs.write:/work/"] })).status, 0); // ls is no rule's
    strictEqual(
      (await box.run({ ...write, policy: ["fs.write:/work/", "fs.read:/work/", "exec:ls"] })).status,
      0,
    );
    strictEqual((await box.run({ ...write, policy: [rule], level: "sandboxed" })).status, 0);
  },
});

Deno.test("a policy file is rules, one a line, or the JSON of a learned one; anything else is told", () => {
  deepStrictEqual(policyLines("fs.read:/a\nexec:git", "p"), ["fs.read:/a", "exec:git"]);
  deepStrictEqual(policyLines('{"rules":[{"rule":"fs.read:/a","count":1},"exec:git"]}', "p"), [
    "fs.read:/a",
    "exec:git",
  ]);
  for (const text of ["{", '{"rule":[]}', '{"rules":[1]}', '{"rules":[null]}']) {
    try {
      policyLines(text, "p.json");
    } catch (error) {
      ok(error instanceof CliError && error.message.startsWith('Cannot read the policy "p.json": '), text);
      continue;
    }
    ok(false, `${text} was taken`);
  }
});
