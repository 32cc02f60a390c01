import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import {
  BLOCKED_COMMANDS,
  BLOCKED_PATHS,
  execNeed,
  fileNeed,
  fromPermissionObject,
  meet,
  netNeed,
  Policy,
  spawnNeed,
  thinkNeed,
  toPermissionObject,
  weigh,
} from "./mod.ts";

const NOTHING = { calls: 0, tokens: 0, usd: 0 };
const show = (policy: Policy) => toPermissionObject(policy, NOTHING);

Deno.test("each level shows the fields that clients know", () => {
  const shown = (level: "unrestricted" | "standard" | "sandboxed" | "readonly" | "minimal") =>
    show(Policy.level(level)).permissions;
  deepStrictEqual(shown("standard"), {
    can_exec: false,
    can_read: true,
    can_write: true,
    can_think: true,
    can_spawn: true,
    can_http: false,
    filesystem: { read: [], write: [], blocked: [...BLOCKED_PATHS] },
    exec: [],
    blocked_commands: [...BLOCKED_COMMANDS],
    network: [],
    http_methods: [],
    llm: { max_tokens: 0, max_calls: 0, tokens_used: 0, calls_made: 0 },
    max_exec_time_ms: 30000,
  });
  deepStrictEqual(shown("unrestricted"), {
    ...shown("standard"),
    can_exec: true,
    can_http: true,
    filesystem: { read: [], write: [], blocked: [] },
    exec: ["*"],
    blocked_commands: [],
    network: ["*"],
    http_methods: ["*"],
  });
  deepStrictEqual(shown("sandboxed").filesystem.read, ["/work/**", "/tmp/**"]);
  strictEqual(shown("readonly").can_write, false);
  strictEqual(shown("readonly").can_spawn, false);
  deepStrictEqual([shown("minimal").can_read, shown("minimal").can_write, shown("minimal").can_think], [
    false,
    false,
    true,
  ]);
  deepStrictEqual({ ...show(Policy.level("sandboxed")), permissions: null }, {
    permissions: null,
    level: "sandboxed",
    paths: ["/work/**", "/tmp/**"],
    commands: [],
    domains: [],
  });
});

Deno.test("layers are shown as what lies within all of them", () => {
  const both = meet(
    Policy.parse(["fs.read:/work/**", "net:*", "think:* calls=9"]),
    Policy.parse(["fs.read:/**", "net:x.org GET", "think:* calls=5"]),
  );
  const { permissions, level, paths, domains } = show(both);
  deepStrictEqual([level, paths, domains, permissions.http_methods, permissions.llm.max_calls], [
    "custom",
    ["/work/**"],
    ["x.org"],
    ["GET"],
    5,
  ]);
});

Deno.test("what the object leaves out has its starting value", () => {
  const policy = fromPermissionObject({});
  const { permissions } = show(policy);
  deepStrictEqual({ ...permissions, filesystem: null, blocked_commands: null }, {
    can_exec: false,
    can_read: true,
    can_write: true,
    can_think: true,
    can_spawn: false,
    can_http: false,
    filesystem: null,
    exec: [],
    blocked_commands: null,
    network: [],
    http_methods: [],
    llm: { max_tokens: 0, max_calls: 0, tokens_used: 0, calls_made: 0 },
    max_exec_time_ms: 30000,
  });
  strictEqual(weigh(policy, execNeed(["ls"])).allowed, false);
  strictEqual(weigh(policy, spawnNeed({ interpreter: "deno" })).allowed, false);
});

Deno.test("the default blocks stay unless an unrestricted caller leaves them out", () => {
  const shadow = fileNeed("fs.read", "/etc/shadow");
  strictEqual(weigh(fromPermissionObject({ filesystem: { blocked: [] } }), shadow).allowed, false);
  strictEqual(weigh(fromPermissionObject({ exec: ["*"] }), execNeed(["sudo", "ls"])).allowed, false);
  const free = fromPermissionObject({ exec: ["*"], filesystem: { blocked: ["*/.env", "/srv/x"] } }, {
    keepBlocks: false,
  });
  ok(weigh(free, shadow).allowed);
  ok(weigh(free, execNeed(["sudo", "ls"])).allowed);
  strictEqual(weigh(free, fileNeed("fs.write", "/a/b/.env")).allowed, false);
  strictEqual(weigh(free, fileNeed("fs.read", "/srv/x/y")).allowed, false);
  deepStrictEqual(show(free).permissions.filesystem.blocked, ["*/.env", "/srv/x"]);
});

