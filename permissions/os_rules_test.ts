import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { isWritten, meet, namedPlaces, namedPrograms, Policy } from "./mod.ts";

const places = (policy: Policy, own = false): string[] =>
  namedPlaces(policy, { own }).map(({ capability, path, below }) =>
    `${capability}:${path}${below ? "/" : ""}`
  );

Deno.test("a place with a wildcard in its name, or refused by a deny or another layer, is no named place", () => {
  const policy = Policy.parse([
    "fs.read:/srv/*.txt",
    "fs.read:/srv/data/",
    "fs.write:/srv/data/out",
    "fs.read:/srv/keys/",
    "deny fs.read:/srv/keys/**",
  ]);
  deepStrictEqual(places(policy), ["fs.read:/srv/data/", "fs.write:/srv/data/out"]);
  const narrowed = meet(policy, Policy.parse(["fs.read:/srv/data/in/"]));
  deepStrictEqual(places(narrowed), ["fs.read:/srv/data/in/"]);
});

Deno.test("what a level allows is named unless only the rules beside it are asked for", () => {
  const policy = Policy.parse(["level:sandboxed", "fs.read:/srv/data/"]);
  strictEqual(places(policy).includes("fs.write:/work/"), true);
  deepStrictEqual(places(policy, true), ["fs.read:/srv/data/"]);
});

Deno.test("programs are listed by name, and a rule that leaves the program open makes a list impossible", () => {
  deepStrictEqual(namedPrograms(Policy.parse(["fs.read:/srv/"])), []);
  deepStrictEqual(namedPrograms(Policy.parse(["exec:git status", "exec:/usr/bin/sort"])), [
    "/usr/bin/sort",
    "git",
  ]);
  deepStrictEqual(namedPrograms(Policy.parse(["exec:git", "exec:rm", "deny exec:rm"])), ["git"]);
  strictEqual(namedPrograms(Policy.parse(["exec:git", "exec:python3*"])), null);
  const both = meet(Policy.parse(["exec:git", "exec:sort"]), Policy.parse(["exec:*", "state:*"]));
  deepStrictEqual(namedPrograms(both), ["git", "sort"]);
});

Deno.test("a policy is written when rules stand without a level", () => {
  strictEqual(isWritten(Policy.parse(["level:sandboxed", "exec:git"])), false);
  strictEqual(isWritten(Policy.parse(["exec:git"])), true);
});
