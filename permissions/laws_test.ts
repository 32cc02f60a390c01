import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  Authority,
  covers,
  execNeed,
  fileNeed,
  type Grant,
  meet,
  type Need,
  netNeed,
  plainNeed,
  Policy,
  spawnNeed,
  thinkNeed,
  weigh,
  withAddress,
} from "./mod.ts";

/** Rules out of which policies are drawn; each overlaps with others in some way. */
const RULES = [
  "fs.read:/work/**",
  "fs.read:/work/*/src/**",
  "fs.write:/work/out/",
  "deny fs.read:**/.env/**",
  "deny fs.write:/work/out/locked/**",
  "exec:git status*",
  "exec:git",
  "deny exec:git push",
  "net:https://*.example.com GET,POST /repos/**",
  "net:api.example.com private",
  "net:10.0.0.0/8",
  "deny net:api.example.com /repos/secret/**",
  "think:gemini-* calls=3 tokens=100",
  "think:*",
  "spawn:deno count=2 depth=1",
  "ipc:worker-*",
] as const;

const NEEDS: readonly Need[] = [
  fileNeed("fs.read", "/work"),
  fileNeed("fs.read", "/work/a/src/main.ts"),
  fileNeed("fs.read", "/work/a/.env"),
  fileNeed("fs.read", "/etc/passwd"),
  fileNeed("fs.write", "/work/out/x"),
  fileNeed("fs.write", "/work/out/locked/x"),
  execNeed(["git", "status", "-s"]),
  execNeed(["git", "push"]),
  execNeed(["/tmp/git", "status"]),
  netNeed("https://api.example.com/repos/x"),
  netNeed("https://api.example.com/repos/secret/x", "POST"),
  netNeed("http://10.1.2.3/"),
  withAddress(netNeed("https://api.example.com/repos/x"), "10.0.0.1"),
  withAddress(netNeed("https://api.example.com/repos/x"), "169.254.169.254"),
  thinkNeed("gemini-2", { calls: 1, tokens: 50 }),
  thinkNeed("gemini-2", { calls: 1, tokens: 500 }),
  thinkNeed("other", { calls: 1 }),
  spawnNeed({ interpreter: "deno", count: 2, depth: 1 }),
  plainNeed("ipc", "worker-1"),
  plainNeed("admin", "kill"),
];

const cache = new Map<number, Policy>();

function policyOf(mask: number): Policy {
  let policy = cache.get(mask);
  if (policy === undefined) {
    policy = Policy.parse(RULES.filter((_, i) => mask & (1 << i)));
    cache.set(mask, policy);
  }
  return policy;
}

// Half of all masks are nearly full: with few rules next to nothing is allowed and laws hold emptily.
const masks = fc.oneof(
  fc.integer({ min: 0, max: 0xffff }),
  fc.integer({ min: 0, max: 0xffff }).map((mask) => mask | 0x5265),
  fc.constantFrom(...RULES.map((_, i) => 0xffff ^ (1 << i))),
);
const policies = masks.map(policyOf);
const needs = fc.constantFrom(...NEEDS);
const allowed = (policy: Policy, need: Need): boolean => weigh(policy, need, 0).allowed;
const picture = (policy: Policy): string => NEEDS.map((need) => allowed(policy, need) ? "1" : "0").join("");

Deno.test("meet allows exactly what both allow, is associative, commutative and idempotent", () => {
  let some = 0;
  fc.assert(
    fc.property(policies, policies, policies, (a, b, c) => {
      const ab = meet(a, b);
      strictEqual(ab.toString(), meet(b, a).toString());
      strictEqual(meet(ab, c).toString(), meet(a, meet(b, c)).toString());
      strictEqual(meet(ab, ab).toString(), ab.toString());
      strictEqual(meet(ab, a).toString(), ab.toString());
      for (const need of NEEDS) {
        const both = allowed(a, need) && allowed(b, need);
        strictEqual(allowed(ab, need), both, `${need.capability}:${need.target} under\n${ab}`);
        if (both) some++;
      }
    }),
    { numRuns: 20_000 },
  );
  ok(some > 10_000, "the policies drawn hardly allow anything, so the law was not tried");
});

