import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { askFor, Authority, envNeed, fileNeed, plainNeed, Policy, spawnNeed, thinkNeed } from "./mod.ts";

const shadow = fileNeed("fs.read", "/etc/shadow");
const open = () => new Authority(Policy.level("unrestricted"));
const confined = (parent?: Authority) => new Authority(Policy.level("sandboxed"), parent);

Deno.test("what an agent's policy says beyond its parent's is worth nothing", () => {
  const parent = confined();
  const child = new Authority(Policy.level("unrestricted"), parent);
  const verdict = child.weigh(shadow, 0);
  ok(!verdict.allowed);
  deepStrictEqual(verdict.receipt, {
    need: "fs.read:/etc/shadow",
    rule: "parent, level sandboxed: fs.read allows /work/**, /tmp/**",
    missing: "fs.read:/etc/shadow",
    ask: "clove perms grant AGENT fs.read:/etc/shadow",
  });
  strictEqual(askFor(verdict.receipt, "worker"), "clove perms grant worker fs.read:/etc/shadow");
  strictEqual(askFor(verdict.receipt, "a b; id"), "clove perms grant 'a b; id' fs.read:/etc/shadow");
  ok(child.weigh(fileNeed("fs.read", "/work/x"), 0).allowed);
});

Deno.test("lowering a parent takes from all below; replacing it gives back", () => {
  const top = open();
  const parent = new Authority(Policy.level("standard"), top);
  const child = confined(new Authority(Policy.level("standard"), parent));
  const need = fileNeed("fs.read", "/work/x");
  ok(child.weigh(need, 0).allowed);
  parent.lower(Policy.level("minimal"));
  strictEqual(child.weigh(need, 0).allowed, false);
  parent.replace(Policy.level("standard"));
  ok(child.weigh(need, 0).allowed);
});

Deno.test("lowering reaches the grants an agent holds, too", () => {
  const agent = confined();
  agent.grant(Policy.parse(["fs.read:/etc/shadow", "env:HOME"]), { from: null });
  ok(agent.weigh(shadow, 0).allowed);
  agent.lower(Policy.parse(["fs.read:/work/**", "env:*"]));
  strictEqual(agent.weigh(shadow, 0).allowed, false);
  ok(agent.weigh(envNeed("HOME"), 0).allowed);
});

Deno.test("a grant by the operator overrides what is denied; it ends in time, by uses, and when revoked", () => {
  const agent = confined(confined());
  strictEqual(agent.weigh(shadow, 0).allowed, false);
  const timed = agent.grant(Policy.parse("fs.read:/etc/shadow"), { from: null, until: 1000 });
  deepStrictEqual(agent.weigh(shadow, 999), {
    allowed: true,
    rule: "grant 1 by the operator: fs.read:/etc/shadow",
  });
  strictEqual(agent.weigh(shadow, 1000).allowed, false);
  timed.revoke();
  strictEqual(agent.weigh(shadow, 999).allowed, false);
  strictEqual(timed.revoked, true);

  const twice = agent.grant(Policy.parse("fs.read:/etc/shadow"), { from: null, uses: 2 });
  ok(agent.explain(shadow, 0).allowed);
  strictEqual(twice.usesLeft, 2, "explaining takes no use");
  ok(agent.weigh({ ...shadow }, 0).allowed);
  ok(agent.weigh({ ...shadow }, 0).allowed);
  strictEqual(agent.weigh({ ...shadow }, 0).allowed, false);
  agent.prune(0);
  strictEqual(agent.grants().length, 0);
});

Deno.test("a grant by an agent is worth what the giver holds, and no more than the taker is not denied", () => {
  const giver = new Authority(Policy.parse(["env:*", "fs.read:/**"]));
  const taker = confined();
  taker.grant(Policy.parse(["env:HOME", "admin:*", "fs.read:/**"]), { from: giver });
  ok(taker.weigh(envNeed("HOME"), 0).allowed);
  ok(taker.weigh(fileNeed("fs.read", "/opt/x"), 0).allowed);
  strictEqual(taker.weigh(shadow, 0).allowed, false, "the taker's default blocks hold");
  strictEqual(taker.weigh(plainNeed("admin", "kill"), 0).allowed, false, "the giver does not hold it");
  giver.lower(Policy.parse("fs.read:/**"));
  strictEqual(taker.weigh(envNeed("HOME"), 0).allowed, false, "the giver holds it no more");
});

Deno.test("a chain of grants ends with its first link, and with an agent that is gone", () => {
  const agents = [confined(), confined(), confined(), confined()] as const;
  const rules = Policy.parse("env:HOME");
  const first = agents[0].grant(rules, { from: null });
  for (let i = 1; i < agents.length; i++) agents[i]!.grant(rules, { from: agents[i - 1]! });
  const may = () => agents.map((agent) => agent.weigh(envNeed("HOME"), 0).allowed);
  deepStrictEqual(may(), [true, true, true, true]);
  agents[1].close();
  deepStrictEqual(may(), [true, false, false, false]);
  strictEqual(agents[0].given().length, 0);
  first.revoke();
  deepStrictEqual(may(), [false, false, false, false]);
});

