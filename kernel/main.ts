/**
 * The kernel as a program (`deno run -A jsr:@clove/kernel`) and as a library ({@link startKernel}).
 *
 * @module
 */
import { startKernel } from "./kernel.ts";
import { HELP, OptionError, parseOptions } from "./options.ts";
import { VERSION } from "./version.ts";

export { type Kernel, type Machine, startKernel, type StartOptions } from "./kernel.ts";
export { type AuditReport, verifyAudit } from "./audit/offline.ts";
export type { MemoryTransport } from "./memory_wire.ts";
export { defaultDataDir, type KernelOptions, OptionError } from "./options.ts";
export { VERSION } from "./version.ts";

/**
 * Runs a kernel until a signal ends it.
 *
 * @param args As on the command line.
 * @returns The exit status: 0 after an orderly stop, 2 for options that make no sense, 1 when it could not start.
 */
export async function main(args: readonly string[]): Promise<number> {
  let parsed;
  try {
    parsed = parseOptions(args, Deno.env.toObject());
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    console.error(error.message);
    return 2;
  }
  if (parsed.show !== null) {
    console.log(parsed.show === "help" ? HELP : `clove ${VERSION}`);
    return 0;
  }
  const signals = Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const;
  const stop = Promise.withResolvers<void>();
  let asked = 0;
  let abandon = (): void => {};
  const onSignal = (): void => {
    if (++asked === 1) return stop.resolve();
    abandon();
    Deno.exit(130);
  };
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  try {
    const kernel = await startKernel(parsed.options);
    abandon = () => kernel.abandon();
    await stop.promise;
    await kernel.close();
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    for (const signal of signals) Deno.removeSignalListener(signal, onSignal);
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
