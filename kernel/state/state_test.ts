import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { SyscallError } from "@clove/sdk/protocol";
import { VirtualClock } from "../../worlds/clock.ts";
import { LIMITS } from "../limits.ts";
import { Log } from "../log.ts";
import { type Principal, type PrincipalKind, Principals } from "../principals.ts";
import { openStorage, type Storage } from "../storage/storage.ts";
import { StateStore } from "./state.ts";
import { afterPrefix } from "./tables.ts";
import { Usage } from "./usage.ts";

const NO_AUTHORITY = {} as Principal["authority"];

/** One kernel's life: its clock, its data, who is there, and the events it emitted. */
class Rig implements AsyncDisposable {
  readonly clock: VirtualClock;
  readonly storage: Storage;
  readonly state: StateStore;
  readonly principals: Principals;
  readonly events: {
    data: Record<string, unknown>;
    source: number;
    audience?: (principal: Principal) => boolean;
  }[] = [];
  readonly lines: string[] = [];

  constructor(dir: string | null = null, lastId = 0, clock = new VirtualClock()) {
    this.clock = clock;
    this.principals = new Principals(lastId);
    const log = new Log({ level: "debug", format: "text", write: (line) => this.lines.push(line) });
    this.storage = openStorage({ dir, clock: this.clock, log });
    const emit = (
      _type: string,
      data: Record<string, unknown>,
      source = 0,
      audience?: (principal: Principal) => boolean,
    ): number => this.events.push({ data, source, audience });
    this.state = new StateStore({ storage: this.storage, clock: this.clock, log, events: { emit } });
  }

  make(kind: PrincipalKind, name = "", parent: Principal | null = null): Principal {
    return this.principals.create(kind, { authority: NO_AUTHORITY, name, parent });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.state.close();
    await this.storage.close();
  }
}

const code = (word: string) => (error: unknown): boolean =>
  error instanceof SyscallError && error.code === word;
const valueOf = (rig: Rig, caller: Principal, key: string, scope?: string): unknown =>
  rig.state.fetch(caller, key, scope)?.value;

Deno.test("a global key cannot overwrite, shadow or spell a private one", async () => {
  await using rig = new Rig();
  const [victim, attacker] = [rig.make("agent", "victim"), rig.make("agent", "attacker")];
  await rig.state.store(victim, { key: "plan", value: "mine", scope: "agent" });
  for (const key of ["plan", "agent:1:plan", "a:victim", "victim/plan", "a:victim\u0001plan"]) {
    await rig.state.store(attacker, { key, value: "theirs" });
    await rig.state.store(attacker, { key, value: "theirs", scope: "agent" });
  }
  strictEqual(valueOf(rig, victim, "plan"), "mine");
  strictEqual(valueOf(rig, victim, "plan", "agent"), "mine");
  strictEqual(valueOf(rig, victim, "plan", "global"), "theirs");
  await rejects(rig.state.store(attacker, { key: "a\0plan", value: 1 }), code("bad_request"));
  strictEqual(await rig.state.remove(attacker, "plan", "agent"), "agent");
  strictEqual(await rig.state.remove(attacker, "plan", "agent"), null);
  strictEqual(valueOf(rig, victim, "plan"), "mine");
});

