import { deepStrictEqual, match, rejects, strictEqual, throws } from "node:assert/strict";
import { checkEnvironment, environmentOf } from "./environment.ts";
import { chooseProgram, findProgram } from "./program.ts";

const fails = (code: string, text: RegExp) => (error: Error & { code?: string }) =>
  error.code === code && text.test(error.message);

Deno.test("neither script nor command, both, and an empty command are refused", () => {
  throws(() => chooseProgram({}), fails("bad_request", /^script path required$/));
  throws(() => chooseProgram({ script: "" }), fails("bad_request", /^script path required$/));
  throws(() => chooseProgram({ script: "a.py", command: ["ls"] }), fails("bad_request", /leave one out/));
  throws(() => chooseProgram({ command: [] }), fails("bad_request", /empty command/));
});

Deno.test("the name of a script tells its interpreter, and python overrides it", () => {
  strictEqual(chooseProgram({ script: "/a.TS" }).kind, "deno");
  deepStrictEqual(chooseProgram({ script: "/a.py" }), {
    kind: "python",
    interpreter: "python3",
    script: "/a.py",
    args: null,
  });
  strictEqual(chooseProgram({ script: "/a.ts", python: "/bin/sh" }).interpreter, "/bin/sh");
  deepStrictEqual(chooseProgram({ script: "/a.py", args: [] }).args, []);
});

Deno.test("programs are found in the fixed path only, and never relative to the kernel", async () => {
  await rejects(findProgram("./ls"), fails("bad_request", /absolute/));
  await rejects(findProgram("no-such-program"), fails("not_found", /\/usr\/bin/));
  await rejects(findProgram("/etc/passwd"), fails("not_found", /not executable/));
  await rejects(findProgram(""), fails("not_found", /Cannot run ""/));
  match(await findProgram("sh"), /^\/.*\/sh$/);
});

Deno.test("variables that would undo Deno's walls or speak for the kernel are refused", () => {
  for (
    const name of ["LD_PRELOAD", "DENO_DIR", "NODE_OPTIONS", "CLOVE_SOCKET", "deno_v8_flags", "A=B", "", "1A"]
  ) {
    throws(
      () => checkEnvironment({ [name]: "x" }, "deno"),
      fails("bad_request", /Cannot set the variable/),
      name,
    );
  }
  throws(() => checkEnvironment({ A: "a\0b" }, "native"), fails("bad_request", /zero byte/));
  throws(() => checkEnvironment({ A: "x".repeat(200_000) }, "native"), fails("limit", /at most/));
  checkEnvironment({ LD_LIBRARY_PATH: "/opt/lib", A: "b" }, "native");
});

Deno.test("the environment holds what was given and the kernel's own, which cannot be overridden", () => {
  const facts = { id: 7, name: "worker", home: "/work", socket: "/s", tmp: "/tmp", denoDir: null };
  deepStrictEqual(environmentOf(facts, { A: "b", HOME: "/elsewhere" }), {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/elsewhere",
    LANG: "C.UTF-8",
    A: "b",
    CLOVE_SOCKET: "/s",
    CLOVE_AGENT_ID: "7",
    CLOVE_AGENT_NAME: "worker",
    CLOVE_FD: "3",
  });
});
