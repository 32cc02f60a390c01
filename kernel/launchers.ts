/**
 * Which launcher starts agents here.
 *
 * @module
 */
import type { Launcher } from "./agents/launch.ts";
import { createPlainLauncher } from "./agents/plain.ts";
import type { Log } from "./log.ts";

/** The sandbox where the machine has one and it is wanted, else ordinary processes; the log says which and why. */
export async function chooseLauncher(
  options: { sandbox: boolean; runDir: string; log: Log },
): Promise<Launcher> {
  const { log, runDir } = options;
  if (!options.sandbox) {
    log.warn("agents run without OS walls, because --no-sandbox was given");
    return createPlainLauncher({ reason: "Sandboxing disabled" });
  }
  if (Deno.build.os !== "linux") {
    const reason = `No OS walls on ${Deno.build.os}: namespaces, seccomp and cgroups are Linux's`;
    log.warn("agents run with Deno's walls only", { reason });
    return createPlainLauncher({ reason });
  }
  // Late, so that libc is not touched elsewhere.
  const { createSandboxLauncher } = await import("./sandbox/mod.ts");
  return createSandboxLauncher({ runDir, log: (line) => log.info(line) });
}