Deno.test("private state belongs to the agent's name and its ancestors', and outlives agent and kernel", async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-state-" });
  try {
    {
      await using rig = new Rig(dir);
      const planner = rig.make("agent", "planner");
      await rig.state.store(planner, { key: "k", value: { a: [1, null] }, scope: "agent" });
      await rig.state.store(planner, { key: "s", value: 1, scope: "session" });
      await rig.state.store(rig.make("agent", "helper", planner), {
        key: "k",
        value: "child",
        scope: "agent",
      });
      await rig.state.store(planner, { key: "g", value: 2 });
    }
    await using rig = new Rig(dir, 10);
    const planner = rig.make("agent", "planner");
    const thief = rig.make("agent", "thief");
    deepStrictEqual(valueOf(rig, planner, "k"), { a: [1, null] });
    strictEqual(valueOf(rig, planner, "s"), undefined, "sessions end with the kernel");
    strictEqual(valueOf(rig, planner, "g"), 2);
    strictEqual(valueOf(rig, rig.make("agent", "helper", planner), "k"), "child");
    strictEqual(
      valueOf(rig, rig.make("agent", "planner", thief), "k"),
      undefined,
      "a borrowed name opens nothing",
    );
    strictEqual(valueOf(rig, rig.make("remote", "planner"), "k"), undefined);
    strictEqual(valueOf(rig, rig.make("operator", "planner"), "k"), undefined);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("an operator's private keys follow the name it registers", async () => {
  await using rig = new Rig();
  const first = rig.make("operator");
  await rig.state.store(first, { key: "early", value: 1, scope: "agent" });
  strictEqual(valueOf(rig, rig.make("operator"), "early"), undefined);
  first.name = "console";
  strictEqual(valueOf(rig, first, "early"), 1);
  await rig.state.store(first, { key: "late", value: 2, scope: "agent" });
  deepStrictEqual(rig.state.keys(first, { scope: "agent" }).keys, ["early", "late"]);
  first.dispose();
  const second = rig.make("operator", "console");
  strictEqual(valueOf(rig, second, "late"), 2);
  strictEqual(valueOf(rig, second, "early"), undefined);
});

Deno.test("a session is private to one principal, and its rows are gone with it", async () => {
  await using rig = new Rig();
  const [one, two] = [rig.make("agent", "one"), rig.make("agent", "two")];
  for (let i = 0; i < 600; i++) void rig.state.store(one, { key: `k${i}`, value: i, scope: "session" });
  await rig.state.store(two, { key: "k1", value: "two", scope: "session" });
  strictEqual(valueOf(rig, two, "k1"), "two");
  const queued = rig.state.store(one, { key: "queued", value: 1, scope: "session" });
  one.dispose();
  await queued;
  while (rig.state.usageOf(one)!.keys > 0) await new Promise((resolve) => setTimeout(resolve));
  const left = rig.storage.db.prepare("SELECT namespace, key FROM state").all();
  deepStrictEqual(left.map((row) => ({ ...row })), [{ namespace: `s:${two.id}`, key: "k1" }]);
  await rejects(rig.state.store(one, { key: "k", value: 1, scope: "session" }), code("cancelled"));
});

Deno.test("scopes that do not exist are refused by name, and worlds are not there", async () => {
  await using rig = new Rig();
  const agent = rig.make("agent", "a");
  await rejects(rig.state.store(agent, { key: "k", value: 1, scope: "globl" }), code("bad_request"));
  await rejects(rig.state.store(agent, { key: "k", value: 1, scope: "world" }), code("unavailable"));
  throws(() => rig.state.fetch(agent, "k", "__proto__"), code("bad_request"));
  throws(() => rig.state.keys(agent, { scope: "" }), code("bad_request"));
});

Deno.test("a key is invisible from the moment its time is over, and is removed and told soon after", async () => {
  await using rig = new Rig();
  const agent = rig.make("agent", "a");
  for (const ttl of [0, -1, NaN, Infinity, 1e300]) {
    await rejects(rig.state.store(agent, { key: "k", value: 1, ttl }), code("bad_request"));
  }
  await rig.state.store(agent, { key: "long", value: 1, ttl: 3 });
  await rig.state.store(agent, { key: "k", value: 1, ttl: 1.5 });
  strictEqual(valueOf(rig, agent, "k"), 1);
  rig.clock.advanceSync(1_499);
  strictEqual(valueOf(rig, agent, "k"), 1);
  rig.clock.advanceSync(1);
  strictEqual(valueOf(rig, agent, "k"), undefined);
  deepStrictEqual(rig.state.keys(agent).keys, ["long"]);
  strictEqual(await rig.state.remove(agent, "k"), null);
  await rig.clock.advance(10_000);
  strictEqual(rig.storage.db.prepare("SELECT count(*) AS n FROM state").get()!.n, 0);
  deepStrictEqual(
    rig.events.filter(({ data }) => data.action === "expire").map(({ data }) => data.key),
    ["k", "long"],
  );
  deepStrictEqual(rig.state.usageOf(agent), { keys: 0, bytes: 0 });
});

Deno.test("a store without ttl makes a key permanent again, and a deadline survives the kernel", async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-state-" });
  const clock = new VirtualClock();
  try {
    {
      await using rig = new Rig(dir, 0, clock);
      const agent = rig.make("agent", "a");
      await rig.state.store(agent, { key: "kept", value: 1, ttl: 1 });
      await rig.state.store(agent, { key: "kept", value: 2 });
      await rig.state.store(agent, { key: "gone", value: 1, ttl: 5 });
    }
    await using rig = new Rig(dir, 0, clock);
    const agent = rig.make("agent", "a");
    strictEqual(valueOf(rig, agent, "gone"), 1);
    await clock.advance(6_000);
    await rig.storage.committed();
    deepStrictEqual(rig.state.keys(agent).keys, ["kept"]);
    strictEqual(rig.events.length, 1);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("compare-and-set refuses what is not as expected, and tells what is there", async () => {
  await using rig = new Rig();
  const agent = rig.make("agent", "a");
  const input = { key: "k", value: "new" };
  const missing = { swapped: false, exists: false, value: null, version: 0 };
  deepStrictEqual(await rig.state.compareAndSet(agent, input, { value: null }), missing);
  deepStrictEqual(await rig.state.compareAndSet(agent, input, { version: 1 }), missing);
  const made = await rig.state.compareAndSet(agent, { key: "k", value: { b: 0, a: [1] } }, { absent: true });
  ok(made.swapped);
  for (
    const expected of [{ absent: true }, { version: 0 }, { value: { a: [1] } }, {
      value: { a: [2], b: 0 },
    }] as const
  ) {
    const refused = await rig.state.compareAndSet(agent, input, expected);
    deepStrictEqual(refused, {
      swapped: false,
      exists: true,
      value: { b: 0, a: [1] },
      version: made.version,
    });
  }
  const byValue = await rig.state.compareAndSet(agent, { key: "k", value: 2 }, { value: { a: [1], b: -0 } });
  ok(byValue.swapped && byValue.version > made.version);
  ok((await rig.state.compareAndSet(agent, { key: "k", value: 3 }, { version: byValue.version })).swapped);
});

Deno.test("of many that compare at once, one wins, and a counter loses nothing", async () => {
  await using rig = new Rig();
  const agents = Array.from({ length: 8 }, (_, i) => rig.make("agent", `a${i}`));
  const won = await Promise.all(
    agents.map((agent) => rig.state.compareAndSet(agent, { key: "lock", value: agent.id }, { absent: true })),
  );
  strictEqual(won.filter(({ swapped }) => swapped).length, 1);
  await Promise.all(agents.map(async (agent) => {
    for (let done = 0; done < 20;) {
      const found = rig.state.fetch(agent, "n");
      const next = { key: "n", value: ((found?.value as number | undefined) ?? 0) + 1 };
      const { swapped } = await rig.state.compareAndSet(agent, next, { version: found?.version ?? 0 });
      if (swapped) done++;
    }
  }));
  strictEqual(valueOf(rig, agents[0]!, "n"), 160);
});

Deno.test("versions never come back: not after a delete, a restart, or a failed transaction", async () => {
  const dir = await Deno.makeTempDir({ prefix: "clove-state-" });
  try {
    let last = 0;
    for (let life = 0; life < 3; life++) {
      await using rig = new Rig(dir);
      const agent = rig.make("agent", "a");
      const failing = rig.storage.transact(() => {
        throw new Error("takes the whole turn back once");
      });
      const queued = rig.state.store(agent, { key: "k", value: 1 });
      await rejects(failing);
      for (const { version } of [await queued, await rig.state.store(agent, { key: "k", value: 1 })]) {
        ok(version > last, `${version} after ${last}`);
        last = version;
      }
      strictEqual(rig.state.usageOf(agent)!.keys, 1);
      await rig.state.remove(agent, "k");
      last++;
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("a read sees the writes that were asked for before it, and nothing of one that fails", async () => {
  await using rig = new Rig();
  const agent = rig.make("agent", "a");
  const stored = rig.state.store(agent, { key: "k", value: 1 });
  strictEqual(valueOf(rig, agent, "k"), 1);
  const again = rig.state.store(agent, { key: "k", value: 2 });
  deepStrictEqual(rig.state.keys(agent).keys, ["k"]);
  strictEqual(valueOf(rig, agent, "k"), 2);
  await Promise.all([stored, again]);
  const removed = rig.state.remove(agent, "k");
  strictEqual(valueOf(rig, agent, "k"), undefined);
  await removed;
  rig.storage.db.exec("CREATE TRIGGER no BEFORE INSERT ON state BEGIN SELECT raise(ABORT, 'no'); END");
  const failing = rig.state.store(agent, { key: "f", value: 1 });
  strictEqual(valueOf(rig, agent, "f"), undefined);
  await rejects(failing, /no/);
  deepStrictEqual(rig.state.usageOf(agent), { keys: 0, bytes: 0 });
});

Deno.test("keys, values and amounts over their limits are refused, and children pay with their parents", async () => {
  await using rig = new Rig();
  const agent = rig.make("agent", "a");
  const child = rig.make("agent", "b", agent);
  await rejects(rig.state.store(agent, { key: "", value: 1 }), /^SyscallError: key is required$/);
  await rejects(
    rig.state.store(agent, { key: "é".repeat(LIMITS.keyBytes / 2 + 1), value: 1 }),
    code("limit"),
  );
  await rejects(rig.state.store(agent, { key: "\ud800", value: 1 }), code("bad_request"));
  await rejects(
    rig.state.store(agent, { key: "k", value: "x".repeat(LIMITS.valueBytes - 1) }),
    code("limit"),
  );
  await rig.state.store(agent, {
    key: "é".repeat(LIMITS.keyBytes / 2),
    value: "x".repeat(LIMITS.valueBytes - 2),
  });

  const many: Promise<unknown>[] = [];
  for (let i = 1; i < LIMITS.keysPerAgent; i++) many.push(rig.state.store(child, { key: `k${i}`, value: 0 }));
  await Promise.all(many);
  await rejects(rig.state.store(agent, { key: "one more", value: 0 }), code("quota"));
  await rejects(rig.state.store(child, { key: "one more", value: 0, scope: "session" }), code("quota"));
  await rig.state.store(agent, { key: "k1", value: "overwriting is no new key" });
  await rig.state.store(rig.make("agent", "other"), { key: "k2", value: "taking one over frees it" });
  await rig.state.store(agent, { key: "one more", value: 0 });
  const page = rig.state.keys(child, { prefix: "k9", limit: 3 });
  deepStrictEqual(page, { keys: ["k9", "k90", "k900"], truncated: true });
  ok(rig.state.keys(child).keys.length <= LIMITS.listEntries);
});

Deno.test("an account cannot hold more bytes than its share", () => {
  const usage = new Usage();
  usage.apply({ namespace: "g", account: "a", keys: 300, bytes: LIMITS.stateBytesPerAgent - 10 });
  ok(usage.refusal("a", 0, 11)?.includes(`the limit is ${LIMITS.stateBytesPerAgent}`));
  ok(usage.refusal("a", 1, 11));
  strictEqual(usage.refusal("a", 1, 10), null);
  strictEqual(usage.refusal("a", 0, -5), null, "what shrinks is never refused");
  strictEqual(usage.refusal("", 1, 1e12), null, "operators have no limit");
});

Deno.test("keys come in order of code points, by prefix, page by page, from all scopes once", async () => {
  await using rig = new Rig();
  const agent = rig.make("agent", "a");
  const keys = [
    "b",
    "a",
    "\uffff",
    "\u{1f600}",
    "é",
    "a/2",
    "a/10",
    "a/",
    "\u{10ffff}x",
    "\u{10ffff}",
    "%",
    "_",
  ];
  for (const [i, key] of keys.entries()) {
    await rig.state.store(agent, { key, value: i, scope: ["global", "agent", "session"][i % 3] });
    await rig.state.store(agent, { key, value: i });
  }
  const sorted = [
    "%",
    "_",
    "a",
    "a/",
    "a/10",
    "a/2",
    "b",
    "é",
    "\uffff",
    "\u{1f600}",
    "\u{10ffff}",
    "\u{10ffff}x",
  ];
  deepStrictEqual(rig.state.keys(agent), { keys: sorted, truncated: false });
  deepStrictEqual(rig.state.keys(agent, { prefix: "a/" }).keys, ["a/", "a/10", "a/2"]);
  deepStrictEqual(rig.state.keys(agent, { prefix: "\u{10ffff}" }).keys, ["\u{10ffff}", "\u{10ffff}x"]);
  const paged: string[] = [];
  for (let after = "";;) {
    const page = rig.state.keys(agent, { limit: 5, after });
    paged.push(...page.keys);
    if (!page.truncated) break;
    after = page.keys.at(-1)!;
  }
  deepStrictEqual(paged, sorted);
  strictEqual(afterPrefix("a\u{10ffff}"), "b");
  strictEqual(afterPrefix("\ud7ff"), "\ue000");
});

Deno.test("changes are told in order; private ones to their owner alone", async () => {
  await using rig = new Rig();
  const [one, two] = [rig.make("agent", "one"), rig.make("agent", "two")];
  const twin = rig.make("agent", "one"); // The same name, as after a restart.
  await rig.state.store(one, { key: "g", value: "not in the event" });
  await rig.state.store(one, { key: "p", value: 1, scope: "agent" });
  await rig.state.store(one, { key: "s", value: 1, scope: "session" });
  await rig.state.remove(two, "g");
  const told = rig.events.map(({ data, source, audience }) => [
    data.action,
    data.key,
    data.scope,
    source,
    [one, two, twin].map((principal) => audience?.(principal) ?? true).join(),
  ]);
  deepStrictEqual(told, [
    ["store", "g", "global", one.id, "true,true,true"],
    ["store", "p", "agent", one.id, "true,false,true"],
    ["store", "s", "session", one.id, "true,false,false"],
    ["delete", "g", "global", two.id, "true,true,true"],
  ]);
  ok(rig.events.every(({ data }) => !("value" in data)));
});

Deno.test("a watcher gets what matches, in order, is told what it lost, and costs nothing when it stops", async () => {
  await using rig = new Rig();
  const [one, two] = [rig.make("agent", "one"), rig.make("agent", "two")];
  const { watcher, stop } = rig.state.watch(two, "a/");
  const { signal } = new AbortController();
  const first = watcher.take(signal);
  await rig.state.store(one, { key: "b/1", value: 1 });
  await rig.state.store(one, { key: "a/private", value: 1, scope: "agent" });
  const { version } = await rig.state.store(one, { key: "a/1", value: [1] });
  deepStrictEqual(await first, {
    lost: 0,
    changes: [{ action: "store", key: "a/1", scope: "global", value: [1], version, agent_id: one.id }],
  });
  const extra = 7;
  for (let i = 0; i < LIMITS.eventQueue + extra; i++) void rig.state.store(one, { key: `a/${i}`, value: i });
  await rig.state.store(one, { key: "z", value: 0 });
  const { lost, changes } = await watcher.take(signal);
  strictEqual(lost, extra);
  deepStrictEqual(
    changes.map(({ value }) => value),
    Array.from({ length: LIMITS.eventQueue }, (_, i) => i + extra),
  );
  const big = "x".repeat(1_000_000);
  for (let i = 0; i < 10; i++) await rig.state.store(one, { key: "a/big", value: big });
  ok((await watcher.take(signal)).changes.length <= 4, "values that wait are bounded in bytes too");
  const controller = new AbortController();
  const waiting = watcher.take(controller.signal);
  controller.abort(new Error("enough"));
  await rejects(waiting, /enough/);
  stop();
  await rig.state.store(one, { key: "a/1", value: 2 });
  const none = watcher.take(AbortSignal.timeout(10));
  await rejects(none);
});
