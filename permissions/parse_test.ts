import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import {
  execNeed,
  fileNeed,
  formatNeed,
  meet,
  netNeed,
  plainNeed,
  Policy,
  PolicySyntaxError,
  spawnNeed,
  thinkNeed,
  weigh,
} from "./mod.ts";

Deno.test("what cannot be read is pointed at, and told what to write instead", () => {
  const table: [text: string, line: number, column: number, problem: RegExp][] = [
    ["fs.raed:/x", 1, 1, /unknown capability "fs\.raed", known are fs\.read/],
    ["fs.read:/x\n  deny fs.raed:/x", 2, 8, /unknown capability/],
    ["fs.read", 1, 8, /a colon and a pattern are missing, as in "fs\.read:\*"/],
    ["fs.read:", 1, 9, /a pattern is missing/],
    ["fs.read: /x", 1, 9, /a pattern is missing/],
    ["fs.read:x", 1, 9, /begins with \/ or/],
    ["fs.read:*", 1, 9, /write \/\*\* for every path/],
    ["fs.read:/a/../b", 1, 12, /never stands in a resolved path/],
    ["fs.read:/a/[x", 1, 12, /never closes/],
    ["fs.read:~/x", 1, 9, /home directory/],
    [
      "fs.read:/my files/x",
      1,
      13,
      /unknown attribute "files\/x", fs\.read has none, put a pattern with blanks/,
    ],
    ['fs.read:"/my files', 1, 9, /never closed/],
    ['fs.read:"/a"b', 1, 13, /a blank is missing/],
    ['fs.read:"/a\\q"', 1, 12, /the escape is none of/],
    ["level:root", 1, 7, /unknown level "root", known are unrestricted/],
    ["level:standard x=1", 1, 16, /unknown attribute/],
    ["level:standard\nlevel:minimal", 2, 7, /one level/],
    ["blocks:files", 1, 8, /unknown list/],
    ["think:x calls=1 tokns=2", 1, 17, /unknown attribute "tokns", known are calls=, tokens=, usd=/],
    ["think:x calls=-1", 1, 15, /calls is a whole number/],
    ["think:x calls=1.5", 1, 15, /calls is a whole number/],
    ["think:x usd=1e9", 1, 13, /usd is a decimal number/],
    ["think:x calls=1 calls=2", 1, 17, /given twice/],
    ["deny think:x calls=1", 1, 12, /a deny has no limits/],
    ["exec:", 1, 6, /a command is missing/],
    ["exec:git 'status", 1, 10, /single quote is never closed/],
    ["exec:git [x", 1, 10, /never closes/],
    ["net:ftp://x", 1, 5, /none of http, https, tcp/],
    ["net:https://a.b/c", 1, 16, /a path stands after a blank/],
    ["net:https://a.b:0", 1, 17, /a port is a number/],
    ["net:https://a.b:70000", 1, 17, /a port is at most/],
    ["net:a*.example.com", 1, 6, /whole first label/],
    ["net:*.*.com", 1, 7, /whole first label/],
    ["net:10.0.0.1/8", 1, 13, /bits set beyond its prefix/],
    ["net:*.10.0.0.1", 1, 5, /no names below/],
    ["net:user@host", 1, 5, /neither a name nor an address/],
    ["net:https://a.b GET POST", 1, 21, /one list/],
    ["net:https://a.b methods=GET", 1, 17, /unknown attribute/],
    ["expires:tomorrow", 1, 9, /write it as 2030-01-01T00:00:00Z/],
    ["expires:2030-01-01", 1, 9, /is no time/],
    ["max_exec_time_ms:soon", 1, 18, /no whole number/],
    ["ipc:", 1, 5, /a pattern is missing/],
  ];
  for (const [text, line, column, problem] of table) {
    throws(() => Policy.parse(text), (error) => {
      ok(error instanceof PolicySyntaxError, `${text}: ${error}`);
      deepStrictEqual([error.line, error.column], [line, column], `${text}: ${error.message}`);
      match(error.problem, problem);
      return true;
    });
  }
  throws(() => Policy.parse("fs.read:/x\n  deny fs.raed:/x"), {
    message:
      'Cannot read the policy at line 2, column 8: unknown capability "fs.raed", known are fs.read, fs.write, ' +
      "exec, exec.shell, net, env, spawn, think, ipc, state, event, world, admin, secret\n" +
      "    deny fs.raed:/x\n" +
      "         ^",
  });
});

