import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import fc from "fast-check";
import { decideRestart, NO_HISTORY, type RestartHistory, type RestartRules } from "./restart.ts";

const rules: RestartRules = {
  policy: "on-failure",
  maxRestarts: 5,
  windowMs: 300_000,
  backoffMs: 1_000,
  backoffMaxMs: 60_000,
};
const crash = (now: number, ranMs = 10) => ({ failed: true, ranMs, now });

/** Crashes at once after each start until it is no longer restarted. */
function delays(given: RestartRules): { delays: number[]; end: string } {
  let history: RestartHistory = NO_HISTORY;
  const found: number[] = [];
  for (let now = 0;;) {
    const decision = decideRestart(given, history, crash(now), 0.5);
    if (decision.do !== "restart") return { delays: found, end: decision.do };
    found.push(decision.delayMs);
    history = decision.history;
    now += decision.delayMs + 10;
  }
}

Deno.test("never is never, and a clean exit is no failure", () => {
  strictEqual(decideRestart({ ...rules, policy: "never" }, NO_HISTORY, crash(0), 0.5).do, "stop");
  strictEqual(decideRestart(rules, NO_HISTORY, { failed: false, ranMs: 10, now: 0 }, 0.5).do, "stop");
  strictEqual(
    decideRestart({ ...rules, policy: "always" }, NO_HISTORY, { failed: false, ranMs: 10, now: 0 }, 0.5).do,
    "restart",
  );
});

Deno.test("no restarts allowed means escalation at once", () => {
  deepStrictEqual(decideRestart({ ...rules, maxRestarts: 0 }, NO_HISTORY, crash(0), 0.5), {
    do: "escalate",
    count: 0,
  });
});

Deno.test("the delay doubles, and the sixth failure in the window escalates", () => {
  deepStrictEqual(delays(rules), { delays: [1_000, 2_000, 4_000, 8_000, 16_000], end: "escalate" });
});

Deno.test("the delay stops growing at its bound", () => {
  const many = delays({ ...rules, maxRestarts: 9, windowMs: 3_600_000 });
  deepStrictEqual(many.delays.slice(-4), [32_000, 60_000, 60_000, 60_000]);
});

Deno.test("a run as long as the window makes the past forgotten", () => {
  const history: RestartHistory = { restarts: [1, 2, 3, 4, 5], streak: 5 };
  const decision = decideRestart(rules, history, crash(310_000, 300_000), 0.5);
  deepStrictEqual(decision, {
    do: "restart",
    delayMs: 1_000,
    count: 1,
    history: { restarts: [310_000], streak: 1 },
  });
});

Deno.test("restarts older than the window do not count, but the back-off remembers them", () => {
  const history: RestartHistory = { restarts: [0, 1, 2, 3, 4], streak: 5 };
  const decision = decideRestart(rules, history, crash(300_005), 0.5);
  strictEqual(decision.do, "restart");
  strictEqual(decision.do === "restart" && decision.delayMs, 32_000);
});

Deno.test("jitter stays within a tenth, and no history restarts more often than the window allows", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(400_000), fc.double({ min: 0, max: 1, noNaN: true })), { maxLength: 60 }),
      (runs) => {
        let history: RestartHistory = NO_HISTORY;
        const starts: number[] = [];
        let now = 0;
        for (const [ranMs, chance] of runs) {
          now += ranMs;
          const decision = decideRestart(rules, history, crash(now, ranMs), chance);
          if (decision.do !== "restart") break;
          const exponent = decision.history.streak - 1;
          const plain = Math.min(1_000 * 2 ** exponent, 60_000);
          ok(decision.delayMs >= plain * 0.9 - 1 && decision.delayMs <= plain * 1.1 + 1);
          if (ranMs >= rules.windowMs) starts.length = 0;
          starts.push(now);
          ok(starts.filter((at) => at > now - rules.windowMs).length <= rules.maxRestarts);
          history = decision.history;
          now += decision.delayMs;
        }
      },
    ),
  );
});
