/**
 * Probes against real kernels, with all walls and with some left off: a probe that is never seen to get through shows
 * nothing about the wall that stops it.
 *
 * @module
 */
import { ok, strictEqual } from "node:assert/strict";
import { dirname } from "node:path";
import { connect, ConnectionError } from "@clove/sdk";
import { attack, type AttackOptions, type Outcome, type ProbeResult } from "../../cli/pentest/attack.ts";
import { type Probe, PROBES, type Wall } from "../../cli/pentest/probes.ts";
import { stopperOf } from "../../cli/pentest/verdict.ts";
import type { Launcher } from "../../kernel/agents/launch.ts";
import { type Kernel, startKernel } from "../../kernel/main.ts";
import { createSandboxLauncher } from "../../kernel/sandbox/mod.ts";
import { lacks } from "../facilities.ts";
import { ROOT } from "../root.ts";
import { until } from "../sandbox_fixture.ts";

/** Who is not root has walls through a user namespace alone. */
export const IS_ROOT: boolean = Deno.build.os === "linux" && Deno.uid() === 0;

/** True where the walls cannot be tried. */
export const NO_WALLS: boolean = lacks("linux", "python3", "landlock") || (!IS_ROOT && lacks("userns"));

/** A kernel on a socket, whose sandboxes lack some walls. */
export interface Attacked extends AsyncDisposable {
  readonly kernel: Kernel;
  readonly socket: string;
}

/** Starts one. `null`: without a sandbox at all. */
export async function kernelWithout(without: readonly Wall[] | null): Promise<Attacked> {
  const directory = await Deno.makeTempDir({ prefix: "clove-security-" });
  const socket = `${directory}/clove.sock`;
  await Deno.mkdir(`${directory}/run`);
  const launcher = without === null
    ? undefined
    : enterable(createSandboxLauncher({ runDir: `${directory}/run`, without, log: () => {} }), without);
  const kernel = await startKernel({
    socket,
    data: null,
    logLevel: "error",
    sandbox: without !== null,
    machine: { launcher },
  });
  return {
    kernel,
    socket,
    async [Symbol.asyncDispose](): Promise<void> {
      await kernel.close();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

/** Starts a kernel as its own process, so that what a test does itself is no work of the kernel's. */
export async function kernelInItsOwnProcess(
  flags: readonly string[] = ["-A"],
  options: readonly string[] = [],
): Promise<AsyncDisposable & { readonly socket: string }> {
  const directory = await Deno.makeTempDir({ prefix: "clove-security-" });
  const socket = `${directory}/clove.sock`;
  const kernel = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--no-check",
      ...flags,
      `${ROOT}/kernel/main.ts`,
      "--socket",
      socket,
      "--ephemeral",
      "--log-level",
      "error",
      ...options,
    ],
    stdin: "null",
  }).spawn();
  const end = async (): Promise<void> => {
    kernel.kill("SIGTERM");
    await kernel.status;
    await Deno.remove(directory, { recursive: true });
  };
  try {
    await until(() => answers(socket), "a kernel to answer");
  } catch (error) {
    await end();
    throw error;
  }
  return { socket, [Symbol.asyncDispose]: end };
}

async function answers(path: string): Promise<boolean> {
  try {
    await (await connect({ path })).close();
    return true;
  } catch (error) {
    if (error instanceof ConnectionError) return false;
    throw error;
  }
}

/** Without mounts agents work where their directories really are, and have to get there as the user they become. */
function enterable(launcher: Launcher, without: readonly Wall[]): Launcher {
  if (!without.includes("mount") || !IS_ROOT) return launcher;
  return {
    description: launcher.description,
    launch: async (request) => {
      const own = dirname(request.cwd);
      for (const path of [own, dirname(own), dirname(dirname(own))]) await Deno.chmod(path, 0o711);
      return await launcher.launch(request);
    },
    layout: (sandboxed) => launcher.layout!(sandboxed),
    explain: (request) => launcher.explain(request),
    probe: () => launcher.probe(),
    close: () => launcher.close(),
  };
}

/** Attacks such a kernel. */
export async function attackWithout(
  without: readonly Wall[] | null,
  probes: readonly string[],
  agent?: AttackOptions["agent"],
): Promise<Outcome> {
  await using attacked = await kernelWithout(without);
  await using clove = await connect({ path: attacked.socket });
  return await attack(clove, { kernelSocket: attacked.socket, probes, agent });
}

/** The probe of a name. */
export function probeOf(id: string): Probe {
  const probe = PROBES.find((probe) => probe.id === id);
  if (!probe) throw new TypeError(`There is no probe "${id}"`);
  return probe;
}

