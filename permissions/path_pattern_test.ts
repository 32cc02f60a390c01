import { ok, strictEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import type { Meter } from "./glob.ts";
import { Glob } from "./glob.ts";
import { pathFault, PathPattern } from "./path_pattern.ts";
import { PatternError } from "./syntax_error.ts";

const matches = (pattern: string, path: string) => new PathPattern(pattern, "/home/ann").matches(path);

Deno.test("a star stays within a name, two stars do not", () => {
  const table: [pattern: string, yes: string[], no: string[]][] = [
    ["/tmp/*", ["/tmp/a", "/tmp/.hidden"], ["/tmp", "/tmp/a/b", "/tmpx"]],
    ["/tmp/**", ["/tmp", "/tmp/a", "/tmp/a/b"], ["/tmpx", "/", "/a/tmp"]],
    ["/tmp/", ["/tmp", "/tmp/a/b"], ["/tmpx"]],
    ["/", ["/", "/a/b"], []],
    ["**", ["/", "/a/b"], []],
    ["/a/**/z", ["/a/z", "/a/b/z", "/a/b/c/z"], ["/a", "/a/z/b", "/az"]],
    ["**/.env", ["/.env", "/a/b/.env"], ["/a/.env/b", "/a/x.env", "/.envx"]],
    ["**/.git/config/**", ["/.git/config", "/a/.git/config", "/a/.git/config/x"], [
      "/a/x.git/config",
      "/.git/configs",
    ]],
    ["**/*token*/**", ["/token", "/a/my_token.txt", "/a/tokens/b"], ["/a/tok/en"]],
    ["**/credentials*/**", ["/credentials", "/a/credentials.json", "/a/credentials/b"], [
      "/a/my-credentials",
    ]],
    ["/home/*/.ssh/**", ["/home/bob/.ssh", "/home/bob/.ssh/a/b"], ["/home/.ssh", "/home/a/b/.ssh"]],
    ["~/x", ["/home/ann/x"], ["/home/bob/x"]],
    ["/a/?", ["/a/b", "/a/é", "/a/😀"], ["/a/", "/a/bc"]],
    ["/a/[b-d]", ["/a/c"], ["/a/e", "/a/-"]],
    ["/a/[!b-d]x", ["/a/ex"], ["/a/cx"]],
    ["/a/[*]", ["/a/*"], ["/a/b"]],
    ["/a/**/b/**/c", ["/a/b/c", "/a/x/b/y/z/c"], ["/a/c/b", "/a/b"]],
  ];
  for (const [pattern, yes, no] of table) {
    for (const path of yes) ok(matches(pattern, path), `${pattern} should match ${path}`);
    for (const path of no) ok(!matches(pattern, path), `${pattern} should not match ${path}`);
  }
});

Deno.test("a pattern that could never mean a resolved path is refused at its character", () => {
  const table: [pattern: string, at: number][] = [
    ["tmp/x", 0],
    ["*", 0],
    ["./x", 0],
    ["/a/../b", 3],
    ["/a/./b", 3],
    ["/a//b", 3],
    ["/a/b**", 4],
    ["/a/[b", 3],
    ["/a/[d-b]", 4],
    ["/a/\0", 3],
    ["/" + "a".repeat(2000), 1024],
  ];
  for (const [pattern, at] of table) {
    throws(
      () => new PathPattern(pattern),
      (error) => error instanceof PatternError && error.at === at,
      pattern,
    );
  }
  throws(() => new PathPattern("~/x"), PatternError);
});

Deno.test("the quick shapes agree with matching name by name", () => {
  const name = fc.constantFrom("a", "b", "ab", ".env", "x.env", "token", "*", "?", "[ab]", "a*", "*b*", "**");
  const plain = fc.constantFrom("a", "b", "ab", ".env", "x.env", "token", "abab", "c");
  fc.assert(
    fc.property(
      fc.array(name, { minLength: 1, maxLength: 5 }),
      fc.array(plain, { maxLength: 6 }),
      (names, path) => {
        const pattern = new PathPattern("/" + names.join("/"));
        strictEqual(pattern.matches("/" + path.join("/")), pattern.matchesSlowly("/" + path.join("/")));
      },
    ),
    { numRuns: 5_000 },
  );
});

Deno.test("what one pattern covers it matches, and what it is disjoint from it does not", () => {
  const name = fc.constantFrom("a", "b", "ab", "*", "?", "[ab]", "a*", "**", "**");
  const plain = fc.constantFrom("a", "b", "ab", "abab", "c");
  const patterns = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) =>
    new PathPattern("/" + names.join("/"))
  );
  let [covered, disjoint] = [0, 0];
  fc.assert(
    fc.property(patterns, patterns, fc.array(plain, { maxLength: 4 }), (a, b, names) => {
      const path = "/" + names.join("/");
      if (!b.matches(path)) return;
      if (a.covers(b)) ok(a.matches(path), `${a.text} covers ${b.text} but not ${path}`), covered++;
      if (a.spares(b)) ok(!a.matches(path), `${a.text} spares ${b.text} but not ${path}`), disjoint++;
    }),
    { numRuns: 20_000 },
  );
  ok(covered > 200 && disjoint > 200, `covered ${covered}, disjoint ${disjoint}`);
});

Deno.test("matching takes steps in proportion to the path, however hostile the pattern", () => {
  const count = (size: number): number => {
    const meter: Meter = { steps: 0 };
    const pattern = new PathPattern("/**/a*a*a*a*a*b/**/a*a*a*a*b/**/z");
    strictEqual(pattern.matchesSlowly(("/" + "a".repeat(40)).repeat(size / 41), meter), false);
    return meter.steps;
  };
  const [small, large] = [count(410), count(4100)];
  ok(large < small * 12, `${small} steps for 410 characters, ${large} for 4100`);
  ok(large < 4100 * 40, `${large} steps`);

  const meter: Meter = { steps: 0 };
  strictEqual(new Glob("*a".repeat(100) + "b").matches("a".repeat(4000), meter), false);
  ok(meter.steps <= 4001 * 202, `${meter.steps} steps`);
});

Deno.test("a path that is relative, unresolved or holds a NUL is at fault", () => {
  for (
    const path of [
      "",
      "a",
      "./a",
      "/a/../b",
      "/a/..",
      "/..",
      "/.",
      "/a/./b",
      "//a",
      "/a/",
      "/a\0",
      "/" + "a".repeat(5000),
    ]
  ) {
    ok(pathFault(path) !== null, path);
  }
  for (const path of ["/", "/a", "/a/.b", "/a/..b", "/a/b..", "/...", "/a/é"]) {
    strictEqual(pathFault(path), null, path);
  }
});
