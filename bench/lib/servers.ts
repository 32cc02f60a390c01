/** Starts the servers that are measured, each a process of its own. */
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** A running server. */
export interface Server extends AsyncDisposable {
  readonly socket: string;
  readonly pid: number;
}

/** `taskset` in front, where a CPU was named. */
export function pinned(cpu: number | null, argv: string[]): string[] {
  return cpu === null ? argv : ["taskset", "-c", String(cpu), ...argv];
}

async function start(argv: string[], socket: string, directory: string): Promise<Server> {
  const child = new Deno.Command(argv[0]!, {
    args: argv.slice(1),
    stdout: "null",
    stderr: "inherit",
    cwd: ROOT,
  }).spawn();
  let ended = false;
  child.status.then(() => ended = true);
  for (let tries = 0; tries < 200; tries++) {
    try {
      (await Deno.connect({ transport: "unix", path: socket })).close();
      return {
        socket,
        pid: child.pid,
        async [Symbol.asyncDispose]() {
          if (!ended) child.kill("SIGTERM");
          await child.status;
          await Deno.remove(directory, { recursive: true });
        },
      };
    } catch {
      // Not listening yet.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`Cannot measure: nothing answers on ${socket}`);
}

/** The raw echo. */
export async function startEcho(cpu: number | null = null): Promise<Server> {
  const directory = await Deno.makeTempDir({ prefix: "clove-bench-" });
  const socket = `${directory}/echo.sock`;
  return await start(
    pinned(cpu, [Deno.execPath(), "run", "-A", `${ROOT}bench/lib/echo.ts`, socket]),
    socket,
    directory,
  );
}

/** A kernel with a real database on disk. */
export async function startKernelProcess(cpu: number | null = null, options: string[] = []): Promise<Server> {
  const directory = await Deno.makeTempDir({ prefix: "clove-bench-" });
  const socket = `${directory}/clove.sock`;
  const argv = [
    Deno.execPath(),
    "run",
    "-A",
    `${ROOT}kernel/main.ts`,
    "--socket",
    socket,
    "--data",
    `${directory}/data`,
  ];
  return await start(pinned(cpu, [...argv, "--log-level", "error", ...options]), socket, directory);
}

/** Resident memory of a process, in MiB. */
export async function residentMiB(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
}
