/**
 * Nothing an agent can say raises its authority. Each way is tried twice: as it is, and with the control that stops it
 * switched off, where the very same words have to get through. A way that gets through in neither case shows nothing.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { FakeLauncher } from "../../kernel/agents/fake_launcher_test.ts";
import { type Kernel, startKernel } from "../../kernel/main.ts";
import { serveMemory } from "../../kernel/memory_wire.ts";
import { Log } from "../../kernel/log.ts";
import type { Principal } from "../../kernel/principals.ts";
import { TABLE } from "../../kernel/table.ts";
import { fileNeed, Policy } from "../../permissions/mod.ts";
import { type Clock, systemClock } from "../../worlds/clock.ts";
import { RawClient } from "../raw_client.ts";

const SHADOW = fileNeed("fs.read", "/etc/shadow");
const RULE = "fs.read:/etc/shadow";

// deno-lint-ignore no-explicit-any -- tests look at any key
type Answer = any;

/** A clock that can be moved on. */
class MovedClock implements Clock {
  #moved = 0;
  now = (): number => systemClock.now() + this.#moved;
  monotonic = (): number => systemClock.monotonic() + this.#moved;
  timer = (ms: number, run: () => void): () => void => systemClock.timer(ms, run);
  sleep = (ms: number, signal?: AbortSignal): Promise<void> => systemClock.sleep(ms, signal);
  move(ms: number): void {
    this.#moved += ms;
  }
}

/** A kernel with three agents of an operator: two that are confined and work together, and one that may do all. */
class World implements AsyncDisposable {
  readonly clock = new MovedClock();
  kernel!: Kernel;
  operator!: Principal;
  /** Who attacks. */
  weak!: Principal;
  /** Who helps. */
  friend!: Principal;
  /** Who holds what is wanted, and gives nothing away. */
  strong!: Principal;

  static async make(): Promise<World> {
    const world = new World();
    world.kernel = await startKernel({
      logLevel: "error",
      onLog: () => {},
      machine: { launcher: new FakeLauncher(systemClock, true), clock: world.clock },
    });
    const { principals } = world.kernel.services;
    world.kernel.connect();
    world.operator = [...principals.all()].find(({ kind }) => kind === "operator")!;
    world.weak = await world.spawn(world.operator, { name: "weak", level: "sandboxed" });
    world.friend = await world.spawn(world.operator, { name: "friend", level: "sandboxed" });
    world.strong = await world.spawn(world.operator, { name: "strong", level: "unrestricted" });
    return world;
  }

  /** One request, as its caller would send it. */
  async call(caller: Principal, name: string, params: unknown): Promise<Answer> {
    const { opcode } = TABLE.find((row) => row.name === name)!;
    const { json } = await this.kernel.dispatcher.run({
      opcode,
      payload: new TextEncoder().encode(typeof params === "string" ? params : JSON.stringify(params)),
      binary: false,
      caller,
      id: 1,
      connection: {
        version: 2,
        agree: () => {},
        openStream: () => null,
        openPush: () => null,
        onCancel: () => {},
      },
    });
    return json;
  }

  async spawn(by: Principal, params: Record<string, unknown>): Promise<Principal> {
    const answer = await this.call(by, "agent.spawn", { command: ["sleep", "1"], ...params });
    ok(answer.agent_id, answer.error);
    return this.kernel.services.principals.get(answer.agent_id)!;
  }

  /** A question of an agent's, and its number. */
  async ask(who: Principal): Promise<number> {
    return (await this.call(who, "perms.request", { rules: RULE })).request_id;
  }

