/**
 * What holds at every moment, seen from within the kernel.
 *
 * @module
 */
import type { Request } from "../../kernel/dispatch.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Principal } from "../../kernel/principals.ts";
import { LOW } from "./limits.ts";
import type { World } from "./world.ts";

/** Counts the requests of each connection that run at once. */
export function watchCalls(world: World): void {
  const running = new Map<unknown, number>();
  world.onBoot = ({ dispatcher }: Kernel): void => {
    const run = dispatcher.run.bind(dispatcher);
    dispatcher.run = (request: Request) => {
      const answer = run(request);
      if (!(answer instanceof Promise)) return answer;
      const { connection } = request;
      const count = (running.get(connection) ?? 0) + 1;
      running.set(connection, count);
      const most = connection.version === 1 ? 1 : LOW.requestsInFlight;
      if (count > most) {
        world.violation(`${count} requests of one connection run at once, the limit is ${most}`);
      }
      return answer.finally(() => running.set(connection, running.get(connection)! - 1));
    };
  };
}

/** How long the connections of an agent may outlive it. */
const LEAVE_MS = 500;

/** Mailboxes, keys, connections and agents stay within their limits. */
export function checkLimits(world: World): void {
  if (!world.life) return;
  const { principals, mail, state, agents } = world.life.kernel.services;
  const connections = new Map<Principal, number>();
  for (const principal of principals.all()) {
    world.known.set(principal, Infinity);
    const letters = mail.waitingFor(principal);
    if (letters > LOW.mailboxMessages) world.violation(`${principal.label} has ${letters} letters`);
    const keys = state.usageOf(principal)?.keys ?? 0;
    if (keys > LOW.keysPerAgent) world.violation(`${principal.label} holds ${keys} keys`);
    if (principal.kind === "operator") continue;
    let top = principal;
    while (top.parent && top.parent.kind !== "operator") top = top.parent;
    const count = (connections.get(top) ?? 0) + principal.connections;
    connections.set(top, count);
    if (count > LOW.connectionsPerAgent) {
      world.violation(`${top.label} and its agents have ${count} connections`);
    }
  }
  const now = world.clock.now();
  for (const [principal, goneAt] of world.known) {
    if (!principal.gone) continue;
    if (goneAt === Infinity) world.known.set(principal, now);
    if (principal.connections === 0) world.known.delete(principal);
    else if (now - goneAt > LEAVE_MS) world.violation(`${principal.label} has gone and is still connected`);
  }
  let living = 0;
  let ended = 0;
  for (const agent of agents.all()) {
    if (!agent.ended) {
      living++;
      const { spawner } = agent;
      if (spawner.kind === "agent" && spawner.gone) {
        world.violation(`${agent.principal.label} outlives ${spawner.label}, which started it`);
      }
    } else if (agent.principal.gone) ended++; // One whose own agents are still ending is not counted yet.
  }
  if (living > LOW.agents) world.violation(`${living} agents live`);
  if (ended > LOW.endedAgents) world.violation(`${ended} ended agents are remembered`);
}

/** When everybody has gone, the kernel is as it was when it started. */
export function checkNothingLeft(world: World): void {
  const { principals, mail, events, agents } = world.life!.kernel.services;
  const left = [...principals.all()].map(({ label, connections }) =>
    `${label} with ${connections} connections`
  );
  if (left.length > 0) world.violation(`everybody has gone, but the kernel still has ${left.join(", ")}`);
  if (mail.queued > 0) world.violation(`everybody has gone, but ${mail.queued} letters wait`);
  if (events.queued > 0) world.violation(`everybody has gone, but ${events.queued} events wait`);
  const reached = events.emit("CUSTOM", {});
  if (reached > 0) world.violation(`everybody has gone, but an event reached ${reached} subscribers`);
  for (const agent of agents.all()) if (agent.process) world.violation(`${agent.principal.label} still runs`);
}
