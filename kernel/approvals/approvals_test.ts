import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { Authority, fileNeed, type Level, Policy } from "../../permissions/mod.ts";
import { VirtualClock } from "../../worlds/clock.ts";
import { Audit } from "../audit/audit.ts";
import { EventBus } from "../events.ts";
import { Log } from "../log.ts";
import { type Principal, Principals } from "../principals.ts";
import { openStorage, type Storage } from "../storage/storage.ts";
import { APPROVAL_LIMITS, Approvals } from "./approvals.ts";
import { Grants } from "./grants.ts";
import { KeptRights } from "./kept.ts";
import { lineageOf } from "./lineage.ts";
import { readGrantRules } from "./rules.ts";

const log = new Log({ level: "error", format: "text" });
const RULES = readGrantRules("env:A", false);
const ASK = { reason: "because", expiresMs: 10_000 };

/** The services, on a clock that stands still. */
class Bench implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly storage: Storage;
  readonly principals = new Principals();
  readonly audit: Audit;
  readonly grants: Grants;
  readonly kept: KeptRights;
  readonly approvals: Approvals;
  readonly operator: Principal;

  constructor(dir: string | null = null) {
    const { clock, principals } = this;
    const events = new EventBus(clock);
    this.storage = openStorage({ dir, clock, log });
    this.audit = new Audit({ clock, log });
    const { audit } = this;
    this.kept = new KeptRights(this.storage);
    this.grants = new Grants({ clock, log, audit, principals, kept: this.kept });
    this.approvals = new Approvals({ clock, audit, events, grants: this.grants });
    this.operator = principals.create("operator", { authority: new Authority(Policy.level("unrestricted")) });
  }

  agent(name: string, parent: Principal | null = null, level: Level = "minimal"): Principal {
    const authority = new Authority(Policy.level(level), parent?.authority);
    return this.principals.create("agent", { authority, parent, name });
  }

  async lines(): Promise<string[]> {
    const { lines } = await this.audit.query({ category: "SECURITY", limit: 100 });
    return lines.map(({ event_type }) => event_type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.approvals.close();
    await this.audit.close();
    await this.storage.close();
  }
}

Deno.test("rules of a grant are plain, few and short; what is shown is their one form", () => {
  const no: [string | string[], RegExp][] = [
    ["", /there is no rule/],
    ["# only words", /there is no rule/],
    ["level:unrestricted", /only plain rules/],
    [["env:A", "and", "env:B"], /only plain rules/],
    ["blocks:paths", /only plain rules/],
    ["env:A\nexpires:2030-01-01T00:00:00Z", /only plain rules/],
    ["env:A\nmax_exec_time_ms:1", /only plain rules/],
    ["deny env:A", /gives nothing/],
    [["env:*", "deny env:A"], /cannot be asked for/],
    [Array.from({ length: 17 }, (_, i) => `env:A${i}`), /at most 16/],
    [`env:${"A".repeat(5_000)}`, /longer than 4096/],
    ["nonsense", /invalid request/],
  ];
  for (const [rules, text] of no) {
    throws(() => readGrantRules(rules, false), { code: "bad_request", message: text });
  }
  deepStrictEqual(readGrantRules(["env:*", "deny env:A"], true).lines, ["deny env:A", "env:*"]);
  deepStrictEqual(readGrantRules("env:B\nenv:A # \u202e", false).lines, ["env:A", "env:B"]);
  deepStrictEqual(readGrantRules("net:HTTPS://EXAMPLE.com:443", false).lines, ["net:https://example.com"]);
});

