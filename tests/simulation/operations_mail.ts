/**
 * What actors do with mail and events.
 *
 * @module
 */
import { type Actor, OP } from "./actor.ts";
import type { Json } from "./client.ts";

/** Sends one letter. */
export function send(actor: Actor): Promise<void> {
  return sendMany(actor, 1);
}

/** Sends more letters than a mailbox holds, in one go. */
export function flood(actor: Actor): Promise<void> {
  return sendMany(actor, actor.chance.int(5, 20));
}

async function sendMany(actor: Actor, count: number): Promise<void> {
  const { world, chance, client, life } = actor;
  const others = world.addresses(life);
  if (others.length === 0) return;
  const to = chance.one(others);
  const all: Promise<void>[] = [];
  const mail = world.mailOf(life);
  if (!mail) return;
  for (let i = 0; i < count; i++) {
    const letter = actor.letter(to);
    mail.send(letter, client.principal);
    all.push(
      actor.ask(OP.send, { to, message: letter }).then((outcome) => {
        if (outcome.status === "gone" || !outcome.json.success) return;
        world.expect(mail.acknowledge(letter, outcome.json.delivered_to));
      }),
    );
  }
  await Promise.all(all);
}

/** Sends a letter to everybody who has a name. */
export async function broadcast(actor: Actor): Promise<void> {
  const mail = actor.world.mailOf(actor.life);
  if (!mail) return;
  const letter = actor.letter(0);
  mail.send(letter, actor.client.principal);
  await actor.ask(OP.broadcast, { message: letter, include_self: actor.chance.may(0.5) });
}

/** Takes some letters. */
export async function recv(actor: Actor): Promise<void> {
  await actor.receive({ max: actor.chance.int(1, 5) });
}

/** Waits for letters, and may lose patience. */
export async function recvWaiting(actor: Actor): Promise<void> {
  const { world, chance, client, life } = actor;
  const params = { max: 3, wait: true, timeout_ms: chance.int(1, 1_500) };
  let id = 0;
  world.trace(`${client.label} > recv ${JSON.stringify(params)}`);
  const asked = client.ask(OP.recv, params, undefined, (sent) => id = sent);
  const patience = chance.may(0.4)
    ? world.clock.sleep(chance.delay(200)).then(() => client.cancel(id))
    : null;
  await actor.received(client, life, asked, world);
  await patience;
}

/** Takes a name. */
export async function register(actor: Actor): Promise<void> {
  const name = `name${actor.chance.int(0, 3)}`;
  const outcome = await actor.ask(OP.register, { name });
  if (outcome.status === "gone" || !outcome.json.success) return;
  if (outcome.json.name !== name) {
    actor.world.violation(`${actor.client.label} took "${name}" and got "${outcome.json.name}"`);
  }
}

/** Listens to what others emit: of each, in order, each once. */
export async function subscribe(actor: Actor): Promise<void> {
  const { world, client } = actor;
  const last = new Map<string, number>();
  const onPart = ({ data }: Json): void => {
    const { by, n } = data ?? {};
    if (typeof by !== "string") return;
    const before = last.get(by) ?? 0;
    if (n <= before) world.violation(`${client.label} got event ${by}/${n} after ${before}`);
    last.set(by, n);
  };
  await actor.ask(OP.subscribe, { event_types: ["CUSTOM", "STATE_CHANGED"] }, onPart);
}

/** Emits events. */
export async function emit(actor: Actor): Promise<void> {
  const { client, chance } = actor;
  const all = Array.from({ length: chance.int(1, 12) }, () => {
    return actor.ask(OP.emit, { event: "sim", data: { by: client.label, n: ++actor.letters } });
  });
  await Promise.all(all);
}