Deno.test("an error shows control characters escaped and a long line in part", () => {
  throws(
    () => Policy.parse("\u001b[2Jfs.read:/x"),
    (error) => error instanceof Error && !error.message.includes("\u001b"),
  );
  throws(
    () => Policy.parse("fs.read:/x " + "y".repeat(9000)),
    (error) => error instanceof Error && error.message.length < 1000,
  );
});

Deno.test("a policy beyond its bounds is refused", () => {
  throws(() => Policy.parse("fs.read:/" + "a".repeat(2000)), /longer than 1024/);
  throws(() => Policy.parse("exec:" + "a ".repeat(20_000)), /line is longer than/);
  throws(() => Policy.parse(new Array(1025).fill("fs.read:/x")), /at most 1024 rules/);
  throws(() => Policy.parse("fs.read:/x\n".repeat(30_000)), /policy is longer than/);
  throws(() => Policy.parse(new Array(65).fill("and")), /at most 64 layers/);
  let policy = Policy.parse("env:*");
  throws(() => {
    for (let i = 0; i < 100; i++) policy = meet(policy, Policy.parse([`fs.read:/${i}`, "env:x*"]));
  }, RangeError);
});

Deno.test("text is brought into one form and read back from it", () => {
  const table: [text: string, canonical: string][] = [
    ["  fs.read:/a/   # all below", "fs.read:/a/**"],
    ['fs.read:"/my files/x"', 'fs.read:"/my files/x"'],
    ['fs.read:"/plain"', "fs.read:/plain"],
    ["fs.read:/a#b", 'fs.read:"/a#b"'],
    ["deny   fs.read:/a", "deny fs.read:/a"],
    ["think:x usd=1.50 calls=1", "think:x calls=1 usd=1.5"],
    ["exec:git   status*   # a comment", "exec:git status*"],
    ["exec:git commit -m 'a b'", "exec:git commit -m a\\ b"],
    ["exec:echo '*' \"#\" \\#", "exec:echo [*] \\# \\#"],
    ["net:HTTPS://API.Example.COM.:443 post,get /x/", "net:https://api.example.com GET,POST /x/**"],
    ["net:https://x.org /**", "net:https://x.org"],
    ["net:https://bücher.example", "net:https://xn--bcher-kva.example"],
    ["net:http://0x7f.1:8080", "net:http://127.0.0.1:8080"],
    ["net:[::ffff:10.0.0.1]:80", "net:10.0.0.1:80"],
    ["net:fd00::/8", "net:[fd00::]/8"],
    ["net:[fd00::]/8:443", "net:[fd00::]/8:443"],
    ["net:http://[::1]:80", "net:http://[::1]"],
    ["net:10.0.0.0/8 private", "net:10.0.0.0/8"],
    ["net:https://x.org:* *", "net:https://x.org:*"],
    ["net:x.org private", "net:x.org private"],
  ];
  for (const [text, canonical] of table) {
    strictEqual(Policy.parse(text).toString(), canonical);
    strictEqual(Policy.parse(canonical).toString(), canonical);
  }
});

Deno.test("a hash within a pattern is no comment, one after a blank is", () => {
  ok(weigh(Policy.parse("exec:echo '# x' y"), execNeed(["echo", "# x", "y"])).allowed);
  ok(weigh(Policy.parse("exec:echo # x"), execNeed(["echo", "z"])).allowed);
});

