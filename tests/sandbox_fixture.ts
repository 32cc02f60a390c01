/**
 * Sandboxes for tests: a launcher over a fresh directory, requests with sensible defaults, output collected.
 *
 * @module
 */
import type { Exit, Launcher, LaunchRequest, Limits, Process, Wall } from "../kernel/agents/launch.ts";
import { createSandboxLauncher, type SandboxOptions } from "../kernel/sandbox/mod.ts";

/** No limit at all. */
export const NO_LIMITS: Limits = {
  memory: null,
  max_pids: null,
  cpu_quota: null,
  cpu_period: 100_000,
  cpu_shares: 1024,
};

/** The system's Python, which every sandbox shows. */
export const PYTHON = "/usr/bin/python3";

/** A request for a program that needs nothing special. */
export function requestFor(argv: readonly string[], more: Partial<LaunchRequest> = {}): LaunchRequest {
  return {
    id: 1,
    name: "probe",
    argv,
    env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" },
    cwd: "/tmp",
    mounts: [],
    network: "none",
    sandboxed: true,
    limits: NO_LIMITS,
    require: [],
    stdin: "null",
    tty: null,
    ...more,
  };
}

/** What a program left behind. */
export interface Outcome {
  readonly process: Process;
  readonly exit: Exit;
  readonly stdout: string;
  readonly stderr: string;
}

/** A launcher that takes its directory with it. */
export interface Fixture extends AsyncDisposable {
  readonly launcher: Launcher;
  readonly runDir: string;
  /** Lines it logged. */
  readonly log: readonly string[];
  /** Runs a program to its end. */
  run(argv: readonly string[], more?: Partial<LaunchRequest>): Promise<Outcome>;
  /** Runs Python to its end and returns what it printed, trimmed; its error output if it failed. */
  python(code: string, more?: Partial<LaunchRequest>): Promise<string>;
}

/** Makes a launcher. `without` leaves walls off. */
export async function sandbox(
  without: readonly Wall[] = [],
  options: Partial<SandboxOptions> = {},
): Promise<Fixture> {
  const runDir = await Deno.makeTempDir({ prefix: "clove-sandbox-" });
  const log: string[] = [];
  const launcher = createSandboxLauncher({ runDir, without, log: (line) => log.push(line), ...options });
  const run = async (argv: readonly string[], more?: Partial<LaunchRequest>): Promise<Outcome> =>
    await collect(await launcher.launch(requestFor(argv, more)));
  return {
    launcher,
    runDir,
    log,
    run,
    async python(code, more) {
      const { exit, stdout, stderr } = await run([PYTHON, "-c", code], more);
      return exit.code === 0 ? stdout.trim() : `${exit.cause}: ${stderr.trim().split("\n").at(-1)}`;
    },
    async [Symbol.asyncDispose]() {
      await launcher.close();
      await Deno.remove(runDir, { recursive: true });
    },
  };
}

/** Reads both streams to their ends and waits for the exit. */
export async function collect(process: Process): Promise<Outcome> {
  const decoder = new TextDecoder();
  let stdout = "";
  let stderr = "";
  process.stdout.on("data", (bytes: Uint8Array) => stdout += decoder.decode(bytes));
  process.stderr?.on("data", (bytes: Uint8Array) => stderr += decoder.decode(bytes));
  const exit = await process.exited;
  return { process, exit, stdout, stderr };
}

/** Waits until something holds. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!await holds()) {
    if (Date.now() > deadline) throw new Error(`Cannot wait any longer for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