Deno.test("a question gives nothing, is put once, and is closed by its time or its agent's end", async () => {
  await using bench = new Bench();
  const { approvals, clock } = bench;
  const [one, two] = [bench.agent("one"), bench.agent("two")];
  const asked = approvals.request(one, RULES, ASK)!;
  strictEqual(approvals.request(one, RULES, ASK), asked);
  ok(approvals.request(two, RULES, ASK) !== asked, "another agent's is another question");
  strictEqual(one.authority.explain({ capability: "env", target: "A" }, clock.now()).allowed, false);
  await clock.advance(9_999);
  strictEqual(asked.status, "pending");
  two.dispose();
  deepStrictEqual(approvals.list({ closed: true }).map(({ status }) => status), ["withdrawn", "pending"]);
  await clock.advance(1);
  strictEqual(asked.status, "expired");
  await asked.closed;
  await rejects(approvals.answer(asked.id, { kind: "life", by: bench.operator }), {
    code: "conflict",
    message: /it is expired/,
  });
  await rejects(approvals.answer(99, { kind: "life", by: bench.operator }), { code: "not_found" });
  deepStrictEqual(approvals.list({ closed: false }), []);
});

Deno.test("answers give what they say", async () => {
  await using bench = new Bench();
  const { approvals, clock, operator } = bench;
  const may = (agent: Principal): boolean =>
    agent.authority.weigh({ capability: "env", target: "A" }, clock.now()).allowed;
  const answered = async (answer: Parameters<Approvals["answer"]>[1]): Promise<Principal> => {
    const agent = bench.agent(`agent-${answer.kind}`);
    await approvals.answer(approvals.request(agent, RULES, ASK)!.id, answer);
    return agent;
  };
  const once = await answered({ kind: "once", by: operator });
  deepStrictEqual([may(once), may(once)], [true, false]);
  const timed = await answered({ kind: "for", durationMs: 500, by: operator });
  strictEqual(may(timed), true);
  await clock.advance(500);
  strictEqual(may(timed), false);
  const life = await answered({ kind: "life", by: operator });
  await clock.advance(1e9);
  strictEqual(may(life), true);
  strictEqual(may(await answered({ kind: "deny", by: operator })), false);
  const other = await answered({ kind: "life", rules: readGrantRules("env:B", true), by: operator });
  deepStrictEqual(
    [may(other), other.authority.weigh({ capability: "env", target: "B" }, clock.now()).allowed],
    [false, true],
  );
  strictEqual(approvals.request(life, RULES, ASK), null, "it is held");
});

Deno.test("two answers at once are one answer", async () => {
  await using bench = new Bench();
  const { approvals, operator } = bench;
  const agent = bench.agent("named");
  const { id } = approvals.request(agent, RULES, ASK)!;
  const both = await Promise.allSettled([
    approvals.answer(id, { kind: "always", by: operator }),
    approvals.answer(id, { kind: "life", by: operator }),
  ]);
  deepStrictEqual(both.map(({ status }) => status), ["fulfilled", "rejected"]);
  strictEqual(agent.authority.grants().length, 1);
});

Deno.test("a no counts for a minute", async () => {
  await using bench = new Bench();
  const { approvals, clock, operator } = bench;
  const agent = bench.agent("agent");
  const asked = approvals.request(agent, RULES, ASK)!;
  await approvals.answer(asked.id, { kind: "deny", message: "no", by: operator });
  strictEqual(approvals.request(agent, RULES, ASK), asked);
  await clock.advance(APPROVAL_LIMITS.denialMs);
  strictEqual(approvals.request(agent, RULES, ASK)!.status, "pending");
});