Deno.test("JSON of any other shape is refused by name", () => {
  for (
    const value of [
      null,
      1,
      { alow: [] },
      { allow: "fs.read:/x" },
      { allow: [1] },
      { allow: ["fs.read:/x\nadmin:*"] },
      { allow: ["deny fs.read:/x"] },
      { level: 1 },
      { expires: 1 },
      { max_exec_time_ms: -1 },
      { layers: [] },
      { layers: [{}], allow: [] },
      { layers: [null] },
      JSON.parse('{"__proto__":{"level":"unrestricted"}}'),
    ]
  ) throws(() => Policy.fromJson(value), TypeError, JSON.stringify(value));
  throws(() => Policy.fromJson({ level: "root" }), PolicySyntaxError);
  throws(() => Policy.fromJson({ level: "minimal\nadmin:*" }), TypeError);
});

Deno.test("JSON and text say the same", () => {
  const text = [
    "level:sandboxed",
    "net:https://x.org GET",
    "deny fs.read:/work/private/**",
    "expires:2030-01-01T00:00:00.000Z",
    "max_exec_time_ms:5000",
  ];
  const policy = Policy.parse(text);
  deepStrictEqual(policy.toJson(), {
    level: "sandboxed",
    allow: ["net:https://x.org GET"],
    deny: ["fs.read:/work/private/**"],
    expires: "2030-01-01T00:00:00.000Z",
    max_exec_time_ms: 5000,
  });
  strictEqual(Policy.fromJson(policy.toJson()).toString(), policy.toString());
  strictEqual(Policy.fromJson(text).toString(), policy.toString());
  const home = Policy.level("standard", "/srv/my home");
  strictEqual(Policy.fromJson(JSON.parse(JSON.stringify(home))).toString(), home.toString());
  strictEqual(Policy.parse(home.toString()).toString(), home.toString());
  strictEqual(
    weigh(Policy.parse(home.toString()), fileNeed("fs.read", "/srv/my home/.ssh/x")).allowed,
    false,
  );
});

Deno.test("a policy that has ended allows nothing, and says since when", () => {
  const policy = Policy.parse(["fs.read:/**", "expires:2030-01-01T00:00:00Z"]);
  strictEqual(policy.expires, Date.UTC(2030, 0, 1));
  const need = fileNeed("fs.read", "/x");
  ok(weigh(policy, need, policy.expires! - 1).allowed);
  const verdict = weigh(policy, need, policy.expires);
  ok(!verdict.allowed);
  match(verdict.reason, /the policy ended at 2030-01-01T00:00:00\.000Z/);
  strictEqual(meet(policy, Policy.parse("fs.read:/**")).expires, policy.expires);
});

Deno.test("the rule a refusal misses grants exactly the need it was refused", () => {
  const needs = [
    fileNeed("fs.read", "/etc/shadow"),
    fileNeed("fs.write", '/we ird/*[x]?/"#\\\u202e\u001b[0m/é'),
    execNeed(["git", "commit", "-m", 'it\'s * "all" $HOME\n#x', ""]),
    netNeed("https://api.example.com:8443/a*b/[c]?q=secret#f", "patch"),
    netNeed("http://[fd00::1]/x"),
    netNeed("http://10.0.0.1/"),
    spawnNeed({ interpreter: "/opt/py thon", count: 3, depth: 2 }),
    thinkNeed("gemini-*", { calls: 1, tokens: 500, usd: 0.25 }),
    plainNeed("ipc", "work er"),
    plainNeed("exec.shell", "ls | wc -l"),
  ];
  const other = [
    fileNeed("fs.write", "/we ird/yyx?/x"),
    execNeed(["git", "commit", "-m", "x"]),
    thinkNeed("gemini-2"),
  ];
  for (const need of needs) {
    const verdict = weigh(Policy.parse(""), need);
    ok(!verdict.allowed);
    const granted = Policy.parse(verdict.receipt.missing);
    ok(weigh(granted, need).allowed, verdict.receipt.missing);
    strictEqual(verdict.receipt.missing, formatNeed(need));
    for (const each of other) {
      strictEqual(weigh(granted, each).allowed, false, `${verdict.receipt.missing} allows ${each.target}`);
    }
    // deno-lint-ignore no-control-regex
    ok(!/[\u0000-\u001f\u202e]/.test(verdict.reason + verdict.receipt.ask), "a terminal would obey this");
  }
});
