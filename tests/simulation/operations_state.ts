/**
 * What actors do with the state store.
 *
 * @module
 */
import { type Actor, effectOf, OP } from "./actor.ts";

/** The number that all raise. */
const COUNTER = "counter";

/** One of the keys that only this actor writes. */
function ownKey(actor: Actor): string {
  return `${actor.name}/${actor.chance.int(0, 5)}`;
}

/** Stores a value that nobody ever stored. */
export async function store(actor: Actor): Promise<void> {
  const { world, chance } = actor;
  const key = ownKey(actor);
  const value = `${actor.name}:${++actor.values}${chance.may(0.1) ? "x".repeat(chance.int(1, 800)) : ""}`;
  const ttlMs = chance.may(0.15) ? chance.int(20, 2_000) : undefined;
  const write = world.state.begin(key, value, world.clock.now(), ttlMs);
  const ttl = ttlMs === undefined ? {} : { ttl: ttlMs / 1000 };
  const outcome = await actor.ask(OP.store, { key, value, ...ttl });
  const effect = effectOf(outcome);
  if (effect === "no") write.refused = true;
  if (effect !== "yes" || outcome.status === "gone") return;
  const { json } = outcome;
  if (json.key !== key) world.violation(`${actor.name} stored "${key}" and was told of "${json.key}"`);
  world.expect(world.state.acknowledge(write, world.clock.now(), ttlMs, json.version));
}

/** Removes a key of its own. */
export async function remove(actor: Actor): Promise<void> {
  const { world } = actor;
  const key = ownKey(actor);
  const write = world.state.begin(key, null, world.clock.now());
  const outcome = await actor.ask(OP.delete, { key });
  const effect = effectOf(outcome);
  if (effect === "no") write.refused = true;
  if (effect === "yes") world.expect(world.state.acknowledge(write, world.clock.now()));
}

/** Reads a key, its own or another's. */
export async function fetch(actor: Actor): Promise<void> {
  const { world, chance } = actor;
  const keys = world.state.keys;
  await fetchKey(actor, keys.length > 0 && chance.may(0.8) ? chance.one(keys) : ownKey(actor));
}

/** Reads one key and compares it with what may be there. */
export async function fetchKey(actor: Actor, key: string): Promise<void> {
  const { world } = actor;
  const read = world.state.beginRead(key, world.clock.now());
  const outcome = await actor.ask(OP.fetch, { key, scope: "global" });
  if (effectOf(outcome) !== "yes" || outcome.status === "gone") return;
  const { exists, value } = outcome.json;
  world.expect(world.state.check(read, exists ? value : null, world.clock.now()));
}

/** Raises the common number by one, if nobody is faster. */
export async function raise(actor: Actor): Promise<void> {
  const { world, name } = actor;
  const found = await actor.ask(OP.fetch, { key: COUNTER, scope: "global" });
  if (effectOf(found) !== "yes" || found.status === "gone") return;
  const { value, version = 0 } = found.json;
  const floor = world.state.highest;
  const outcome = await actor.ask(OP.cas, {
    key: COUNTER,
    value: (value ?? 0) + 1,
    expected_version: version,
  });
  const effect = effectOf(outcome);
  if (effect === "unknown") world.counter.lost();
  if (effect !== "yes" || outcome.status === "gone" || !outcome.json.swapped) return;
  world.expect(world.counter.won(version, name));
  world.expect(world.state.version(outcome.json.version, floor, COUNTER));
}

/** Reads the common number when nobody is raising it. */
export async function checkCounter(actor: Actor): Promise<void> {
  const outcome = await actor.ask(OP.fetch, { key: COUNTER, scope: "global" });
  if (effectOf(outcome) !== "yes" || outcome.status === "gone") return;
  actor.world.expect(actor.world.counter.check(outcome.json.value ?? 0));
}

/** Keeps something for itself, and finds it and nobody else's. */
export async function keep(actor: Actor): Promise<void> {
  const { world, client } = actor;
  const mine = `${client.label}:${++actor.values}`;
  const stored = await actor.ask(OP.store, { key: "mine", value: mine, scope: "session" });
  if (client !== actor.client || effectOf(stored) !== "yes") return;
  const found = await actor.ask(OP.fetch, { key: "mine", scope: "session" });
  if (effectOf(found) !== "yes" || found.status === "gone") return;
  const { exists, value } = found.json;
  const owner = exists ? String(value).split(":")[0] : null;
  if (owner !== client.label) {
    world.violation(`${client.label} kept "${mine}" for itself and found ${JSON.stringify(value)}`);
  }
}

/** Watches for a while: versions only rise. */
export async function watch(actor: Actor): Promise<void> {
  const { world, chance, client } = actor;
  if (client.version === 1) return;
  let last = 0;
  let id = 0;
  const onPart = ({ action, version }: { action: string; version?: number }): void => {
    if (version === undefined) return;
    if (version <= last) world.violation(`${client.label} saw ${action} ${version} after ${last}`);
    last = version;
  };
  world.trace(`${client.label} > watch`);
  const ended = client.ask(OP.watch, {}, onPart, (sent) => id = sent);
  await Promise.race([ended, world.clock.sleep(chance.delay(500))]);
  client.cancel(id);
  await ended;
}