/** One probe's result, which must have said something. */
export function resultOf({ results }: Outcome, id: string): ProbeResult {
  const result = results.find((result) => result.id === id);
  ok(result, `nothing came of ${id}`);
  ok(result.outcome !== "failed", `${id} failed: ${result.detail}`);
  return result;
}

/**
 * Registers a test for each probe: stopped behind all walls, stopped by each of its walls alone, and through without.
 * Probes share kernels: one for each set of walls left off.
 */
export function testWalls(ids: readonly string[]): void {
  const outcomes = new Map<string, Promise<Outcome>>();
  const outcomeOf = (without: readonly Wall[]): Promise<Outcome> => {
    const key = without.toSorted().join();
    let outcome = outcomes.get(key);
    if (!outcome) {
      const sharing = ids.filter((id) => casesOf(probeOf(id)).some((set) => set.toSorted().join() === key));
      outcomes.set(key, outcome = attackWithout(without, sharing));
    }
    return outcome;
  };
  for (const id of ids) {
    const probe = probeOf(id);
    Deno.test({
      name: `${probe.tries}: stopped by ${probe.walls.join(", ")}, each alone, and by nothing else`,
      ignore: NO_WALLS,
      sanitizeResources: false,
      sanitizeOps: false,
      async fn(t) {
        const [all, none, ...alone] = casesOf(probe);
        const confined = resultOf(await outcomeOf(all!), id);
        if (confined.outcome === "inapplicable") return;
        strictEqual(confined.outcome, "stopped", confined.detail);
        ok(
          stopperOf(probe, confined.word, (await outcomeOf(all!)).isolation),
          `nobody says ${confined.word} of ${id}: ${confined.detail}`,
        );
        if (!none) return;
        for (const without of alone) {
          const wall = probe.walls.find((wall) => !without.includes(wall))!;
          await t.step(`${wall} alone`, async () => {
            const outcome = await outcomeOf(without);
            const result = resultOf(outcome, id);
            strictEqual(result.outcome, "stopped", `${wall} does not stop it: ${result.detail}`);
            // A user namespace is one more wall that cannot be left off alone.
            if (IS_ROOT) strictEqual(stopperOf(probe, result.word, outcome.isolation), wall, result.word);
          });
        }
        await t.step("none of them", async () => {
          const { outcome, word, detail } = resultOf(await outcomeOf(none), id);
          strictEqual(outcome, "through", `something else stops it: ${word} ${detail}`);
        });
      },
    });
  }
}

/** Sets of walls to leave off: none, all of the probe's, all but one each. */
function casesOf({ walls, also = [], powers = false }: Probe): readonly (readonly Wall[])[] {
  if (powers && !IS_ROOT) return [[]];
  const none = [...new Set([...walls, ...also])];
  // An ordinary user loses all namespaces with the user namespace.
  const apart = IS_ROOT || !none.includes("user") ? walls : walls.filter((wall) => !NAMESPACES.has(wall));
  const alone = none.length > 1 ? apart.map((wall) => none.filter((other) => other !== wall)) : [];
  return [[], none, ...alone];
}

/** Without a user namespace an ordinary user's agents keep the powers they never had: `caps` holds nothing then. */
const NAMESPACES: ReadonlySet<Wall> = new Set<Wall>(["user", "pid", "mount", "net", "uts", "ipc", "caps"]);

/**
 * Registers a test for each probe that asks the kernel: stopped behind all walls, stopped by the kernel's decision alone
 * where there is no wall at all, and through for an agent that may do everything.
 */
export function testRequests(ids: readonly string[]): void {
  const once = <T>(make: () => Promise<T>): () => Promise<T> => {
    let made: Promise<T> | undefined;
    return () => made ??= make();
  };
  const confined = once(() => attackWithout([], ids));
  const bare = once(() => attackWithout(null, ids));
  const free = once(() => attackWithout(null, ids, { level: "unrestricted", sandboxed: false }));
  for (const id of ids) {
    const probe = probeOf(id);
    Deno.test({
      name: `${probe.tries}: refused, without walls too, but not to who may`,
      ignore: NO_WALLS,
      sanitizeResources: false,
      sanitizeOps: false,
      async fn() {
        for (const made of [confined, bare]) {
          const outcome = await made();
          const { outcome: what, word, detail } = resultOf(outcome, id);
          strictEqual(what, "stopped", detail);
          ok(stopperOf(probe, word, outcome.isolation), `nobody says ${word} of ${id}: ${detail}`);
        }
        const { outcome, word, detail } = resultOf(await free(), id);
        strictEqual(outcome, "through", `${word} ${detail}`);
      },
    });
  }
}