Deno.test("a circle of grants holds nothing up, and a thicket of them is not searched without end", () => {
  const [a, b] = [confined(), confined()];
  const rules = Policy.parse("env:*");
  a.grant(rules, { from: b });
  b.grant(rules, { from: a });
  strictEqual(a.weigh(envNeed("HOME"), 0).allowed, false);
  ok(a.weigh(fileNeed("fs.read", "/work/x"), 0).allowed, "the circle left a mark");
  a.grant(rules, { from: new Authority(rules) });
  ok(a.weigh(envNeed("HOME"), 0).allowed, "the circle used up the search");
  ok(b.weigh(envNeed("HOME"), 0).allowed, "what a holds by another, b holds by a");

  const layers = Array.from({ length: 8 }, () => Array.from({ length: 8 }, () => confined()));
  for (let i = 1; i < layers.length; i++) {
    for (const taker of layers[i]!) for (const giver of layers[i - 1]!) taker.grant(rules, { from: giver });
  }
  let asked = 0;
  const bottom = new Proxy(Policy.parse("fs.read:/x"), {
    get(target, key) {
      if (key === "layers") asked++;
      return Reflect.get(target, key, target);
    },
  });
  for (const agent of layers[0]!) agent.replace(bottom);
  strictEqual(layers[7]![0]!.weigh(envNeed("HOME"), 0).allowed, false);
  ok(asked > 8 && asked <= 3 * 1024, `${asked} questions at the bottom of 8 ** 7 ways`);
});

Deno.test("a grant that makes no sense is refused", () => {
  const agent = confined();
  const rules = Policy.parse("env:*");
  throws(() => agent.grant(rules, { from: agent }), TypeError);
  for (const uses of [0, -1, 1.5, NaN]) throws(() => agent.grant(rules, { from: null, uses }), TypeError);
  const giver = confined();
  throws(() => {
    for (let i = 0; i < 100; i++) agent.grant(rules, { from: giver });
  }, /holds 32 grants of this giver/);
  throws(() => {
    for (let i = 0; i < 300; i++) agent.grant(rules, { from: null });
  }, /holds 256 grants already/);
});

Deno.test("a spawn is one level deeper for each agent above", () => {
  const top = open();
  const agent = confined(top);
  const child = confined(agent);
  const grandchild = confined(child);
  const spawn = spawnNeed({ interpreter: "deno" });
  ok(agent.weigh(spawn, 0).allowed);
  ok(child.weigh(spawn, 0).allowed);
  const verdict = grandchild.weigh(spawn, 0);
  ok(!verdict.allowed && verdict.quota);
  match(verdict.reason, /spawn:\* count=8 depth=2, at most 2 levels of agents below/);
});

Deno.test("a quota refuses what would exceed it, is reserved before and settled after", () => {
  const agent = new Authority(Policy.parse("think:gemini-* calls=3 tokens=100"));
  const need = (tokens: number) => thinkNeed("gemini-2", { calls: 1, tokens });
  const first = agent.reserve(need(60), 0);
  ok(first.allowed);
  const over = agent.reserve(need(60), 0);
  ok(!over.allowed && over.quota);
  match(over.reason, /60 of 100 tokens used, 60 more asked for/);
  first.reservation.settle({ calls: 1, tokens: 20 });
  first.reservation.settle({ calls: 1, tokens: 99 });
  deepStrictEqual(agent.usage, { calls: 1, tokens: 20, usd: 0 });
  const second = agent.reserve(need(60), 0);
  ok(second.allowed);
  second.reservation.release();
  deepStrictEqual(agent.usage, { calls: 1, tokens: 20, usd: 0 });
  throws(() => agent.report("gemini-2", { tokens: NaN }), TypeError);
  agent.report("gemini-2", { calls: 2, tokens: 1 });
  strictEqual(agent.weigh(need(1), 0).allowed, false, "all calls are used");
  strictEqual(
    agent.weigh(thinkNeed("gpt", { calls: 1 }), 0).allowed,
    false,
    "another model is not allowed at all",
  );
});

Deno.test("counters outlive every change of policy", () => {
  const agent = new Authority(Policy.parse("think:* calls=2"));
  agent.report("gemini-2", { calls: 2 });
  agent.replace(Policy.parse("think:* calls=3"));
  ok(agent.reserve(thinkNeed("gemini-2", { calls: 1 }), 0).allowed);
  strictEqual(agent.reserve(thinkNeed("gemini-2", { calls: 1 }), 0).allowed, false);
  agent.lower(Policy.level("minimal"));
  strictEqual(agent.reserve(thinkNeed("gemini-2", { calls: 1 }), 0).allowed, false);
});

Deno.test("what children take counts against their parent, and their number wins nothing", () => {
  const parent = new Authority(Policy.parse("think:* calls=4"));
  let taken = 0;
  for (let i = 0; i < 10; i++) {
    const child = new Authority(Policy.parse("think:*"), parent);
    if (child.reserve(thinkNeed("m", { calls: 1 }), 0).allowed) taken++;
  }
  strictEqual(taken, 4);
  strictEqual(parent.usage.calls, 4);
});

Deno.test("an amount that is no number is refused", () => {
  const agent = new Authority(Policy.parse("think:* calls=4"));
  for (const calls of [-1, NaN, Infinity]) {
    strictEqual(agent.reserve(thinkNeed("m", { calls }), 0).allowed, false, `${calls}`);
  }
});

Deno.test("a quota that comes by a grant has its own counter", () => {
  const agent = new Authority(Policy.parse("think:* calls=1"));
  agent.report("m", { calls: 1 });
  strictEqual(agent.weigh(thinkNeed("m", { calls: 1 }), 0).allowed, false);
  agent.grant(Policy.parse("think:m calls=1"), { from: null });
  ok(agent.reserve(thinkNeed("m", { calls: 1 }), 0).allowed);
  strictEqual(agent.reserve(thinkNeed("m", { calls: 1 }), 0).allowed, false);
  strictEqual(agent.usage.calls, 2);
});