Deno.test("a policy of several layers reads back from its text and its JSON as itself", () => {
  fc.assert(
    fc.property(policies, policies, (a, b) => {
      const both = meet(a, b);
      strictEqual(Policy.parse(both.toString()).toString(), both.toString());
      strictEqual(Policy.fromJson(JSON.parse(JSON.stringify(both))).toString(), both.toString());
      strictEqual(picture(Policy.parse(both.toString())), picture(both));
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("what covers says is so: nothing allowed by the inner policy is refused by the outer", () => {
  let covered = 0;
  fc.assert(
    fc.property(policies, policies, policies, (a, b, c) => {
      const [outer, inner] = [meet(a, b), meet(b, c)];
      if (!covers(outer, inner)) return;
      covered++;
      for (const need of NEEDS) {
        ok(!allowed(inner, need) || allowed(outer, need), `${need.target}\n${outer}\n>\n${inner}`);
      }
    }),
    { numRuns: 10_000 },
  );
  ok(covered > 100, `only ${covered} pairs were covered, so the law was not tried`);
});

Deno.test("a child never holds what its parent does not, along any chain", () => {
  let some = 0;
  fc.assert(
    fc.property(fc.array(policies, { minLength: 2, maxLength: 5 }), needs, (chain, need) => {
      let above: Authority | undefined;
      let parent = true;
      for (const policy of chain) {
        const child: Authority = new Authority(policy, above);
        const holds = child.weigh(need, 0).allowed;
        // A spawn is one level deeper for each step up; a rule of depth 1 is the child's alone.
        if (need.capability !== "spawn") strictEqual(holds, parent && allowed(policy, need));
        ok(!holds || parent || need.capability === "spawn");
        if (need.capability !== "spawn") strictEqual(holds, allowed(child.effective(), need));
        [above, parent] = [child, holds];
        if (holds) some++;
      }
    }),
    { numRuns: 40_000 },
  );
  ok(some > 5_000, "the chains drawn hardly allow anything, so the law was not tried");
});

Deno.test("revoking an ancestor's grant takes it from all below, at once, and leaves what was before", () => {
  let lost = 0;
  fc.assert(
    fc.property(
      fc.array(policies, { minLength: 2, maxLength: 5 }),
      policies,
      fc.nat(4),
      needs,
      (chain, extra, where, need) => {
        const agents: Authority[] = [];
        for (const policy of chain) agents.push(new Authority(policy, agents.at(-1)));
        const before = agents.map((agent) => agent.explain(need, 0).allowed);
        const grant = agents[where % agents.length]!.grant(extra, { from: null });
        const during = agents.map((agent) => agent.explain(need, 0).allowed);
        grant.revoke();
        const after = agents.map((agent) => agent.explain(need, 0).allowed);
        deepStrictEqual(after, before);
        for (const [i, was] of before.entries()) ok(!was || during[i], "a grant took something away");
        if (during.some((is, i) => is && !after[i])) lost++;
      },
    ),
    { numRuns: 20_000 },
  );
  ok(lost > 500, `only ${lost} grants mattered, so the law was not tried`);
});

Deno.test("lowering never raises, whatever is held by policy and by grant", () => {
  fc.assert(
    fc.property(policies, policies, policies, needs, (base, extra, narrower, need) => {
      const agent = new Authority(base);
      agent.grant(extra, { from: null });
      const before = agent.explain(need, 0).allowed;
      agent.lower(narrower);
      strictEqual(agent.explain(need, 0).allowed, before && allowed(narrower, need));
    }),
    { numRuns: 10_000 },
  );
});

interface Drawn {
  readonly to: number;
  readonly from: number | null;
  readonly mask: number;
}

/** Who may, by the definition: the least set closed under "by policy and parent" and "by grant of one who may". */
function byDefinition(
  bases: readonly Policy[],
  parents: readonly (number | null)[],
  grants: readonly Drawn[],
  need: Need,
) {
  const denied = (i: number | null): boolean =>
    i !== null && (bases[i]!.layers.some((layer) => layer.denies(need)) || denied(parents[i]!));
  let may: boolean[] = bases.map(() => false);
  for (;;) {
    const next = bases.map((base, i) =>
      (allowed(base, need) && (parents[i] === null || may[parents[i]!]!)) ||
      grants.some(({ to, from, mask }) =>
        to === i && allowed(policyOf(mask), need) && (from === null || (!denied(i) && may[from]!))
      )
    );
    if (next.every((is, i) => is === may[i])) return may;
    may = next;
  }
}

Deno.test("grants passed on, also in circles, are worth what their givers hold, by the definition", () => {
  const size = 4;
  let byGrant = 0;
  fc.assert(
    fc.property(
      fc.array(masks, { minLength: size, maxLength: size }),
      fc.array(fc.option(fc.nat(size - 1)), { minLength: size, maxLength: size }),
      fc.array(
        fc.record({ to: fc.nat(size - 1), from: fc.option(fc.nat(size - 1), { freq: 4 }), mask: masks }),
        { maxLength: 6 },
      ),
      fc.constantFrom(...NEEDS.filter((need) => need.capability !== "spawn")),
      (drawn, above, given, need) => {
        const bases = drawn.map(policyOf);
        const parents = above.map((parent, i) => parent !== null && parent < i ? parent : null);
        const agents: Authority[] = [];
        for (const [i, base] of bases.entries()) {
          agents.push(new Authority(base, parents[i] === null ? undefined : agents[parents[i]!]));
        }
        const grants = given.filter(({ to, from }) => to !== from);
        const handles: Grant[] = grants.map(({ to, from, mask }) =>
          agents[to]!.grant(policyOf(mask), { from: from === null ? null : agents[from]! })
        );
        const expected = byDefinition(bases, parents, grants, need);
        deepStrictEqual(agents.map((agent) => agent.explain(need, 0).allowed), expected);
        deepStrictEqual(agents.map((agent) => agent.weigh(need, 0).allowed), expected);
        const without = byDefinition(bases, parents, [], need);
        if (expected.some((is, i) => is !== without[i])) byGrant++;
        for (const handle of handles) handle.revoke();
        deepStrictEqual(agents.map((agent) => agent.explain(need, 0).allowed), without);
      },
    ),
    { numRuns: 20_000 },
  );
  ok(byGrant > 500, `only ${byGrant} runs were decided by a grant, so the law was not tried`);
});
