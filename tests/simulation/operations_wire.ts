/**
 * What actors do to their connections, well or ill meant.
 *
 * @module
 */
import { writeHeader } from "@clove/sdk/protocol";
import { type Actor, OP } from "./actor.ts";

/** Asks for its own bytes back, several times at once. */
export async function echo(actor: Actor): Promise<void> {
  const { client, chance } = actor;
  const all = Array.from({ length: chance.int(1, 10) }, (_, i) => {
    const nonce = `${client.label} ${++actor.letters} ${"e".repeat(chance.may(0.2) ? 900 : 0)}${i}`;
    return client.ask(OP.noop, new TextEncoder().encode(nonce));
  });
  await Promise.all(all);
}

/** Asks who it is. */
export async function hello(actor: Actor): Promise<void> {
  await actor.ask(OP.hello, {});
}

/** Does not read for a while. */
export async function stall(actor: Actor): Promise<void> {
  const { client, world, chance } = actor;
  world.trace(`${client.label} stalls`);
  client.stall(true);
  await world.clock.sleep(chance.delay(400));
  client.stall(false);
}

/** Sends a request in two halves, with a pause; or only the first, and goes. */
export async function halves(actor: Actor): Promise<void> {
  const { client, world, chance } = actor;
  if (client.halfway) return;
  const body = new TextEncoder().encode(`half of ${client.label} ${++actor.letters}`);
  const whole = chance.may(0.6);
  // The other half never comes: nobody waits for an answer, and the store must never show.
  if (!whole) {
    const key = `${actor.name}/${chance.int(0, 5)}`;
    const value = `${actor.name}:${++actor.values}`;
    world.state.begin(key, value, world.clock.now()).refused = true;
    const { bytes } = client.encode(OP.store, { key, value });
    client.sendPart(bytes, chance.int(1, bytes.length - 1));
    await world.clock.sleep(chance.delay(50));
    return client.close();
  }
  let answered!: () => void;
  const done = new Promise<void>((resolve) => answered = resolve);
  const { bytes } = client.prepare(OP.noop, body, answered);
  const sendRest = client.sendPart(bytes, chance.int(1, bytes.length - 1));
  await world.clock.sleep(chance.delay(100));
  sendRest();
  await done;
}

/** Sends what is no frame. */
export async function garbage(actor: Actor): Promise<void> {
  const { client, chance } = actor;
  const bytes = new Uint8Array(chance.int(17, 60));
  for (let i = 0; i < bytes.length; i++) bytes[i] = chance.int(0, 255);
  bytes[0] = 0;
  client.send(bytes);
  await client.ended;
}

/** Announces more than a frame may hold: one answer, then the end. */
export async function oversize(actor: Actor): Promise<void> {
  const { client, world } = actor;
  const header = new Uint8Array(17);
  await new Promise<void>((done) => {
    const { asked } = client.prepare(OP.store, {}, (outcome) => {
      if (outcome.status === "answered" && outcome.json.code !== "limit") {
        world.violation(`${client.label} announced 2 GiB and was told ${outcome.json.code}`);
      }
      done();
    });
    writeHeader(new DataView(header.buffer), 0, client.version, asked.id, OP.store, 0, 2 ** 31);
    client.send(header);
  });
  await client.ended;
}

/** Goes, one way or the other. */
export async function leave(actor: Actor): Promise<void> {
  const { client, chance, world } = actor;
  world.trace(`${client.label} leaves`);
  if (chance.may(0.5)) client.close();
  else client.end();
  // A subscription or a watch goes on for whoever only says that he will ask no more.
  await Promise.race([client.ended, world.clock.sleep(2_000)]);
  client.close();
}
