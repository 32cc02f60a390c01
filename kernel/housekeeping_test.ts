import { strictEqual } from "node:assert/strict";
import { VirtualClock } from "../worlds/clock.ts";
import { Housekeeping, IDLE_MS } from "./housekeeping.ts";

function house() {
  const clock = new VirtualClock();
  const counted = { tidied: 0 };
  const housekeeping = new Housekeeping({ clock, tidy: () => counted.tidied++ });
  const work = (calls: number): void => {
    for (let i = 0; i < calls; i++) housekeeping.finished();
  };
  return { clock, counted, housekeeping, work };
}

Deno.test("while calls come nothing is tidied, however long", () => {
  const { clock, counted, work } = house();
  for (let second = 0; second < 120; second++) {
    work(1000);
    clock.advanceSync(IDLE_MS / 2);
  }
  strictEqual(counted.tidied, 0);
  clock.advanceSync(2 * IDLE_MS);
  strictEqual(counted.tidied, 1);
});

Deno.test("it tidies once after the start, once after work, and rests with no timer set", () => {
  const { clock, counted, work } = house();
  clock.advanceSync(IDLE_MS);
  strictEqual(counted.tidied, 1, "the start is work");
  strictEqual(clock.next, null);
  work(10_000);
  clock.advanceSync(2 * IDLE_MS);
  strictEqual(counted.tidied, 2);
  strictEqual(clock.next, null);
});

Deno.test("a call now and then is not worth it, but once a minute is", () => {
  const { clock, counted, work } = house();
  clock.advanceSync(IDLE_MS);
  for (let i = 0; i < 30; i++) {
    work(1);
    clock.advanceSync(2 * IDLE_MS);
  }
  strictEqual(counted.tidied, 1);
  work(1);
  clock.advanceSync(2 * IDLE_MS);
  strictEqual(counted.tidied, 2);
});

Deno.test("once disposed it sets no timer and tidies no more", () => {
  const { clock, counted, housekeeping, work } = house();
  housekeeping[Symbol.dispose]();
  work(10_000);
  clock.advanceSync(10 * IDLE_MS);
  strictEqual(counted.tidied, 0);
  strictEqual(clock.next, null);
});