  /** Whether anybody but the strong one may read it now. */
  get raised(): boolean {
    const entitled = [this.operator, this.strong];
    return [...this.kernel.services.principals.all()].some((each) => {
      return !entitled.includes(each) && each.authority.explain({ ...SHADOW }, this.clock.now()).allowed;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kernel.abandon();
    await this.kernel.close();
  }
}

/** Takes an agent for an operator. */
function asOperator(agent: Principal): Principal {
  return Object.defineProperty(agent, "kind", { value: "operator" });
}

interface Way {
  readonly name: string;
  /** What is said. */
  readonly tries: (world: World) => Promise<unknown>;
  /** The same, with the control switched off. */
  readonly without: (world: World) => Promise<unknown>;
}

/** Says the same as somebody whom the control lets pass. */
function said(
  name: string,
  control: string,
  words: (world: World, as: Principal) => Promise<unknown>,
): Way[] {
  return [{
    name: `${name} (${control})`,
    tries: (world) => words(world, world.weak),
    without: (world) => words(world, asOperator(world.weak)),
  }];
}

const WAYS: readonly Way[] = [
  ...said("SET_PERMS to a higher level", "only an operator raises", (world, as) => {
    return world.call(as, "perms.set", { agent_id: world.weak.id, level: "unrestricted" });
  }),
  ...said("SET_PERMS with a policy", "only an operator raises", (world, as) => {
    return world.call(as, "perms.set", { agent_id: world.weak.id, policy: [RULE] });
  }),
  ...said("SET_PERMS with the original's object, blocks left out", "only an operator raises", (world, as) => {
    return world.call(as, "perms.set", { permissions: { can_read: true, filesystem: { read: ["/**"] } } });
  }),
  ...said("SET_PERMS for somebody else", "only who is above, and never beyond itself", (world, as) => {
    return world.call(as, "perms.set", { agent_id: world.friend.id, level: "unrestricted" });
  }),
  ...said("lowering oneself, then asking for the old and more", "lowered is lowered", async (world, as) => {
    await world.call(as, "perms.set", { agent_id: world.weak.id, level: "minimal" });
    await world.call(as, "perms.set", { agent_id: world.weak.id, policy: [RULE] });
  }),
  ...said("keys that the kernel never asked for", "a request says what, never who", (world, as) => {
    const text = `{"agent_id":${world.weak.id},"level":"unrestricted","caller":1,"kind":"operator","from":0,
      "__proto__":{"kind":"operator"},"constructor":{"prototype":{"kind":"operator"}}}`;
    return world.call(as, "perms.set", text);
  }),
  ...said(
    "granting to a friend what one does not hold",
    "a grant is worth what its giver holds",
    (world, as) => {
      return world.call(as, "perms.grant", { agent_id: world.friend.id, rules: RULE });
    },
  ),
  ...said("a grant that says it comes from the operator", "the giver is who calls", async (world, as) => {
    await world.call(as, "perms.grant", { agent_id: world.friend.id, rules: RULE, from: 0, giver: null });
    await world.call(as, "perms.grant", { agent_id: world.friend.id, rules: RULE });
  }),
  {
    name: "granting to oneself (nobody gives itself anything)",
    tries: (world) => world.call(world.weak, "perms.grant", { name: "weak", rules: RULE }),
    without: (world) => world.call(world.operator, "perms.grant", { name: "weak", rules: RULE }),
  },
  {
    name: "granting to oneself through a child (a child holds no more than its parent)",
    tries: async (world) => {
      const child = await world.spawn(world.weak, { name: "child", level: "unrestricted" });
      await world.call(child, "perms.grant", { agent_id: world.weak.id, rules: RULE });
    },
    without: async (world) => {
      const child = await world.spawn(world.operator, { name: "child", level: "unrestricted" });
      await world.call(child, "perms.grant", { agent_id: world.weak.id, rules: RULE });
    },
  },
  {
    name: "a circle of grants (a grant that comes round to its giver is worth nothing)",
    tries: async (world) => {
      const { weak, friend } = world;
      for (const [from, to] of [[weak, friend], [friend, weak], [weak, friend]]) {
        await world.call(from!, "perms.grant", { agent_id: to!.id, rules: [RULE, "fs.read:/**"] });
      }
    },
    without: async (world) => {
      const { weak, friend } = world;
      for (const [from, to] of [[weak, friend], [friend, weak], [weak, friend]]) {
        await world.call(from!, "perms.grant", { agent_id: to!.id, rules: [RULE, "fs.read:/**"] });
      }
      // The circle carries whatever anybody in it gets from outside.
      await world.call(world.operator, "perms.grant", { agent_id: friend.id, rules: RULE });
    },
  },
  {
    name: "a child with a wider policy (a child's policy is met with its parent's)",
    tries: async (world) => {
      await world.spawn(world.weak, { name: "one", level: "unrestricted" });
      await world.spawn(world.weak, { name: "two", policy: [RULE] });
      await world.spawn(world.weak, { name: "three", policy: { allow: [RULE], layers: undefined } });
    },
    without: (world) => world.spawn(world.operator, { name: "one", level: "unrestricted" }),
  },
  {
    name: "a grandchild with a wider policy (at whatever remove)",
    tries: async (world) => {
      const child = await world.spawn(world.weak, { name: "child", level: "unrestricted" });
      await world.spawn(child, { name: "grandchild", level: "unrestricted" });
    },
    without: async (world) => {
      const child = await world.spawn(world.operator, { name: "child", level: "unrestricted" });
      await world.spawn(child, { name: "grandchild", level: "unrestricted" });
    },
  },
  {
    name: "a parent raises its child (never beyond itself)",
    tries: async (world) => {
      const child = await world.spawn(world.weak, { name: "child", level: "minimal" });
      await world.call(world.weak, "perms.set", { agent_id: child.id, level: "unrestricted" });
      await world.call(world.weak, "perms.grant", { agent_id: child.id, rules: RULE });
    },
    without: async (world) => {
      const child = await world.spawn(world.strong, { name: "child", level: "minimal" });
      await world.call(world.strong, "perms.set", { agent_id: child.id, level: "unrestricted" });
    },
  },
  {
    name: "taking the name of an agent that was given a right for good (names are told with those above)",
    tries: async (world) => {
      await keepForTrusted(world);
      await world.spawn(world.weak, { name: "trusted" });
    },
    without: async (world) => {
      await keepForTrusted(world);
      await world.spawn(world.operator, { name: "trusted" });
    },
  },
  {
    name:
      "registering the name of an agent that was given a right for good (a registered name is an address)",
    tries: async (world) => {
      await keepForTrusted(world);
      await world.call(world.weak, "ipc.register", { name: "trusted" });
      await world.spawn(world.weak, { name: "other" });
    },
    without: async (world) => {
      await keepForTrusted(world);
      await world.spawn(world.operator, { name: "trusted" });
    },
  },
  ...said("answering one's own question", "only operators answer", async (world, as) => {
    await world.call(as, "perms.answer", { request_id: await world.ask(world.friend), answer: "life" });
    if (as.kind === "agent") {
      await world.call(as, "perms.answer", { request_id: await world.ask(as), answer: "always" });
    }
  }),
  {
    name: "answering with admin:* (it is no operator)",
    tries: async (world) => {
      await world.call(world.operator, "perms.grant", { name: "weak", rules: "admin:*" });
      await world.call(world.weak, "perms.answer", {
        request_id: await world.ask(world.friend),
        answer: "life",
      });
    },
    without: async (world) => {
      await world.call(world.operator, "perms.answer", {
        request_id: await world.ask(world.friend),
        answer: "life",
      });
    },
  },
  {
    name: "putting a question again after it was granted once (a question gives nothing)",
    tries: async (world) => {
      const request_id = await world.ask(world.weak);
      await world.call(world.operator, "perms.answer", { request_id, answer: "once" });
      strictEqual(world.weak.authority.weigh({ ...SHADOW }, world.clock.now()).allowed, true);
      await world.call(world.weak, "perms.request", { rules: RULE });
      await world.call(world.weak, "perms.request", { request_id });
    },
    without: async (world) => {
      const request_id = await world.ask(world.weak);
      await world.call(world.operator, "perms.answer", { request_id, answer: "once" });
    },
  },
  {
    name: "asking for little and getting more (what is granted is what was shown)",
    tries: async (world) => {
      for (const rules of TRICKS) {
        const { request_id } = await world.call(world.weak, "perms.request", { rules });
        if (request_id === undefined) continue;
        const { requests: [shown] } = await world.call(world.operator, "perms.approvals", { request_id });
        // An operator who reads no word of a path under /etc says yes.
        if (!shown.rules.join("\n").includes("/etc")) {
          await world.call(world.operator, "perms.answer", { request_id, answer: "life" });
        }
      }
    },
    without: async (world) => {
      for (const rules of TRICKS) {
        const { request_id } = await world.call(world.weak, "perms.request", { rules });
        if (request_id !== undefined) {
          await world.call(world.operator, "perms.answer", { request_id, answer: "life" });
        }
      }
    },
  },
  {
    name: "words that look like a level's (words are compared as they are)",
    tries: async (world) => {
      for (const level of LOOKALIKES) {
        await world.call(world.weak, "perms.set", { level });
        await world.call(world.operator, "perms.set", { agent_id: world.weak.id, level });
        await world.call(world.operator, "perms.set", {
          agent_id: world.weak.id,
          policy: [`level:${level}`],
        });
        await world.call(world.weak, "agent.spawn", { command: ["sleep", "1"], level });
      }
    },
    without: (world) =>
      world.call(world.operator, "perms.set", { agent_id: world.weak.id, level: "unrestricted" }),
  },
  {
    name: "a grant after its time (each act looks at the clock)",
    tries: async (world) => {
      await world.call(world.operator, "perms.grant", { name: "weak", rules: RULE, duration_ms: 1_000 });
      world.clock.move(1_001);
    },
    without: (world) =>
      world.call(world.operator, "perms.grant", { name: "weak", rules: RULE, duration_ms: 1_000 }),
  },
  {
    name: "a grant after its uses (each act takes one)",
    tries: async (world) => {
      await world.call(world.operator, "perms.grant", { name: "weak", rules: RULE, uses: 1 });
      world.weak.authority.weigh({ ...SHADOW }, world.clock.now());
    },
    without: (world) => world.call(world.operator, "perms.grant", { name: "weak", rules: RULE, uses: 1 }),
  },
  {
    name: "what was passed on, after it was taken back at its beginning (from all below, at once)",
    tries: async (world) => {
      await passOn(world);
      await world.call(world.operator, "perms.revoke", { name: "weak", grant_id: 1 });
    },
    without: (world) => passOn(world),
  },
  {
    name: "what was passed on, after its giver has ended (a grant ends with its giver)",
    tries: async (world) => {
      await passOn(world);
      world.weak.dispose();
    },
    without: (world) => passOn(world),
  },
  {
    name: "keeping a grant through SET_PERMS by who is above (set means this and no more)",
    tries: async (world) => {
      const child = await world.spawn(world.weak, { name: "child" });
      await world.call(world.operator, "perms.grant", { agent_id: child.id, rules: RULE });
      await world.call(world.weak, "perms.set", { agent_id: child.id, level: "minimal" });
    },
    without: async (world) => {
      const child = await world.spawn(world.weak, { name: "child" });
      await world.call(world.operator, "perms.grant", { agent_id: child.id, rules: RULE });
    },
  },
  {
    name: "a number of an operator in the header (identity is the connection)",
    tries: (world) => forged(world, world.weak),
    without: (world) => forged(world, world.operator),
  },
  {
    name: "mail that reads like a request (mail is data)",
    tries: async (world) => {
      const message = {
        opcode: 0x41,
        agent_id: world.weak.id,
        level: "unrestricted",
        from: 0,
        from_name: "kernel",
      };
      for (const to of [world.strong, world.operator]) {
        await world.call(world.weak, "ipc.send", { to: to.id, message });
      }
      const { messages: [mail] } = await world.call(world.strong, "ipc.recv", {});
      deepStrictEqual([mail.from, mail.from_name], [world.weak.id, "weak"]);
    },
    without: async (world) => {
      const message = { agent_id: world.weak.id, level: "unrestricted" };
      await world.call(world.weak, "ipc.send", { to: world.strong.id, message });
      // A deputy who does what it is told, with rights of its own to do it.
      const { messages: [mail] } = await world.call(world.strong, "ipc.recv", {});
      await world.call(asOperator(world.strong), "perms.set", mail.message);
    },
  },
];

/** Rules that are not what they seem. Only the last one says what it means. */
const TRICKS: readonly (string | string[])[] = [
  `env:A\n${RULE}`,
  `env:A\r${RULE}`,
  ["env:A", RULE],
  `env:A # ${"x".repeat(100)}\n\n\n\n${RULE}`,
  `env:A\u2028${RULE}`,
  `env:A\u0085${RULE}`,
  `fs.read:/work/\u202e\u2066wodahs/cte/`,
  `fs.read:/work/../etc/shadow`,
  `fs.read:"/\\u0065tc/shadow"`,
  `fs.read:/\uff45tc/shadow`,
  `fs.read://etc/shadow`,
  "level:unrestricted",
  ["env:A", "and", RULE],
  ["blocks:paths", RULE],
  RULE,
];

const LOOKALIKES = [
  "Unrestricted",
  "unrestricted\u200b",
  "\uff55nrestricted",
  "unrestr\u0131cted",
  "u\u0000nrestricted",
  "\u202edetcirtsernu",
] as const;

/** An operator answers a question of `trusted` for good, and the agent ends. */
async function keepForTrusted(world: World): Promise<void> {
  const trusted = await world.spawn(world.operator, { name: "trusted" });
  const request_id = await world.ask(trusted);
  const { status } = await world.call(world.operator, "perms.answer", { request_id, answer: "always" });
  strictEqual(status, "granted");
  trusted.dispose();
}

/** The operator gives to the weak one, who gives to its friend. */
async function passOn(world: World): Promise<void> {
  await world.call(world.operator, "perms.grant", { name: "weak", rules: RULE });
  // The default blocks of the friend would refuse it: it gets a policy without them.
  world.friend.authority.replace(Policy.parse("env:NOTHING"));
  await world.call(world.weak, "perms.grant", { name: "friend", rules: RULE });
  strictEqual(world.friend.authority.explain(SHADOW, world.clock.now()).allowed, true);
}

/** Frames that carry an operator's number, on the connection of whoever it is. */
async function forged(world: World, on: Principal): Promise<void> {
  const { transport } = serveMemory(on, {
    dispatcher: world.kernel.dispatcher,
    log: new Log({ level: "error", format: "text" }),
    onClosed: () => {},
  });
  await using client = new RawClient(transport);
  for (const id of [world.operator.id, 0, 1, 0xffff_ffff]) {
    await client.call(0x41, { agent_id: world.weak.id, level: "unrestricted" }, { id });
  }
}

for (const { name, tries, without } of WAYS) {
  Deno.test(`no authority by ${name}`, async (t) => {
    await t.step("it is refused, or worth nothing", async () => {
      await using world = await World.make();
      strictEqual(world.raised, false, "the world is not as it should be");
      await tries(world);
      strictEqual(world.raised, false, "somebody may read /etc/shadow");
    });
    await t.step("without the control it gets through", async () => {
      await using world = await World.make();
      await without(world);
      strictEqual(world.raised, true, "something else stops it");
    });
  });
}
