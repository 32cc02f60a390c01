import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { systemClock, VirtualClock } from "./clock.ts";

Deno.test("a virtual clock fires nothing before its time", async () => {
  const clock = new VirtualClock(1_000);
  let fired = 0;
  clock.timer(10, () => fired++);
  await clock.advance(9.5);
  strictEqual(fired, 0);
  strictEqual(clock.now(), 1_009.5);
  strictEqual(clock.monotonic(), 9.5);
  await clock.advance(0.5);
  strictEqual(fired, 1);
  strictEqual(clock.next, null);
});

Deno.test("virtual timers fire in the order of their moments, equal ones in the order they were set", async () => {
  const clock = new VirtualClock(0);
  const seen: string[] = [];
  const moments = [5, 1, 3, 5, 2, 1, 9, 0, 4];
  moments.forEach((at, index) => clock.timer(at, () => seen.push(`${clock.now()}:${index}`)));
  await clock.advance(100);
  deepStrictEqual(seen, ["0:7", "1:1", "1:5", "2:4", "3:2", "4:8", "5:0", "5:3", "9:6"]);
  strictEqual(clock.now(), 100);
});

Deno.test("a cancelled virtual timer does not fire, and one set by a timer does", async () => {
  const clock = new VirtualClock(0);
  const seen: number[] = [];
  const cancel = clock.timer(5, () => seen.push(-1));
  cancel();
  clock.timer(1, () => clock.timer(1, () => seen.push(clock.now())));
  await clock.advance(10);
  deepStrictEqual(seen, [2]);
});

Deno.test("a virtual sleep lets awaiting code go on at the right moment", async () => {
  const clock = new VirtualClock(0);
  const seen: number[] = [];
  const run = (async () => {
    for (let i = 0; i < 3; i++) {
      await clock.sleep(10);
      seen.push(clock.now());
    }
  })();
  await clock.advance(100);
  await run;
  deepStrictEqual(seen, [10, 20, 30]);
});

for (const [name, clock] of [["virtual", new VirtualClock()], ["system", systemClock]] as const) {
  Deno.test(`a ${name} sleep rejects with the signal's reason and leaves no timer behind`, async () => {
    const controller = new AbortController();
    const sleeping = clock.sleep(60_000, controller.signal);
    controller.abort(new Error("enough"));
    await rejects(sleeping, /enough/);
    await rejects(clock.sleep(1, controller.signal), /enough/);
  });
}

Deno.test("system timers fire, and delays past 24.8 days or infinite ones do not fire at once", async () => {
  let fired = 0;
  const cancels = [systemClock.timer(2 ** 32, () => fired++), systemClock.timer(Infinity, () => fired++)];
  const before = systemClock.monotonic();
  await systemClock.sleep(20);
  ok(systemClock.monotonic() - before >= 15);
  strictEqual(fired, 0);
  for (const cancel of cancels) cancel();
  ok(Math.abs(systemClock.now() - Date.now()) < 5_000);
});
