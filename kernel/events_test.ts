import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Authority, Policy } from "../permissions/mod.ts";
import { VirtualClock } from "../worlds/clock.ts";
import { concerns, EventBus, type KernelEvent } from "./events.ts";
import { LIMITS } from "./limits.ts";
import { type Principal, Principals } from "./principals.ts";
import type { PushWriter } from "./syscall.ts";

function setup(): { bus: EventBus; make: (kind?: "operator" | "agent", parent?: Principal) => Principal } {
  const principals = new Principals();
  const make = (kind: "operator" | "agent" = "agent", parent?: Principal) => {
    return principals.create(kind, { authority: new Authority(Policy.level("standard")), parent });
  };
  return { bus: new EventBus(new VirtualClock()), make };
}

Deno.test("who did not subscribe gets nothing, and who unsubscribed gets nothing more", () => {
  const { bus, make } = setup();
  const agent = make();
  strictEqual(bus.emit("AGENT_EXITED", {}), 0);
  bus.subscribe(agent, ["AGENT_EXITED", "CUSTOM"]);
  strictEqual(bus.emit("AGENT_EXITED", {}), 1);
  deepStrictEqual(bus.unsubscribe(agent, ["AGENT_EXITED"]), ["CUSTOM"]);
  strictEqual(bus.emit("AGENT_EXITED", {}), 0);
  strictEqual(bus.poll(agent, 10).length, 1);
});

Deno.test("a queue that is not read loses its oldest events and says how many", () => {
  const { bus, make } = setup();
  const agent = make();
  bus.subscribe(agent, ["CUSTOM"]);
  for (let i = 0; i < LIMITS.eventQueue * 3 + 5; i++) bus.emit("CUSTOM", { i });
  strictEqual(bus.queued, LIMITS.eventQueue);
  const events = bus.poll(agent, LIMITS.eventQueue);
  strictEqual(events[0]!.dropped, LIMITS.eventQueue * 2 + 5);
  strictEqual((events[0]!.data as { i: number }).i, LIMITS.eventQueue * 2 + 5);
  strictEqual((events.at(-1)!.data as { i: number }).i, LIMITS.eventQueue * 3 + 4);
  strictEqual(events[1]!.dropped, undefined);
});

Deno.test("what concerns one agent reaches itself, those above it and operators, not its siblings", () => {
  const { bus, make } = setup();
  const operator = make("operator");
  const parent = make("agent");
  const [child, sibling] = [make("agent", parent), make("agent", parent)];
  for (const principal of [operator, parent, child, sibling]) bus.subscribe(principal, ["SYSCALL_BLOCKED"]);
  strictEqual(bus.emit("SYSCALL_BLOCKED", {}, child.id, concerns(child)), 3);
  strictEqual(bus.poll(sibling, 10).length, 0);
});

Deno.test("a principal that goes takes its subscriptions along", () => {
  const { bus, make } = setup();
  const agent = make();
  bus.subscribe(agent, ["CUSTOM"]);
  bus.emit("CUSTOM", {});
  agent.dispose();
  strictEqual(bus.queued, 0);
  strictEqual(bus.emit("CUSTOM", {}), 0);
});

Deno.test("a push that has no credit keeps its place and order", () => {
  const { bus, make } = setup();
  const got: number[] = [];
  let credit = 2;
  const writer: PushWriter = {
    onReady: null,
    push(json) {
      if (credit-- <= 0) return false;
      got.push(((json as KernelEvent).data as { i: number }).i);
      return true;
    },
    close() {},
  };
  bus.push(make(), ["CUSTOM"], writer);
  for (let i = 0; i < 5; i++) bus.emit("CUSTOM", { i });
  deepStrictEqual(got, [0, 1]);
  credit = 10;
  writer.onReady!();
  deepStrictEqual(got, [0, 1, 2, 3, 4]);
});
