import { ok, strictEqual } from "node:assert/strict";
import { covers, coversTogether, meet, Policy } from "./mod.ts";

const policy = (...rules: string[]) => Policy.parse(rules);

Deno.test("several policies together allow what each of them allows, rule by rule", () => {
  const own = policy("level:sandboxed");
  const granted = policy("fs.read:/etc/hosts");
  strictEqual(coversTogether([own, granted], policy("fs.read:/etc/hosts", "fs.read:/etc/shadow")), false);
  strictEqual(coversTogether([own, granted], policy("fs.read:/etc/**")), false);
  strictEqual(coversTogether([own], policy("fs.read:/work/**")), false, "the default blocks lie within it");
  strictEqual(coversTogether([], policy("env:HOME")), false);
  ok(coversTogether([], policy()), "nothing is always held");
  ok(coversTogether([own, granted], policy("fs.read:/etc/hosts", "ipc:*")));
  ok(coversTogether([own, granted], policy("level:minimal", "fs.read:/etc/hosts")));
  ok(coversTogether([own, granted], meet(policy("fs.read:/**"), policy("fs.read:/etc/hosts"))));
});

Deno.test("together means no more than each where there is only one", () => {
  for (
    const inner of [
      policy("fs.read:/work/a"),
      policy("level:readonly"),
      policy("exec:git"),
      policy("net:any"),
    ]
  ) {
    for (
      const outer of [policy("level:sandboxed"), policy("level:standard"), policy("exec:git", "fs.read:/**")]
    ) {
      strictEqual(coversTogether([outer], inner), covers(outer, inner));
    }
  }
});
