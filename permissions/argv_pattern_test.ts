import { ok, strictEqual } from "node:assert/strict";
import { ArgvPattern } from "./argv_pattern.ts";
import { execNeed, Policy, spawnNeed, weigh } from "./mod.ts";

const may = (rules: string | string[], ...argv: string[]) =>
  weigh(Policy.parse(rules), execNeed(argv)).allowed;

Deno.test("a command is allowed word for word, never by what its text contains", () => {
  strictEqual(may("exec:ls", "echo", "I-am-not-ls"), false);
  strictEqual(may("exec:ls", "lsof"), false);
  strictEqual(may("exec:ls", "ls;id"), false);
  strictEqual(may("exec:ls", "sh", "-c", "ls"), false);
  strictEqual(may("exec:git status*", "git"), false);
  strictEqual(may("exec:git status*", "git", "push"), false);
  strictEqual(may("exec:git status*", "git status"), false);
  strictEqual(may("exec:git status", "git", "statuses"), false);
  ok(may("exec:ls", "ls", "; id", "-l"));
  ok(may("exec:git status*", "git", "status"));
  ok(may("exec:git status*", "git", "status-x", "-s"));
  ok(may("exec:git status", "git", "status", "-s"));
  ok(may("exec:make 'a b' [xy]", "make", "a b", "y"));
  ok(may("exec:*", "anything", "at all"));
});

Deno.test("a bare name means a program of the system, not a file of that name elsewhere", () => {
  for (const program of ["/tmp/ls", "./ls", "../bin/ls", "/work/bin/ls", "bin/ls", "/usr/bin/../../tmp/ls"]) {
    strictEqual(may("exec:ls", program), false, program);
  }
  for (const program of ["ls", "/bin/ls", "/usr/bin/ls", "/usr/local/bin/ls"]) {
    ok(may("exec:ls", program), program);
  }
  ok(may("exec:/opt/*/bin/tool", "/opt/a/bin/tool"));
  strictEqual(may("exec:/opt/*/bin/tool", "/opt/a/b/bin/tool"), false);
  strictEqual(may("exec:/opt/*", "/opt/../bin/sh"), false);
  strictEqual(may(["exec:*", "deny exec:sh"], "/tmp/sh"), false, "a denied name is denied everywhere");
});

Deno.test("a command that could not be executed is never allowed", () => {
  strictEqual(may("exec:*"), false);
  strictEqual(may("exec:*", ""), false);
  strictEqual(may("exec:*", "ls", "a\0b"), false);
  strictEqual(may("exec:*", ...new Array(5000).fill("x")), false);
  strictEqual(may("exec:*", "x", "y".repeat(200_000)), false);
});

Deno.test("the interpreter of an agent is judged as the program of a command", () => {
  const spawn = (rule: string, interpreter: string) =>
    weigh(Policy.parse(rule), spawnNeed({ interpreter })).allowed;
  strictEqual(spawn("spawn:python3", "/bin/sh"), false);
  strictEqual(spawn("spawn:python3", "/tmp/python3"), false);
  ok(spawn("spawn:python3", "/usr/bin/python3"));
  ok(spawn("spawn:python3*", "python3.11"));
  ok(spawn("spawn:/opt/py/bin/python3", "/opt/py/bin/python3"));
  ok(spawn("spawn:*", "/tmp/x"));
});

Deno.test("where arguments will follow that nobody sees, a rule that limits them allows nothing and denies all", () => {
  const limited = new ArgvPattern("git status");
  const whole = new ArgvPattern("git");
  const blind = execNeed(["git"], { open: true });
  strictEqual(limited.allows(blind), false);
  strictEqual(limited.denies(blind), true);
  strictEqual(limited.denies(execNeed(["git"])), false, "a command that is known whole is no other");
  strictEqual(limited.denies(execNeed(["ls"], { open: true })), false);
  ok(whole.allows(blind) && whole.denies(blind));
  ok(limited.allows(execNeed(["git", "status"], { open: true })));
});
