import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import {
  BLOCKED_PATHS,
  CAPABILITIES,
  type Capability,
  envNeed,
  execNeed,
  fileNeed,
  type Level,
  LEVELS,
  type Need,
  netNeed,
  plainNeed,
  Policy,
  spawnNeed,
  thinkNeed,
  weigh,
} from "./mod.ts";

const may = (level: Level, need: Need): boolean => weigh(Policy.level(level, "/srv/kernel"), need, 0).allowed;

/** One plain need per capability, and the levels that hold it. */
const TABLE: readonly [need: Need, holders: readonly Level[]][] = [
  [fileNeed("fs.read", "/work/a/b"), ["unrestricted", "standard", "sandboxed", "readonly"]],
  [fileNeed("fs.read", "/tmp/a"), ["unrestricted", "standard", "sandboxed", "readonly"]],
  [fileNeed("fs.read", "/usr/lib/x"), ["unrestricted", "standard", "readonly"]],
  [fileNeed("fs.write", "/work/a/b"), ["unrestricted", "standard", "sandboxed"]],
  [fileNeed("fs.write", "/opt/x"), ["unrestricted", "standard"]],
  [execNeed(["ls"]), ["unrestricted"]],
  [plainNeed("exec.shell", "ls | wc"), ["unrestricted"]],
  [netNeed("https://example.com/"), ["unrestricted"]],
  [netNeed("http://127.0.0.1:8080/"), ["unrestricted"]],
  [envNeed("HOME"), ["unrestricted"]],
  [spawnNeed({ interpreter: "deno", count: 1, depth: 1 }), ["unrestricted", "standard", "sandboxed"]],
  [spawnNeed({ interpreter: "deno", count: 8, depth: 2 }), ["unrestricted", "standard", "sandboxed"]],
  [spawnNeed({ interpreter: "deno", count: 8, depth: 3 }), ["unrestricted", "standard"]],
  [spawnNeed({ interpreter: "deno", count: 9, depth: 1 }), ["unrestricted"]],
  [thinkNeed("gemini-2", { calls: 1, tokens: 1000 }), [
    "unrestricted",
    "standard",
    "sandboxed",
    "readonly",
    "minimal",
  ]],
  [plainNeed("ipc", "worker"), ["unrestricted", "standard", "sandboxed", "readonly", "minimal"]],
  [plainNeed("state", "key"), ["unrestricted", "standard", "sandboxed", "readonly", "minimal"]],
  [plainNeed("event", "CUSTOM"), ["unrestricted", "standard", "sandboxed", "readonly", "minimal"]],
  [plainNeed("world", "create"), ["unrestricted", "standard", "sandboxed", "readonly"]],
  [plainNeed("admin", "kill"), ["unrestricted"]],
  [plainNeed("secret", "GITHUB"), ["unrestricted"]],
];

Deno.test("each level holds its capabilities and no other", () => {
  const tried = new Set<Capability>();
  for (const [need, holders] of TABLE) {
    tried.add(need.capability);
    for (const level of LEVELS) {
      strictEqual(
        may(level, need),
        holders.includes(level),
        `${level} and ${need.capability}:${need.target}`,
      );
    }
  }
  deepStrictEqual([...tried].sort(), [...CAPABILITIES].sort(), "the table leaves a capability out");
});

