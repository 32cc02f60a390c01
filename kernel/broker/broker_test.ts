import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { Authority, Policy } from "../../permissions/mod.ts";
import { systemClock } from "../../worlds/clock.ts";
import { Audit } from "../audit/audit.ts";
import { EventBus } from "../events.ts";
import { Log } from "../log.ts";
import { type Principal, Principals } from "../principals.ts";
import { Brokers } from "./broker.ts";

const NOWHERE = { cwd: "/work", tmp: "/tmp", trees: [], own: [], taken: [], links: false } as const;

/** A broker on a socket, for an agent that may see one variable. */
class Bench implements AsyncDisposable {
  readonly principals = new Principals();
  readonly events = new EventBus(systemClock);
  readonly audit: Audit;
  readonly agent: Principal;
  readonly path: string;
  /** Whose process connects, as far as the broker is told. */
  owner: Principal | undefined = undefined;
  readonly #dir: string;
  readonly #brokers: Brokers;
  readonly #sockets: Socket[] = [];
  #end: () => Promise<void> = () => Promise.resolve();

  private constructor(dir: string) {
    const log = new Log({ level: "error", format: "text" });
    this.#dir = dir;
    this.path = `${dir}/broker.sock`;
    this.audit = new Audit({ clock: systemClock, log });
    this.agent = this.principals.create("agent", {
      authority: new Authority(Policy.parse("env:SEEN")),
      name: "worker",
    });
    this.#brokers = new Brokers({
      clock: systemClock,
      log,
      audit: this.audit,
      events: this.events,
      pidOf: () => Deno.pid,
      ownerOf: () => this.owner,
      served: () => 0,
    });
  }

  static async open(): Promise<Bench> {
    const bench = new Bench(await Deno.makeTempDir({ prefix: "clove-test-" }));
    bench.#end = await bench.#brokers.open(bench.path, bench.agent, {
      places: NOWHERE,
      variables: [],
      socket: null,
      proxied: false,
    });
    return bench;
  }

  async asker(): Promise<Asking> {
    const socket = connect(this.path);
    this.#sockets.push(socket);
    await once(socket, "connect");
    return new Asking(socket);
  }

  /** What stands in the audit log. */
  async lines(category: "SECURITY" | "SYSCALL"): Promise<Record<string, unknown>[]> {
    const { lines } = await this.audit.query({ category, limit: 100 });
    return lines.map(({ event_type, details }) => ({ event_type, ...JSON.parse(details) }));
  }

  end(): Promise<void> {
    const end = this.#end;
    this.#end = () => Promise.resolve();
    return end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.end();
    await this.audit.close();
    await Deno.remove(this.#dir, { recursive: true });
  }
}

/** One client. */
class Asking {
  readonly socket: Socket;
  readonly closed: Promise<unknown>;
  #text = "";

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk) => this.#text += chunk);
    this.closed = new Promise((resolve) => socket.once("close", resolve));
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** So many answers, as `id result`. */
  async answers(count: number): Promise<string[]> {
    while (this.#text.split("\n").length <= count) await once(this.socket, "data");
    return this.#text.trim().split("\n").map((line) => {
      const { id, result } = JSON.parse(line);
      return `${id} ${result}`;
    });
  }

  get text(): string {
    return this.#text;
  }
}

function question(id: number, value: string | null, permission = "env"): string {
  return `${JSON.stringify({ v: 1, pid: 7, id, datetime: "2026-01-01T00:00:00Z", permission, value })}\n`;
}

Deno.test("a refusal names the rule and the way to get it, is counted, written down once, and told", async () => {
  await using bench = await Bench.open();
  const operator = bench.principals.create("operator", {
    authority: new Authority(Policy.level("unrestricted")),
  });
  bench.events.subscribe(operator, ["SYSCALL_BLOCKED"]);
  const asker = await bench.asker();
  for (let id = 1; id <= 3; id++) asker.send(question(id, "HIDDEN"));
  asker.send(question(4, "SEEN"));
  deepStrictEqual(await asker.answers(4), ["1 deny", "2 deny", "3 deny", "4 allow"]);
  const { reason } = JSON.parse(asker.text.split("\n")[0]!);
  strictEqual(
    reason,
    'Cannot see the variable "HIDDEN": policy: env allows SEEN; to allow it: clove perms grant worker env:HIDDEN',
  );
  strictEqual(bench.agent.counts.checks, 4);
  strictEqual(bench.agent.counts.denials, 3);
  const line = {
    event_type: "SYSCALL_BLOCKED",
    syscall: "deno.env",
    value: "HIDDEN",
    need: "env:HIDDEN",
    rule: "policy: env allows SEEN",
  };
  deepStrictEqual(await bench.lines("SECURITY"), [line]);
  const told = bench.events.poll(operator, 10);
  deepStrictEqual(told.map(({ data }) => (data as { target: string }).target), ["env:HIDDEN"]);
  deepStrictEqual([...bench.audit.repeatsOf(bench.agent.id)], [["env:HIDDEN", 2]]);
});

