/**
 * One run, from a seed to a verdict.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import { Actor, OP } from "./actor.ts";
import { checkLimits, checkNothingLeft, watchCalls } from "./invariants.ts";
import { checkCounter, fetchKey } from "./operations_state.ts";
import { operate, runProgram, trouble } from "./scenario.ts";
import { type Defect, Violation, World } from "./world.ts";

/** How a run ended. */
export interface Verdict {
  readonly seed: number;
  /** What was seen that must never happen; null when all is well. */
  readonly violation: string | null;
  /** Hash of everything that happened. */
  readonly digest: string;
  /** Events of the trace, when they were kept. */
  readonly lines: readonly string[];
}

/** Whoever needs longer than this, in virtual time, will never come to an end. */
const LONGEST_MS = 600_000;

/** Runs one seed. Never throws for what the run shows. */
export async function simulate(
  seed: number,
  options: { defect?: Defect; keep?: boolean } = {},
): Promise<Verdict> {
  const world = new World(seed, options);
  let violation: string | null = null;
  // Nobody may be left alone with an error.
  const onRejection = (event: PromiseRejectionEvent): void => {
    event.preventDefault();
    world.violation(`nobody handled: ${event.reason?.stack ?? event.reason}`);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  try {
    await live(world);
  } catch (error) {
    violation = error instanceof Violation ? error.message : `the run broke: ${(error as Error).stack}`;
  } finally {
    globalThis.removeEventListener("unhandledrejection", onRejection);
    world.crash();
  }
  return { seed, violation, digest: world.digest, lines: world.lines ?? [] };
}

async function live(world: World): Promise<void> {
  const { chance, disk } = world;
  const programs = new Set<Promise<void>>();
  world.onProcess = (process, life) => {
    const program = runProgram(process, life, world).finally(() => programs.delete(program));
    programs.add(program);
  };
  watchCalls(world);
  disk.syncMs = chance.one([0, 0, 2, 10]);
  await drive(world, world.boot());
  const operators = Array.from({ length: chance.int(2, 4) }, (_, i) => {
    return operate(`op${i + 1}`, world, chance.int(6, 16));
  });
  await drive(world, Promise.all([...operators, trouble(world)]));
  world.calmDown();
  if (!world.life) await drive(world, world.boot());
  for (const actor of world.actors) actor.client.stall(false);
  await drive(world, settled(world));
  await drive(world, inspect(world));
  await drive(world, end(world, programs));
  await drive(world, again(world));
}

/** Everything that was asked for has been answered. */
async function settled(world: World): Promise<void> {
  while (world.acting.size > 0) await Promise.all(world.acting);
  for (const actor of world.actors) await Promise.all(actor.background);
  await world.clock.sleep(1_000);
}

/** Looks at everything while the kernel runs. */
async function inspect(world: World): Promise<void> {
  const { number, kernel } = world.life!;
  for (const actor of world.actors) {
    const { client } = actor;
    if (client.over || actor.life !== number || client.principal === null) continue;
    while (await actor.receive({ max: 100 }) > 0);
    if (!client.over) world.expect(world.mailOf(number)!.drained(client.principal));
  }
  await readAll(world, "reader#1");
  const report = await kernel.services.audit.verify();
  if (report.status !== "intact") world.violation(`the audit log is ${report.status}: ${report.message}`);
}

/** Reads every key that was ever written. */
async function readAll(world: World, label: string): Promise<void> {
  const client = world.connect(label)!;
  const reader = new Actor(label, world, client);
  await client.upgrade();
  for (const key of world.state.keys) await fetchKey(reader, key);
  await checkCounter(reader);
  await reader.ask(OP.keys, {});
  client.end();
  await client.ended;
}

/** Everybody goes, and nothing of them may be left. */
async function end(world: World, programs: ReadonlySet<Promise<void>>): Promise<void> {
  const { kernel } = world.life!;
  for (const actor of world.actors) if (!actor.client.label.startsWith("agent")) actor.client.end();
  const { agents, events } = kernel.services;
  // Who ended his sending side long ago is only seen to have gone when something is written to him.
  const last = world.connect("last")!;
  await last.ask(OP.store, { key: "last", value: 1 });
  events.emit("CUSTOM", {});
  last.close();
  for (let living = [...agents.all()]; living.some((agent) => !agent.ended); living = [...agents.all()]) {
    await Promise.all(living.map((agent) => agent.stop({ by: 0, graceMs: 50 })));
  }
  await Promise.all(programs);
  await Promise.all([...world.actors].map((actor) => actor.client.ended));
  await world.clock.sleep(1_000);
  checkNothingLeft(world);
  await world.stop();
}

/** A kernel that is started again has everything, and finds its log closed. */
async function again(world: World): Promise<void> {
  await world.boot();
  await readAll(world, "reader#2");
  const { lines } = await world.life!.kernel.services.audit.query({ limit: 1_000 });
  const last = lines.find(({ event_type }) => /^AUDIT_(TAMPERED|RECOVERED)$/.test(event_type));
  if (last?.event_type === "AUDIT_TAMPERED") world.violation("the audit log was found tampered with");
  await world.stop();
}

/** Moves time on until the work is done, looking at the kernel at every step. */
async function drive(world: World, work: Promise<unknown>): Promise<void> {
  const { clock } = world;
  let done = false;
  let failure: unknown = null;
  work.then(() => done = true, (error) => {
    failure = error;
    done = true;
  });
  const until = clock.now() + LONGEST_MS;
  for (;;) {
    // What can happen without time passing happens first.
    for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    checkLimits(world);
    world.check();
    if (done) break;
    const { next } = clock;
    if (next === null || next > until) throw new Violation(stuck(world, next));
    await clock.advance(next - clock.now());
  }
  if (failure !== null) throw failure;
}

function stuck(world: World, next: number | null): string {
  const waiting = [...world.actors].flatMap(({ client }) => {
    return client.unanswered.map(({ id, opcode }) => `${client.label} for request ${id} (opcode ${opcode})`);
  });
  const why = next === null ? "nothing will ever happen" : `it has taken ${LONGEST_MS} ms`;
  return `the run does not end: ${why}; waiting: ${waiting.join(", ") || "nobody"}`;
}
