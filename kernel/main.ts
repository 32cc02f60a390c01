/**
 * The kernel as a program (`deno run -A jsr:@clove/kernel`) and as a library ({@link startKernel}).
 *
 * Little is imported here at once, the kernel itself when it is started: the program first starts itself anew
 * (`v8_flags.ts`), and would have loaded all of it for nothing.
 *
 * @module
 */
import type { AuditReport } from "./audit/offline.ts";
import { giveBackMemory, Housekeeping } from "./housekeeping.ts";
import type { Kernel, StartOptions } from "./kernel.ts";
import { Log } from "./log.ts";
import { HELP, OptionError, parseOptions } from "./options.ts";
import { ensureV8Flags } from "./v8_flags.ts";
import { VERSION } from "./version.ts";

export type { Kernel, Machine, StartOptions } from "./kernel.ts";
export type { AuditReport } from "./audit/offline.ts";
export type { MemoryTransport } from "./memory_wire.ts";
export { defaultDataDir, type KernelOptions, OptionError } from "./options.ts";
export { VERSION } from "./version.ts";

/**
 * Starts a kernel.
 *
 * @example A kernel in memory, for a test
 * ```ts ignore
 * await using kernel = await startKernel();
 * await using clove = await connect({ transport: kernel.connect() });
 * ```
 *
 * @throws {Error} When the socket or the data directory belongs to another kernel, or a required wall cannot be had.
 */
export async function startKernel(options: StartOptions = {}): Promise<Kernel> {
  const { startKernel } = await import("./kernel.ts");
  return await startKernel(options);
}

/**
 * Reads the audit log of a data directory whose kernel does not run, without changing it; needs the right to read its
 * files, the key included.
 *
 * @param dataDir Such as `~/.local/state/clove`.
 * @throws {Error} When there is no log, its key is missing, or a running kernel holds the directory.
 */
export async function verifyAudit(dataDir: string): Promise<AuditReport> {
  const { verifyAudit } = await import("./audit/offline.ts");
  return verifyAudit(dataDir);
}

/** How {@link main} may use the process. */
export interface MainOptions {
  /**
   * True when the process is the kernel's alone: it may start itself anew, in the same process, with V8's flags, and
   * give back memory while it is idle. Default false.
   */
  readonly ownProcess?: boolean;
}

/**
 * Runs a kernel until a signal ends it.
 *
 * @param args As on the command line.
 * @returns The exit status: 0 after an orderly stop, 2 for options that make no sense, 1 when it could not start.
 */
export async function main(
  args: readonly string[],
  { ownProcess = false }: MainOptions = {},
): Promise<number> {
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
  const { options } = parsed;
  const log = new Log({ level: options.logLevel, format: options.logFormat });
  const collect = ownProcess ? ensureV8Flags(log) : null;
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
    const kernel = await startKernel(options);
    abandon = () => kernel.abandon();
    const tidy = (): void => giveBackMemory(collect);
    using housekeeping = ownProcess ? new Housekeeping({ clock: kernel.services.clock, tidy }) : null;
    if (housekeeping) kernel.dispatcher.observe(housekeeping);
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

if (import.meta.main) Deno.exit(await main(Deno.args, { ownProcess: true }));