Deno.test("what is allowed is written down only where ordinary calls are", async () => {
  await using bench = await Bench.open();
  const asker = await bench.asker();
  asker.send(question(1, "SEEN"));
  await asker.answers(1);
  deepStrictEqual(await bench.lines("SYSCALL"), []);
  await bench.audit.configure({ log_syscalls: true }, { id: 1, name: "" });
  asker.send(question(2, "SEEN"));
  await asker.answers(2);
  const [line] = await bench.lines("SYSCALL");
  deepStrictEqual([line!.event_type, line!.rule], ["deno.env", "policy: env:SEEN"]);
});

Deno.test("questions come in any pieces, and many at once", async () => {
  await using bench = await Bench.open();
  const asker = await bench.asker();
  for (const byte of new TextEncoder().encode(question(1, "SEEN"))) {
    asker.send(Uint8Array.of(byte));
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  deepStrictEqual(await asker.answers(1), ["1 allow"]);
  asker.send(question(2, "SEEN") + question(3, "x") + question(4, "SEEN").slice(0, 30));
  await asker.answers(3);
  asker.send(question(4, "SEEN").slice(30));
  deepStrictEqual(await asker.answers(4), ["1 allow", "2 allow", "3 deny", "4 allow"]);
});

Deno.test("a question of any length is refused without being kept, and the next one is heard", async () => {
  await using bench = await Bench.open();
  const asker = await bench.asker();
  asker.send(question(1, "x".repeat(3_000_000)));
  asker.send(question(2, "SEEN"));
  deepStrictEqual(await asker.answers(2), ["1 deny", "2 allow"]);
  match(asker.text, /too long/);
});

for (
  const [what, bytes] of [
    ["is no JSON", "hello\n"],
    ["has no number", '{"v":1,"permission":"env","value":"SEEN"}\n'],
    ["is too long to find its number", `${"x".repeat(100_000)}\n`],
    ["is not UTF-8", Uint8Array.of(0xff, 0xfe, 0x0a)],
    ["is empty", "\n"],
  ] as const
) {
  Deno.test(`a line that ${what} ends the connection and nothing else`, async () => {
    await using bench = await Bench.open();
    const [bad, good] = [await bench.asker(), await bench.asker()];
    bad.send(bytes);
    await bad.closed;
    strictEqual(bad.text, "");
    good.send(question(1, "SEEN"));
    deepStrictEqual(await good.answers(1), ["1 allow"]);
  });
}

Deno.test("who asks without reading answers, or asks much at once, is cut off", async () => {
  await using bench = await Bench.open();
  const deaf = await bench.asker();
  deaf.socket.pause();
  const flood = question(1, "y".repeat(1_000));
  for (let i = 0; i < 500 && !deaf.socket.destroyed; i++) {
    deaf.send(flood);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  deaf.socket.resume();
  await deaf.closed;
  ok(deaf.text.length < 400_000, "most of it was never answered");
});

Deno.test("another agent's process is not served, its own and nobody's are", async () => {
  await using bench = await Bench.open();
  bench.owner = bench.principals.create("agent", {
    authority: new Authority(Policy.parse([])),
    name: "thief",
  });
  const thief = await bench.asker();
  thief.send(question(1, "SEEN"));
  await thief.closed;
  strictEqual(thief.text, "");
  for (const owner of [bench.agent, undefined]) {
    bench.owner = owner;
    const asker = await bench.asker();
    asker.send(question(1, "SEEN"));
    deepStrictEqual(await asker.answers(1), ["1 allow"]);
  }
});

Deno.test("connections of one agent are bounded, and end with it", async () => {
  await using bench = await Bench.open();
  const askers: Asking[] = [];
  for (let i = 0; i < 64; i++) askers.push(await bench.asker());
  askers[63]!.send(question(1, "SEEN"));
  await askers[63]!.answers(1);
  const beyond = await bench.asker();
  await beyond.closed;
  askers[0]!.socket.destroy();
  await bench.end();
  await Promise.all(askers.map(({ closed }) => closed));
});
