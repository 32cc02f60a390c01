/** Many agents at once: they can be listed, they end in time, and nothing of them is left, however the kernel ends. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { countBefore, endCrowd, leftBehind, PREFIX, SLEEP, startCrowd } from "../bench/crowd.ts";
import { census, descendants, runDirOf, running, stillAlive } from "../bench/lib/census.ts";
import { startKernelProcess } from "../bench/lib/servers.ts";
import { connect } from "../sdk/mod.ts";
import { lacks } from "./facilities.ts";

/** `CLOVE_SCALE=1000` is what the bench does. */
const AGENTS = Number(Deno.env.get("CLOVE_SCALE") ?? 200);
/** A thousand have to be gone within ten seconds. */
const END_MS = 10_000;

Deno.test(`${AGENTS} agents live at once, and nothing of them is left behind`, {
  ignore: lacks("linux"),
}, async () => {
  await using kernel = await startKernelProcess();
  await using clove = await connect({ path: kernel.socket });
  const before = await countBefore(kernel, clove);
  await startCrowd(clove, AGENTS);
  const listed = await clove.agent.list();
  strictEqual(listed.length, AGENTS);
  deepStrictEqual(listed.filter(({ running }) => !running), []);
  // What cannot be counted while it is there could not be missed afterwards.
  const during = census(kernel.pid, PREFIX);
  ok(during.processes >= before.processes + AGENTS, `${during.processes} processes`);
  ok(during.descriptors >= before.descriptors + 3 * AGENTS, `${during.descriptors} descriptors`);
  strictEqual(during.directories, before.directories + AGENTS);
  const took = await endCrowd(clove, AGENTS);
  ok(took < END_MS, `it took ${Math.round(took)} ms to end them`);
  strictEqual(await leftBehind(kernel, before), "");
  strictEqual((await clove.agent.list()).length, 0);
});

Deno.test(
  "a kernel that is asked to stop ends all its agents first",
  { ignore: lacks("linux") },
  async () => {
    const kernel = await startKernelProcess();
    const clove = await connect({ path: kernel.socket });
    await startCrowd(clove, AGENTS);
    const processes = descendants(kernel.pid);
    const runDir = runDirOf(kernel.pid)!;
    ok(processes.length >= AGENTS);
    const startedAt = performance.now();
    await kernel[Symbol.asyncDispose]();
    ok(performance.now() - startedAt < END_MS);
    deepStrictEqual(stillAlive(processes), []);
    ok(!exists(runDir), `${runDir} is still there`);
    await clove.close();
  },
);

Deno.test("a kernel killed without a chance leaves no agent alive, and the next one clears its directory", {
  ignore: lacks("linux"),
}, async () => {
  const kernel = await startKernelProcess();
  const clove = await connect({ path: kernel.socket });
  await startCrowd(clove, AGENTS);
  const processes = descendants(kernel.pid);
  const runDir = runDirOf(kernel.pid)!;
  ok(processes.length >= AGENTS && exists(runDir));
  Deno.kill(kernel.pid, "SIGKILL");
  for (let tries = 0; tries < 100 && stillAlive(processes).length > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  deepStrictEqual(stillAlive(processes), []);
  await clove.close();
  await kernel[Symbol.asyncDispose]();
  await using _next = await startKernelProcess();
  ok(!exists(runDir), `${runDir} is still there`);
});

Deno.test("a kernel killed while it starts agents leaves none alive either", {
  ignore: lacks("linux"),
}, async () => {
  const kernel = await startKernelProcess();
  const clove = await connect({ path: kernel.socket });
  const starting = startCrowd(clove, AGENTS).then(() => "all", () => "not all");
  for (let tries = 0; tries < 1000 && running(SLEEP).length < AGENTS / 10; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  Deno.kill(kernel.pid, "SIGKILL");
  strictEqual(await starting, "not all");
  for (let tries = 0; tries < 100 && running(SLEEP).length > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  deepStrictEqual(running(SLEEP), []);
  await clove.close();
  await kernel[Symbol.asyncDispose]();
});

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