Deno.test("lists switch on what they are about; both network lists are needed", () => {
  const ls = execNeed(["ls"]);
  ok(weigh(fromPermissionObject({ exec: ["ls"] }), ls).allowed);
  strictEqual(
    weigh(fromPermissionObject({ exec: ["ls"] }), execNeed(["echo", "I-am-not-ls"])).allowed,
    false,
  );
  strictEqual(weigh(fromPermissionObject({ can_exec: true }), ls).allowed, false);
  strictEqual(weigh(fromPermissionObject({ exec: ["*"], blocked_commands: ["ls"] }), ls).allowed, false);
  const get = netNeed("https://a.example.com/");
  for (const part of [{ network: ["*"] }, { http_methods: ["*"] }, { can_http: true }]) {
    strictEqual(weigh(fromPermissionObject(part), get).allowed, false, JSON.stringify(part));
  }
  const both = fromPermissionObject({ network: ["*.example.com"], http_methods: ["get"] });
  ok(weigh(both, get).allowed);
  strictEqual(weigh(both, netNeed("https://a.example.com/", "POST")).allowed, false);
  strictEqual(weigh(both, netNeed("https://example.com/")).allowed, false);
  strictEqual(
    weigh(fromPermissionObject({ network: ["*"], http_methods: ["*"] }), netNeed("http://127.0.0.1/"))
      .allowed,
    false,
  );
});

Deno.test("paths, commands and domains stand in for absent lists", () => {
  const policy = fromPermissionObject({
    paths: ["/srv/*"],
    commands: ["ls"],
    domains: ["x.org"],
    http_methods: ["*"],
  });
  ok(weigh(policy, fileNeed("fs.read", "/srv/a")).allowed);
  ok(weigh(policy, fileNeed("fs.write", "/srv/a")).allowed);
  strictEqual(weigh(policy, fileNeed("fs.write", "/srv/a/b")).allowed, false, "a star stays within a name");
  ok(weigh(policy, execNeed(["ls"])).allowed);
  ok(weigh(policy, netNeed("https://x.org/")).allowed);
  const own = fromPermissionObject({
    paths: ["/**"],
    filesystem: { read: ["/srv/**"] },
    commands: ["*"],
    exec: [],
  });
  strictEqual(weigh(own, fileNeed("fs.read", "/opt/x")).allowed, false);
  strictEqual(weigh(own, execNeed(["ls"])).allowed, false);
});

Deno.test("quotas and times are read; 0 means none", () => {
  const policy = fromPermissionObject({
    llm: { max_tokens: 100, max_calls: 0, tokens_used: 5 },
    max_exec_time_ms: 5000,
  });
  strictEqual(policy.maxExecTimeMs, 5000);
  strictEqual(weigh(policy, thinkNeed("m", { tokens: 101 })).allowed, false);
  ok(weigh(policy, thinkNeed("m", { calls: 1000, tokens: 100 })).allowed);
  deepStrictEqual(toPermissionObject(policy, { calls: 3, tokens: 7, usd: 0 }).permissions.llm, {
    max_tokens: 100,
    max_calls: 0,
    tokens_used: 7,
    calls_made: 3,
  });
});

Deno.test("a value of the wrong shape is refused by name, null counts as absent", () => {
  const wrong: unknown[] = [
    null,
    [],
    "standard",
    { can_exec: 1 },
    { can_read: "no" },
    { exec: "ls" },
    { exec: [1] },
    { exec: ["git 'x"] },
    { filesystem: [] },
    { filesystem: { read: ["tmp/x"] } },
    { filesystem: { read: ["*"] } },
    { filesystem: { read: ["~/x"] } },
    { filesystem: { blocked: ["/a/../b"] } },
    { network: ["a b"], http_methods: ["GET"] },
    { network: ["x.org"], http_methods: ["GET /"] },
    { llm: { max_tokens: -1 } },
    { llm: { max_calls: 1.5 } },
    { max_exec_time_ms: "1" },
  ];
  for (const value of wrong) throws(() => fromPermissionObject(value), TypeError, JSON.stringify(value));
  ok(weigh(fromPermissionObject({ can_read: null, filesystem: null }), fileNeed("fs.read", "/x")).allowed);
  ok(
    weigh(
      fromPermissionObject({ filesystem: { read: ["~/x"] } }, { home: "/home/ann" }),
      fileNeed("fs.read", "/home/ann/x"),
    ).allowed,
  );
});

Deno.test("what was shown and is sent back allows no more than before", () => {
  const needs = [
    fileNeed("fs.read", "/work/a"),
    fileNeed("fs.read", "/etc/passwd"),
    fileNeed("fs.write", "/work/a/.env"),
    fileNeed("fs.write", "/opt/x"),
    execNeed(["ls"]),
    netNeed("https://x.org/"),
    netNeed("http://127.0.0.1/"),
    netNeed("http://169.254.169.254/"),
    thinkNeed("m", { calls: 10 }),
    spawnNeed({ interpreter: "deno" }),
  ];
  for (
    const rules of [
      "level:standard",
      "level:sandboxed",
      "level:readonly",
      "level:minimal",
      "level:sandboxed\nnet:* private\nexec:ls",
      "think:* calls=5\nnet:x.org GET",
    ]
  ) {
    const before = Policy.parse(rules);
    const after = fromPermissionObject(JSON.parse(JSON.stringify(show(before).permissions)));
    for (const need of needs) {
      ok(!weigh(after, need).allowed || weigh(before, need).allowed, `${rules} gained ${need.target}`);
    }
  }
});