Deno.test("an agent, its tree and all together ask so much and no more", async () => {
  await using bench = new Bench();
  const { approvals, clock } = bench;
  const rule = (i: number) => readGrantRules(`env:V${i}`, false);
  const top = bench.agent("top");
  for (let i = 0; i < APPROVAL_LIMITS.ofOne; i++) approvals.request(top, rule(i), ASK);
  throws(() => approvals.request(top, rule(100), ASK), { code: "limit", message: /wait for answers/ });
  strictEqual(approvals.request(top, rule(0), ASK)!.status, "pending", "a known one takes no room");
  for (let i = APPROVAL_LIMITS.ofOne; i < APPROVAL_LIMITS.ofTree; i++) {
    approvals.request(bench.agent(`child-${i}`, top), rule(i), ASK);
  }
  throws(() => approvals.request(bench.agent("last", top), rule(100), ASK), { code: "limit" });
  approvals.request(bench.agent("other"), rule(1), ASK);

  const quick = bench.agent("quick");
  for (let i = 0; i < APPROVAL_LIMITS.perMinute; i++) {
    approvals.request(quick, rule(i), { ...ASK, expiresMs: 1 });
    await clock.advance(1);
  }
  throws(() => approvals.request(quick, rule(100), ASK), { code: "limit", message: /a minute/ });
  await clock.advance(60_000);
  approvals.request(quick, rule(100), ASK);
});

Deno.test("what is given for good is given again after a restart, to who is the same, until it is forgotten", async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-test-" });
  try {
    {
      await using bench = new Bench(dir);
      const parent = bench.agent("planner");
      const worker = bench.agent("worker", parent);
      strictEqual(lineageOf(worker), "planner/worker");
      const grant = await bench.grants.giveForGood(worker, RULES, bench.operator);
      strictEqual(bench.grants.factsOf(grant).kept, true);
      await rejects(bench.grants.giveForGood(bench.agent("agent_7"), RULES, bench.operator), {
        code: "conflict",
        message: /no name that lasts/,
      });
    }
    await using bench = new Bench(dir);
    const planner = bench.agent("planner");
    const [same, alone, below] = [
      bench.agent("worker", planner),
      bench.agent("worker"),
      bench.agent("worker", bench.agent("agent_1")),
    ];
    for (const agent of [same, alone, below]) bench.grants.restore(agent);
    const held = (agent: Principal) => bench.grants.heldBy(agent).map(({ rules, kept }) => [rules, kept]);
    deepStrictEqual([held(same), held(alone), held(below)], [[[["env:A"], true]], [], []]);
    await bench.grants.revoke(same, same.authority.grants()[0]!, bench.operator);
    deepStrictEqual([held(same), bench.kept.all()], [[], []]);
    deepStrictEqual((await bench.lines()).slice(-3), ["GRANT_RESTORED", "GRANT_REVOKED", "GRANT_FORGOTTEN"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("kept rights are bounded, and one that cannot be read does not keep an agent from starting", async () => {
  await using bench = new Bench();
  const { kept, grants, operator } = bench;
  const worker = bench.agent("worker");
  for (let i = 0; i < 64; i++) await kept.keep({ lineage: "worker", rules: `env:V${i}`, at: i });
  await rejects(grants.giveForGood(worker, RULES, operator), { code: "limit" });
  strictEqual(worker.authority.grants().length, 0);
  await kept.forget("worker", "env:V0");
  await kept.keep({ lineage: "worker", rules: "some:newer rule", at: 0 });
  grants.restore(worker);
  strictEqual(grants.heldBy(worker).length, 63);
});

Deno.test("a grant holds so many grants, and says who gave it", async () => {
  await using bench = new Bench();
  const { grants, operator } = bench;
  const [giver, taker] = [bench.agent("giver", null, "standard"), bench.agent("taker")];
  grants.give(taker, readGrantRules("fs.read:/srv/**", true), { giver, by: giver, uses: 3 });
  deepStrictEqual(grants.heldBy(taker), [{
    grant_id: 1,
    rules: ["fs.read:/srv/**"],
    from: giver.id,
    from_name: "giver",
    uses_left: 3,
    kept: false,
  }]);
  ok(taker.authority.weigh(fileNeed("fs.read", "/srv/x"), 0).allowed);
  for (let i = 0; i < 31; i++) grants.give(taker, RULES, { giver, by: giver });
  throws(() => grants.give(taker, RULES, { giver, by: giver }), { code: "limit", message: /of this giver/ });
  grants.give(taker, RULES, { giver: null, by: operator });
  match((await bench.lines()).at(-1)!, /GRANT_GIVEN/);
});