Deno.test("every default block holds at any depth, for every home and for the place itself", () => {
  const blocked: Record<(typeof BLOCKED_PATHS)[number], string[]> = {
    "/etc/shadow": ["/etc/shadow"],
    "/etc/passwd": ["/etc/passwd"],
    "~/.ssh/*": ["/home/ann/.ssh", "/home/bob/.ssh/sub/x", "/root/.ssh/id_rsa", "/srv/kernel/.ssh/id_rsa"],
    "~/.gnupg/*": ["/home/ann/.gnupg", "/root/.gnupg/a/b"],
    "~/.aws/*": ["/home/ann/.aws/config", "/srv/kernel/.aws"],
    "~/.config/gcloud/*": ["/home/ann/.config/gcloud", "/root/.config/gcloud/x/y"],
    "*/.env": ["/.env", "/srv/app/.env", "/tmp/a/b/c/.env"],
    "*/.git/config": ["/tmp/repo/.git/config", "/.git/config"],
    "*/credentials*": ["/srv/app/credentials.json", "/tmp/a/credentials"],
    "*/secrets*": ["/srv/app/secrets/prod/key", "/tmp/secrets.yaml"],
    "*/*token*": ["/srv/app/my_token.txt", "/tmp/a/b/tokens/x"],
    "*/*password*": ["/srv/app/old-passwords.csv", "/tmp/password"],
  };
  for (const text of BLOCKED_PATHS) {
    for (const path of blocked[text]) {
      for (const level of ["standard", "readonly"] as const) {
        const verdict = weigh(Policy.level(level, "/srv/kernel"), fileNeed("fs.read", path));
        ok(!verdict.allowed, `${level} reads ${path}`);
        strictEqual(verdict.receipt.rule, `level ${level}: blocks "${text}"`);
      }
      strictEqual(may("standard", fileNeed("fs.write", path)), false, `standard writes ${path}`);
      strictEqual(may("unrestricted", fileNeed("fs.read", path)), true, `unrestricted cannot read ${path}`);
    }
  }
});

Deno.test("what only looks like a default block is readable", () => {
  for (
    const path of [
      "/srv/.envrc",
      "/srv/x.env",
      "/etc/shadowsocks",
      "/srv/.git/config.lock",
      "/srv/my-credentials",
      "/home/ann/.sshd",
    ]
  ) {
    strictEqual(may("standard", fileNeed("fs.read", path)), true, path);
  }
});

Deno.test("no level holds a path that is relative or was not resolved", () => {
  for (
    const path of ["work/a", "", "/work/../etc/shadow", "/work/./a", "/work/a/..", "/work//a", "/work/a\0b"]
  ) {
    for (const level of LEVELS) {
      strictEqual(may(level, { capability: "fs.read", target: path }), false, `${level} ${path}`);
    }
  }
});

Deno.test("a level narrower than another holds nothing that the other does not", () => {
  const order: [Level, Level][] = [["standard", "unrestricted"], ["sandboxed", "standard"], [
    "readonly",
    "standard",
  ], ["minimal", "readonly"]];
  for (const [narrow, wide] of order) {
    for (const [need] of TABLE) {
      ok(!may(narrow, need) || may(wide, need), `${narrow} > ${wide}: ${need.target}`);
    }
  }
});

Deno.test("a level knows its name, and a policy made of it does not pretend to", () => {
  throws(() => Policy.level("root" as Level), RangeError);
  throws(() => Policy.level("standard", "srv"), TypeError);
  for (const level of LEVELS) strictEqual(Policy.level(level).level, level);
  strictEqual(Policy.parse("level:standard").level, "standard");
  strictEqual(Policy.parse(["level:standard", "net:*"]).level, null);
  strictEqual(Policy.parse("fs.read:/**").level, null);
});

Deno.test("a usual home is not repeated in a policy, another one is", () => {
  for (const home of ["/root", "/home/user", "/home/user/"]) {
    strictEqual(Policy.level("sandboxed", home).toString(), "level:sandboxed");
    strictEqual(Policy.level("sandboxed", home).level, "sandboxed");
    strictEqual(Policy.parse("fs.read:~/x", { home }).toString(), `fs.read:${home.replace(/\/$/, "")}/x`);
  }
  strictEqual(Policy.level("sandboxed", "/srv/user").toString(), "level:sandboxed home=/srv/user");
  strictEqual(Policy.level("sandboxed", "/home/a/b").toString(), "level:sandboxed home=/home/a/b");
});
