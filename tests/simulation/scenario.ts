/**
 * Who does what, and how often.
 *
 * @module
 */
import { Actor } from "./actor.ts";
import { Client } from "./client.ts";
import * as agents from "./operations_agents.ts";
import * as mail from "./operations_mail.ts";
import * as state from "./operations_state.ts";
import * as wire from "./operations_wire.ts";
import type { SimProcess } from "./processes.ts";
import type { World } from "./world.ts";

type Operation = (actor: Actor) => Promise<void>;

/** What anybody does. */
const COMMON = {
  store: [state.store, 12],
  remove: [state.remove, 3],
  fetch: [state.fetch, 8],
  raise: [state.raise, 6],
  keep: [state.keep, 3],
  watch: [state.watch, 2],
  send: [mail.send, 10],
  flood: [mail.flood, 3],
  broadcast: [mail.broadcast, 1],
  recv: [mail.recv, 8],
  recvWaiting: [mail.recvWaiting, 4],
  register: [mail.register, 2],
  subscribe: [mail.subscribe, 2],
  emit: [mail.emit, 2],
  echo: [wire.echo, 5],
  hello: [wire.hello, 1],
  stall: [wire.stall, 3],
  halves: [wire.halves, 3],
  spawn: [agents.spawn, 3],
  list: [agents.list, 1],
  output: [agents.output, 2],
} as const;

/** What operators do besides: they can come back. */
const OPERATOR = {
  ...COMMON,
  garbage: [wire.garbage, 1],
  oversize: [wire.oversize, 1],
  leave: [wire.leave, 3],
  kill: [agents.kill, 3],
  pause: [agents.pause, 2],
  wait: [agents.wait, 2],
  spawn: [agents.spawn, 5],
  spawnMany: [agents.spawnMany, 1],
  auditAll: [agents.auditAll, 1],
} as const;

type Table = Readonly<Record<string, readonly [Operation, number]>>;

async function act(actor: Actor, table: Table): Promise<void> {
  const weights = Object.fromEntries(Object.entries(table).map(([name, [, weight]]) => [name, weight]));
  if (actor.client.over) return;
  const name = actor.chance.weighted(weights);
  actor.world.trace(`${actor.client.label} ${name}`);
  const done = table[name]![0](actor);
  // Often the next thing begins before this one has ended.
  if (actor.chance.may(0.5)) await done;
  else actor.meanwhile(done);
}

/** An operator's program: it connects, works, and connects again when it has lost its connection. */
export async function operate(name: string, world: World, operations: number): Promise<void> {
  const { clock, chance } = world;
  let actor: Actor | null = null;
  let connections = 0;
  for (let i = 0; i < operations; i++) {
    await clock.sleep(chance.delay(40));
    if (!actor || actor.client.over) {
      const client = world.connect(`${name}#${++connections}`);
      if (!client) continue;
      if (actor) world.actors.delete(actor);
      const before: Actor | null = actor;
      actor = new Actor(name, world, client);
      actor.values = before?.values ?? 0;
      world.actors.add(actor);
      if (chance.may(0.7)) await client.upgrade();
      else await wire.hello(actor);
    }
    await act(actor, OPERATOR);
  }
}

/** The program of an agent: it writes, works, and comes to some end. */
export async function runProgram(process: SimProcess, life: number, world: World): Promise<void> {
  const { clock, chance } = world;
  const { id } = process.request;
  const client = new Client(`agent${id}.${life}.${process.pid % 1000}`, process.own, world);
  client.identify(id);
  const actor = new Actor(client.label, world, client);
  actor.life = life;
  world.actors.add(actor);
  const acting = Promise.withResolvers<void>();
  world.acting.add(acting.promise);
  let goOn: (() => void) | null = null;
  process.onPause = (paused) => {
    client.stall(paused);
    if (!paused) goOn?.();
  };
  if (chance.may(0.8)) await client.upgrade();
  for (let i = chance.int(0, 6); i > 0 && !world.calm && !process.ended && !client.over; i--) {
    await clock.sleep(chance.delay(60));
    if (process.paused) {
      const goesOn = new Promise<void>((resolve) => goOn = resolve);
      await Promise.race([client.ended, goesOn, world.quiet]);
    }
    if (process.ended || world.calm) break;
    process.out.write(new TextEncoder().encode(`${id}:${process.pid}:${i}\n`));
    if (chance.may(0.15)) actor.meanwhile(another(process, world, `${client.label}+${i}`));
    await act(actor, COMMON);
  }
  await Promise.all(actor.background);
  world.acting.delete(acting.promise);
  acting.resolve();
  const end = chance.weighted({ idle: 3, done: 2, failed: 2, crash: 1 });
  if (end === "done") process.exit(0);
  else if (end === "failed") process.exit(1);
  else if (end === "crash") process.exit(null, "SIGSEGV");
  await client.ended;
  world.actors.delete(actor);
}

/** A second connection of an agent, by its own socket: the same principal, if there is room. */
async function another(process: SimProcess, world: World, label: string): Promise<void> {
  const path = `/simulated/run/agents/${process.request.id}/clove.sock`;
  const client = world.connectTo(path, label);
  if (!client) return;
  client.identify(process.request.id);
  const actor = new Actor(label, world, client);
  if (world.chance.may(0.5)) await client.upgrade();
  for (let i = 0; i < 3 && !client.over; i++) {
    await world.chance.one([wire.echo, wire.hello, state.store, state.fetch])(actor);
    await world.clock.sleep(world.chance.delay(100));
  }
  client.close();
}

/** What happens to the machine. */
export async function trouble(world: World): Promise<void> {
  const { clock, chance } = world;
  for (let i = chance.int(0, 3); i > 0; i--) {
    await clock.sleep(chance.delay(300));
    const what = chance.weighted({ crash: 4, restart: 2, full: 1, slow: 2 });
    world.trace(`trouble: ${what}`);
    if (what === "slow") world.disk.syncMs = chance.one([0, 1, 10]);
    else if (what === "full") {
      world.troubled = world.disk.full = true;
      await clock.sleep(chance.delay(200));
      world.disk.full = false;
    } else {
      if (what === "crash") world.crash();
      else await world.stop();
      await clock.sleep(chance.delay(50));
      world.disk.full = false;
      if (!world.life) await world.boot();
    }
  }
}
