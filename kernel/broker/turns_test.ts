import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Turns, WINDOW_MS } from "./turns.ts";

/** Turns on a clock that stands still until it is moved, and what ran. */
function still(perWindow = 2) {
  const state = { now: 0, served: 0 };
  const turns = new Turns({ few: 2, perWindow, now: () => state.now, served: () => state.served });
  const ran: number[] = [];
  const ask = (who: number) => turns.run(WHO[who]!, () => ran.push(who));
  return { state, turns, ran, ask };
}

const WHO = Array.from({ length: 10 }, () => ({}));
const loop = () => new Promise<void>((resolve) => setTimeout(resolve, 4 * WINDOW_MS));

/** Lets the loop turn until so many have run; a busy machine takes its time. */
async function until(ran: readonly number[], count: number): Promise<void> {
  for (let i = 0; i < 500 && ran.length < count; i++) await loop();
}

Deno.test("a few are answered at once, however much they ask and whoever else is served", () => {
  const { state, ran, ask } = still();
  for (let i = 0; i < 50; i++) {
    state.served++;
    ask(i % 2);
  }
  strictEqual(ran.length, 50);
});

Deno.test("a crowd is answered at once while nobody else wants anything", () => {
  const { ran, ask } = still();
  for (let i = 0; i < 50; i++) ask(i % 10);
  strictEqual(ran.length, 50);
});

Deno.test("a crowd waits in order while others are served, and nobody is forgotten", async () => {
  const { state, turns, ran, ask } = still();
  state.served++;
  for (let i = 0; i < 10; i++) ask(i);
  deepStrictEqual(ran, [0, 1]);
  strictEqual(turns.waiting, 8);
  await loop();
  strictEqual(ran.length, 2, "the window has not ended");
  state.now += WINDOW_MS;
  await until(ran, 4);
  deepStrictEqual(ran, [0, 1, 2, 3]);
  // Nobody else has come for long: all the rest at once.
  state.now += 1_000;
  await until(ran, 10);
  deepStrictEqual(ran, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  strictEqual(turns.waiting, 0);
});

Deno.test("who comes while others wait, waits behind them", async () => {
  const { state, ran, ask } = still(1);
  state.served++;
  for (const who of [0, 1, 2, 3]) ask(who);
  deepStrictEqual(ran, [0, 1], "two are a few");
  state.now += WINDOW_MS;
  ask(0);
  deepStrictEqual(ran, [0, 1]);
  state.now += 1_000;
  await until(ran, 5);
  deepStrictEqual(ran, [0, 1, 2, 3, 0]);
});
