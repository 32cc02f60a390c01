import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { type Clove, connect, SyscallError } from "@clove/sdk";
import { Authority, type Level, Policy } from "../../../permissions/mod.ts";
import { type Kernel, startKernel } from "../../kernel.ts";
import { Log } from "../../log.ts";
import { serveMemory } from "../../memory_wire.ts";
import type { Principal } from "../../principals.ts";

/** A kernel in memory, an operator's client, and clients of agents that are nothing but an identity. */
async function bench(
  test: (parts: {
    kernel: Kernel;
    operator: Clove;
    agent: (name: string, level?: Level, parent?: Principal) => Promise<{ who: Principal; clove: Clove }>;
  }) => Promise<void>,
): Promise<void> {
  await using kernel = await startKernel({ sandbox: false, logLevel: "error" });
  await using operator = await connect({ transport: kernel.connect() });
  const clients: Clove[] = [];
  const { principals } = kernel.services;
  const agent = async (name: string, level: Level = "sandboxed", parent?: Principal) => {
    const who = principals.create("agent", {
      authority: new Authority(Policy.level(level), parent?.authority),
      parent: parent ?? null,
      name,
    });
    principals.claim(who, name);
    const { transport } = serveMemory(who, {
      dispatcher: kernel.dispatcher,
      log: new Log({ level: "error", format: "text" }),
      onClosed: () => {},
    });
    const clove = await connect({ transport });
    clients.push(clove);
    return { who, clove };
  };
  try {
    await test({ kernel, operator, agent });
  } finally {
    for (const client of clients) await client.close();
  }
}

function fails(code: string, text: RegExp): (error: unknown) => boolean {
  return (error) => {
    ok(error instanceof SyscallError, String(error));
    strictEqual(error.code, code, error.message);
    match(error.message, text);
    return true;
  };
}

Deno.test("perms.explain looks at no one but oneself and those below, takes no use, and names the way", () =>
  bench(async ({ operator, agent }) => {
    const { who, clove } = await agent("worker");
    const other = await agent("other");
    const child = await agent("child", "minimal", who);
    await rejects(clove.perms.explain({ name: "other", need: "env:A" }), fails("denied", /its own rights/));
    await rejects(clove.perms.explain({ need: "x" }), fails("bad_request", /write CAPABILITY:TARGET/));
    await rejects(clove.perms.explain({ name: "nobody", need: "env:A" }), fails("not_found", /"nobody"/));
    strictEqual(
      (await clove.perms.explain({ agent_id: child.who.id, need: "env:A" })).agent_id,
      child.who.id,
    );
    deepStrictEqual(await clove.perms.explain({ need: "env:A" }), {
      success: true,
      agent_id: who.id,
      allowed: false,
      need: "env:A",
      rule: "level sandboxed: env allows nothing",
      reason: 'Cannot see the variable "A": level sandboxed: env allows nothing',
      missing: "env:A",
      ask: "clove perms grant worker env:A",
    });
    await operator.perms.grant({ name: "worker", rules: "env:A", uses: 1 });
    for (let i = 0; i < 3; i++) {
      const { allowed, rule } = await operator.perms.explain({ name: "worker", need: "env:A" });
      deepStrictEqual([allowed, rule], [true, "grant 1 by the operator: env:A"]);
    }
    strictEqual(other.who.counts.denials, 0);
    strictEqual(who.counts.denials, 1);
  }));

Deno.test("perms.grant: who gives what to whom, shown by perms.get and taken back by perms.revoke", () =>
  bench(async ({ operator, agent }) => {
    const giver = await agent("giver");
    giver.who.authority.replace(Policy.parse(["fs.read:/srv/a/**", "ipc:*"]));
    const taker = await agent("taker", "minimal");
    const mute = await agent("mute", "standard");
    mute.who.authority.replace(Policy.parse("fs.read:/**"));
    await rejects(
      mute.clove.perms.grant({ name: "taker", rules: "fs.read:/srv/**" }),
      fails("denied", /ipc/),
    );
    await rejects(
      giver.clove.perms.grant({ name: "giver", rules: "env:A" }),
      fails("denied", /gives itself/),
    );
    await rejects(giver.clove.perms.grant({ rules: "env:A" }), fails("bad_request", /which agent/));
    await rejects(
      operator.perms.grant({ name: "taker", rules: "level:standard" }),
      fails("bad_request", /only plain rules/),
    );
    const given = await giver.clove.perms.grant({
      name: "taker",
      rules: "fs.read:/srv/**",
      duration_ms: 60_000,
    });
    deepStrictEqual([given.agent_id, given.held, given.from_name], [taker.who.id, false, "giver"]);
    const whole = await giver.clove.perms.grant({ name: "taker", rules: "fs.read:/srv/a/b" });
    strictEqual(whole.held, true);
    strictEqual((await taker.clove.perms.explain({ need: "fs.read:/srv/a/b" })).allowed, true);
    const { grants, rules } = await taker.clove.perms.get();
    deepStrictEqual(grants.map(({ grant_id, from }) => [grant_id, from]), [[1, giver.who.id], [
      2,
      giver.who.id,
    ]]);
    deepStrictEqual(rules, ["level:minimal"]);

    await rejects(mute.clove.perms.revoke({ name: "taker", grant_id: 1 }), fails("denied", /only its giver/));
    deepStrictEqual((await mute.clove.perms.revoke({ name: "taker" })).revoked, [], "nothing of its own");
    await rejects(taker.clove.perms.revoke({ name: "taker", grant_id: 9 }), fails("not_found", /no grant 9/));
    deepStrictEqual((await giver.clove.perms.revoke({ name: "taker", grant_id: 1 })).revoked, [1]);
    deepStrictEqual(
      (await taker.clove.perms.revoke({ name: "taker" })).revoked,
      [2],
      "who holds it may let it go",
    );
    strictEqual((await taker.clove.perms.explain({ need: "fs.read:/srv/a/b" })).allowed, false);
    await rejects(
      giver.clove.perms.revoke({ name: "taker", kept: true }),
      fails("denied", /only an operator/),
    );
  }));

