import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  execNeed,
  type Need,
  netNeed,
  plainNeed,
  Policy,
  spawnNeed,
  weigh,
  withAddress,
} from "../../permissions/mod.ts";
import { formatNeed } from "../../permissions/mod.ts";
import { namedPaths } from "./calls.ts";
import { Evidence } from "./evidence.ts";
import { gather, type UsedPath } from "./paths.ts";
import { rulesFor, type RunFacts } from "./rules.ts";

const FACTS: RunFacts = { roots: ["/work", "/tmp", "/srv/app"], project: null };

/** The rules for acts that were weighed. */
function rulesOf(needs: readonly Need[], facts: RunFacts = FACTS): string[] {
  const evidence = new Evidence();
  for (const need of needs) evidence.addNeed(formatNeed(need), need, formatNeed(need));
  const rules = rulesFor(evidence, facts).map(({ rule }) => rule);
  for (const need of needs) {
    ok(weigh(Policy.parse(rules), need).allowed, `${formatNeed(need)} is allowed by its rule`);
  }
  return rules;
}

const used = (path: string, below = false): UsedPath => ({ path, below, count: 1, examples: [path] });
const gathered = (paths: readonly string[], roots: readonly string[]): string[] =>
  gather(paths.map((path) => used(path)), roots).map(({ path, below }) => below ? `${path}/` : path);

Deno.test("three files stay files, four become their directory, and nothing above what was given", () => {
  deepStrictEqual(gathered(["/work/a", "/work/b", "/work/c"], ["/work"]), ["/work/a", "/work/b", "/work/c"]);
  deepStrictEqual(gathered(["/work/a", "/work/b", "/work/c", "/work/d"], ["/work"]), ["/work/"]);
  const wide = ["/var/a/x", "/var/b/x", "/var/c/x", "/var/d/x"];
  deepStrictEqual(gathered(wide, ["/work"]), wide);
  const objects = ["a", "b", "c", "d"].map((name) => `/work/.git/objects/${name}${name}/1`);
  deepStrictEqual(gathered([...objects, "/work/.git/HEAD"], ["/work"]), [
    "/work/.git/objects/",
    "/work/.git/HEAD",
  ]);
});

Deno.test("what lies below a directory that is meant whole is counted to it", () => {
  const places = gather([used("/work/out", true), used("/work/out/a"), used("/work/other")], ["/work"]);
  deepStrictEqual(places.map(({ path, below, count }) => [path, below, count]), [
    ["/work/out", true, 2],
    ["/work/other", false, 1],
  ]);
});

Deno.test("files: what is only looked at takes a rule where nothing else shows it, /tmp is taken whole", () => {
  const evidence = new Evidence();
  evidence.addFile("see", "/work/a", false, "stat");
  evidence.addFile("see", "/srv/app/flag", false, "stat");
  evidence.addFile("see", "/srv/app", false, "stat");
  evidence.addFile("list", "/work", false, "openat");
  evidence.addFile("write", "/tmp/x1", false, "openat");
  evidence.addFile("run", "/usr/bin/sort", false, "execve");
  deepStrictEqual(rulesFor(evidence, FACTS).map(({ rule }) => rule), [
    "exec:/usr/bin/sort",
    "fs.read:/srv/app/flag",
    "fs.read:/work",
    "fs.write:/tmp/",
  ]);
});

Deno.test("many files make fewer rules, so that a launch has room for them", () => {
  const evidence = new Evidence();
  for (let i = 0; i < 60; i++) evidence.addFile("read", `/work/d${i % 3}/e${i >> 1}/f${i}`, false, "openat");
  ok(rulesFor(evidence, FACTS).length <= 40);
});

Deno.test("commands stay as they are until there are many ways to call a program", () => {
  const git = (word: string): Need => execNeed(["git", word]);
  deepStrictEqual(rulesOf([git("status"), git("log")]), ["exec:git log", "exec:git status"]);
  deepStrictEqual(rulesOf([git("status"), git("log"), git("diff"), git("add")]), ["exec:git"]);
});

Deno.test("hosts stay single; methods are put together, many paths become their directory", () => {
  const get = (path: string, method = "GET"): Need => netNeed(`http://api.example${path}`, method);
  deepStrictEqual(rulesOf([get("/a"), get("/a", "POST")]), ["net:http://api.example GET,POST /a"]);
  deepStrictEqual(rulesOf([get("/v1/a"), get("/v1/b"), get("/v1/c"), get("/v1/d/e")]), [
    "net:http://api.example GET /v1/**",
  ]);
  deepStrictEqual(rulesOf([get("/a"), netNeed("http://other.example/")]), [
    "net:http://api.example GET /a",
    "net:http://other.example GET /",
  ]);
});

Deno.test("a name that led to an inside address takes the word private, an address does not", () => {
  const name = netNeed("http://build.corp.example/");
  deepStrictEqual(rulesOf([name, withAddress(name, "10.0.0.7")]), [
    "net:http://build.corp.example GET / private",
  ]);
  const address = netNeed("http://127.0.0.1:8080/");
  deepStrictEqual(rulesOf([address, withAddress(address, "127.0.0.1")]), ["net:http://127.0.0.1:8080 GET /"]);
});

Deno.test("children are counted by their most, and names with one beginning by that", () => {
  const spawn = (count: number, depth: number): Need => spawnNeed({ interpreter: "deno", count, depth });
  deepStrictEqual(rulesOf([spawn(1, 1), spawn(3, 1), spawn(1, 2)]), ["spawn:deno count=3 depth=2"]);
  const keys = Array.from({ length: 8 }, (_, i) => plainNeed("state", `jobs/${i}`));
  deepStrictEqual(rulesOf([...keys, plainNeed("state", "done")]), ["state:done", "state:jobs/*"]);
  strictEqual(rulesOf(keys.slice(1)).length, 7);
});

Deno.test("calls say what they would do with which of their paths", () => {
  const told = (call: Parameters<typeof namedPaths>[0]["call"], ...args: number[]): unknown[] => {
    const words = Array.from({ length: 6 }, (_, i) => BigInt.asUintN(64, BigInt(args[i] ?? 0)));
    return namedPaths({ tid: 1, call, args: words }).map(({ act, at, address, follow, makes }) => {
      return [act, at, Number(address), follow, makes];
    });
  };
  const [here, path, O_CREAT, O_EXCL] = [-100, 0x1000, 0o100, 0o200];
  deepStrictEqual(told("openat", here, path, 0), [["read", null, path, true, false]]);
  deepStrictEqual(told("openat", 7, path, 2 | O_CREAT | O_EXCL), [["read-write", 7, path, false, true]]);
  deepStrictEqual(told("openat", here, path, 1), [["write", null, path, true, false]]);
  deepStrictEqual(told("openat", here, path, 0o10000000), [["see", null, path, true, false]]);
  deepStrictEqual(told("rename", path, 2 * path), [
    ["change", null, path, false, false],
    ["change", null, 2 * path, false, true],
  ]);
  deepStrictEqual(told("symlink", path, 2 * path), [["change", null, 2 * path, false, true]]);
  deepStrictEqual(told("newfstatat", here, path, 0, 0x100), [["see", null, path, false, false]]);
  deepStrictEqual(told("execve", path), [["run", null, path, true, false]]);
  deepStrictEqual(told("getpid"), []);
});
