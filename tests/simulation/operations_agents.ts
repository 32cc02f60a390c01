/**
 * What actors do with agents.
 *
 * @module
 */
import { type Actor, effectOf, OP } from "./actor.ts";
import type { Json } from "./client.ts";

/** Rights that an agent of the simulation may begin with; some cannot use the state store. */
const RIGHTS: readonly Json[] = [
  { level: "sandboxed" },
  { level: "minimal" },
  { level: "sandboxed" },
  { policy: ["ipc:*", "event:*"] },
];

/** Starts one. */
export async function spawn(actor: Actor): Promise<void> {
  const { chance, world } = actor;
  const named = chance.may(0.6) ? { name: `agent${chance.int(0, 3)}` } : {};
  const outcome = await actor.ask(OP.spawn, {
    command: [chance.may(0.95) ? "agent" : "nothing"],
    ...named,
    ...chance.one(RIGHTS),
    restart_policy: chance.one(["never", "on-failure", "always"]),
    max_restarts: chance.int(0, 2),
    restart_backoff_ms: chance.int(1, 200),
    grace_ms: chance.int(0, 300),
  });
  if (outcome.status === "gone" || !outcome.json.success) return;
  const { id, name } = outcome.json;
  if (named.name !== undefined && name !== named.name) {
    world.violation(`${actor.client.label} spawned "${named.name}" and got "${name}"`);
  }
  world.spawned.push(id);
}

/** Starts more than may live, at once. */
export async function spawnMany(actor: Actor): Promise<void> {
  await Promise.all(Array.from({ length: actor.chance.int(3, 8) }, () => spawn(actor)));
}

function target(actor: Actor): { id: number } {
  const { spawned } = actor.world;
  return { id: spawned.length > 0 && actor.chance.may(0.9) ? actor.chance.one(spawned) : 4_000_000 };
}

/** Stops one. */
export async function kill(actor: Actor): Promise<void> {
  const { chance, world } = actor;
  const { id } = target(actor);
  const outcome = await actor.ask(OP.kill, {
    id,
    ...(chance.may(0.5) ? { grace_ms: chance.int(0, 100) } : {}),
  });
  if (outcome.status === "gone" || !outcome.json.success) return;
  if (outcome.json.agent_id !== id) {
    world.violation(`${actor.client.label} killed ${id} and was told of ${outcome.json.agent_id}`);
  }
}

/** Stops one for a moment. */
export async function pause(actor: Actor): Promise<void> {
  const { world, chance } = actor;
  const who = target(actor);
  if (effectOf(await actor.ask(OP.pause, who)) !== "yes") return;
  await world.clock.sleep(chance.delay(200));
  await actor.ask(OP.resume, who);
}

/** Waits for the end of one, not for ever. */
export async function wait(actor: Actor): Promise<void> {
  const { id } = target(actor);
  const outcome = await actor.ask(OP.wait, { id, timeout_ms: actor.chance.int(0, 3_000) });
  if (outcome.status === "gone" || !outcome.json.success) return;
  if (outcome.json.agent_id !== id) {
    actor.world.violation(`${actor.client.label} waited for ${id} and was told of ${outcome.json.agent_id}`);
  }
}

/** Reads what one wrote: in order, and nobody else's. */
export async function output(actor: Actor): Promise<void> {
  const { world } = actor;
  const { id } = target(actor);
  const parts: Json[] = [];
  const outcome = await actor.ask(OP.output, { id }, (part) => parts.push(part));
  if (outcome.status === "gone" || !outcome.json.success) return;
  let last = 0;
  let all = "";
  for (const { seq, text } of [...parts, ...outcome.json.chunks]) {
    if (seq <= last) world.violation(`agent ${id} wrote chunk ${seq} after ${last}`);
    last = seq;
    all += text;
  }
  // The last line may not be there to its end.
  for (const line of all.split("\n").slice(0, -1)) {
    if (!line.startsWith(`${id}:`)) world.violation(`agent ${id} is said to have written "${line}"`);
  }
}

/** Lists them. */
export async function list(actor: Actor): Promise<void> {
  await actor.ask(OP.list, {});
}

/** Has every call written down from now on, or not. */
export async function auditAll(actor: Actor): Promise<void> {
  const on = actor.chance.may(0.7);
  await actor.ask(OP.auditConfig, { log_syscalls: on, log_ipc: on, log_state: on });
}