Deno.test("perms.set: an agent keeps what it was granted when it lowers itself, and set from above takes it", () =>
  bench(async ({ operator, agent }) => {
    const parent = await agent("parent", "standard");
    const child = await agent("child", "sandboxed", parent.who);
    await operator.perms.grant({ name: "child", rules: "env:A" });
    await rejects(child.clove.perms.set({ policy: "env:*" }), fails("denied", /does not hold all of these/));
    const lowered = await child.clove.perms.set({ policy: ["env:A", "ipc:*"] });
    deepStrictEqual(lowered.grants.map((grant) => grant.rules), [["env:A"]]);
    strictEqual((await child.clove.perms.explain({ need: "env:A" })).allowed, true);
    await rejects(child.clove.perms.set({ policy: "state:*" }), fails("denied", /does not hold/));
    await parent.clove.perms.set({ agent_id: child.who.id, level: "minimal" });
    strictEqual((await child.clove.perms.explain({ need: "env:A" })).allowed, false);
    strictEqual((await child.clove.perms.explain({ need: "state:x" })).allowed, true, "a parent gives back");
  }));

Deno.test("perms.request waits, comes back later, and sees its own questions only", () =>
  bench(async ({ operator, agent }) => {
    const one = await agent("one");
    const two = await agent("two");
    await rejects(operator.perms.request({ rules: "env:A" }), fails("bad_request", /one who answers/));
    await rejects(one.clove.perms.request({}), fails("bad_request", /rules required/));
    await rejects(
      one.clove.perms.request({ rules: "env:A", reason: "x".repeat(501) }),
      fails("bad_request", /reason/),
    );
    strictEqual((await one.clove.perms.request({ rules: "state:x" })).status, "held");
    const { request_id, status } = await one.clove.perms.request({ rules: "env:A", reason: "why" });
    strictEqual(status, "pending");
    strictEqual((await one.clove.perms.request({ request_id, timeout_ms: 20 })).status, "pending");
    await rejects(two.clove.perms.request({ request_id }), fails("not_found", /no such question/));
    await rejects(two.clove.perms.approvals({ request_id }).result, fails("not_found", /no such question/));
    deepStrictEqual((await two.clove.perms.approvals({ all: true }).result).requests, []);
    const mine = await one.clove.perms.approvals({}).result;
    deepStrictEqual([mine.requests.length, mine.kept], [1, undefined]);
    await rejects(
      operator.perms.answer({ request_id: request_id!, answer: "for" }),
      fails("bad_request", /duration_ms/),
    );
    await rejects(
      operator.perms.answer({ request_id: request_id!, answer: "once", duration_ms: 5 }),
      fails("bad_request", /duration_ms/),
    );
    const waiting = one.clove.perms.request({ request_id, timeout_ms: 10_000 });
    await operator.perms.answer({
      request_id: request_id!,
      answer: "for",
      duration_ms: 60_000,
      message: "fine",
    });
    const answered = await waiting;
    deepStrictEqual([answered.status, answered.answer, answered.message], ["granted", "for", "fine"]);
    ok(answered.until! > Date.now());
    strictEqual((await one.clove.perms.explain({ need: "env:A" })).allowed, true);
  }));

Deno.test("perms.approvals streams what happens; an agent hears of its own only", () =>
  bench(async ({ operator, agent }) => {
    const [one, two] = [await agent("one"), await agent("two")];
    await two.clove.perms.request({ rules: "env:BEFORE" });
    const heard = { operator: [] as string[], one: [] as string[] };
    const streams = ([["operator", operator], ["one", one.clove]] as const).map(([who, clove]) => {
      const stream = clove.perms.approvals({ watch: true });
      const done = (async () => {
        for await (const { action, request, requests } of stream) {
          heard[who].push(request ? `${action} ${request.rules}` : `${action} ${requests!.length}`);
          if (action === "denied") break;
        }
      })();
      return done;
    });
    while (heard.one.length === 0 || heard.operator.length === 0) await new Promise((r) => setTimeout(r, 5));
    await two.clove.perms.request({ rules: "env:THEIRS" });
    const { request_id } = await one.clove.perms.request({ rules: "env:MINE" });
    await operator.perms.answer({ request_id: request_id!, answer: "deny" });
    await Promise.all(streams);
    deepStrictEqual(heard, {
      operator: ["watching 1", "asked env:THEIRS", "asked env:MINE", "denied env:MINE"],
      one: ["watching 0", "asked env:MINE", "denied env:MINE"],
    });
  }));
