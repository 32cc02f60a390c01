/** The demonstrations do what the README says they do. */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { lacks } from "../tests/facilities.ts";

const noWalls = lacks("python3") || (lacks("root") && lacks("userns"));

async function run(
  example: string,
  env: Record<string, string> = {},
): Promise<{ code: number; lines: string[] }> {
  const here = new URL(".", import.meta.url).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${here}../cli/main.ts`, "run", `${here}${example}`],
    env: { NO_COLOR: "1", CLOVE_SOCKET: "/tmp/clove-test-nobody/clove.sock", ...env },
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  ok(text !== "", new TextDecoder().decode(stderr));
  return { code, lines: text.trimEnd().split("\n") };
}

Deno.test("untrusted agent: without walls its attempts get through, and it says so", {
  ignore: lacks("python3"),
}, async () => {
  const { code, lines } = await run("untrusted_agent.py", { CLOVE_NO_SANDBOX: "1" });
  strictEqual(code, 1);
  match(lines.join("\n"), /^see other processes +THROUGH +nothing$/m);
});

Deno.test("untrusted agent: every attempt is stopped, and by which wall", { ignore: noWalls }, async () => {
  const { code, lines } = await run("untrusted_agent.py");
  deepStrictEqual(lines.slice(1).filter((line) => / THROUGH /.test(line)), []);
  strictEqual(code, 0);
  strictEqual(lines.length, 10);
  match(lines.join("\n"), /^fork without end +EAGAIN at \d+ +limit on processes$/m);
});

Deno.test(
  "fault isolation: the healthy agent goes on beside two that do not behave",
  { ignore: noWalls },
  async () => {
    const { code, lines } = await run("fault_isolation.ts");
    strictEqual(code, 0, lines.join("\n"));
    match(lines[1]!, /^healthy +answered 30 of 30 +the slowest after [\d.]+ ms$/);
    match(lines[2]!, /^cpu-hog .*(its limit is 0\.2|no cgroup here)/);
    match(lines[3]!, /^memory-hog .*(killed by the memory limit, 64 MiB|no cgroup here)/);
  },
);

Deno.test("supervisor: a crash is followed by longer and longer waits, then by giving up", async () => {
  const { code, lines } = await run("supervisor.ts");
  strictEqual(code, 0);
  const waits = lines.filter((line) => line.startsWith("  restart "));
  strictEqual(waits.length, 3);
  deepStrictEqual(lines.slice(-3), [
    "given up: 3 restarts within 60 s were not enough",
    "mail: AGENT_ESCALATED",
    "the worker is crashed, after 3 restarts",
  ]);
});

Deno.test("pipeline: three agents that may only write letters answer questions together", async () => {
  const { code, lines } = await run("pipeline.ts");
  strictEqual(code, 0);
  deepStrictEqual(lines.map((line) => line.replace(/ +/g, " ")).sort(), [
    "(1 + 2) * (3 + 4) = 21 verifier: agrees",
    "10 - 4 - 3 = 3 verifier: agrees",
    "2 * (3 no answer parser: a parenthesis is open",
    "2 + 3 * 4 = 14 verifier: agrees",
  ]);
});
