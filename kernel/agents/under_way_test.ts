import { match, rejects, strictEqual } from "node:assert/strict";
import type { Clock } from "../../worlds/clock.ts";
import { LIMITS } from "../limits.ts";
import { Bench, FakeLauncher } from "./fake_launcher_test.ts";

/** Holds every spawn up in the middle, until it is told to go on. */
class SlowLauncher extends FakeLauncher {
  #gate = Promise.withResolvers<void>();
  #reached = Promise.withResolvers<void>();

  override async layout(sandboxed: boolean): ReturnType<FakeLauncher["layout"]> {
    this.#reached.resolve();
    await this.#gate.promise;
    return await super.layout(sandboxed);
  }

  /** Resolves when a spawn waits. */
  waits(): Promise<void> {
    return this.#reached.promise;
  }

  /** From now on nothing waits. */
  goOn(): void {
    this.#gate.resolve();
  }

  /** What comes from now on waits. */
  hold(): void {
    this.#gate = Promise.withResolvers();
    this.#reached = Promise.withResolvers();
  }
}

async function slow(test: (bench: Bench, launcher: SlowLauncher) => Promise<void>): Promise<void> {
  let launcher!: SlowLauncher;
  await using bench = new Bench((clock: Clock) => launcher = new SlowLauncher(clock));
  await test(bench, launcher);
}

const REQUEST = { command: ["/bin/true"], sandboxed: false };

Deno.test("an agent whose kernel stops while it is being made never starts, and the stop waits for that", () =>
  slow(async (bench, launcher) => {
    const spawned = bench.spawn(REQUEST);
    const refused = rejects(spawned, /the kernel is stopping/);
    await launcher.waits();
    let closed = false;
    const closing = bench.agents.close().then(() => closed = true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    strictEqual(closed, false);
    launcher.goOn();
    await refused;
    await closing;
    strictEqual(launcher.started.length, 0);
  }));

Deno.test("an agent whose parent ends while it is being made never starts", () =>
  slow(async (bench, launcher) => {
    launcher.goOn();
    const parent = await bench.spawn({ ...REQUEST, level: "unrestricted" });
    launcher.hold();
    const refused = rejects(bench.spawn(REQUEST, parent.principal), /is ending/);
    await launcher.waits();
    launcher.last.exit(0);
    await parent.finished;
    launcher.goOn();
    await refused;
    strictEqual(launcher.started.length, 1);
  }));

Deno.test("agents that are being made count as agents: many at once do not pass the limit", () =>
  slow(async (bench, launcher) => {
    const { agents } = LIMITS;
    try {
      Object.assign(LIMITS, { agents: 2 });
      const spawns = [1, 2, 3, 4].map(() => bench.spawn(REQUEST));
      launcher.goOn();
      const results = await Promise.allSettled(spawns);
      strictEqual(results.filter(({ status }) => status === "fulfilled").length, 2);
      const [refused] = results.filter((result) => result.status === "rejected");
      match(String(refused?.reason), /the most there can be/);
      for (const process of launcher.started) process.exit(0);
    } finally {
      Object.assign(LIMITS, { agents });
    }
  }));
