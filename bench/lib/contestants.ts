/** Ways to run one program to its observed end: in a sandbox of ours, in others' sandboxes, in none. */
import type { LaunchRequest } from "../../kernel/agents/launch.ts";
import { readMachineFacts } from "../../kernel/sandbox/facts.ts";
import { createSandboxLauncher } from "../../kernel/sandbox/mod.ts";

/** A launcher with its directory. */
export interface Sandboxes extends AsyncDisposable {
  /** Starts a program behind all walls, reads its output to the end and waits for its exit. */
  run(argv: readonly string[]): Promise<void>;
}

/** What every launch of the bench asks for. */
function requestFor(argv: readonly string[]): LaunchRequest {
  return {
    id: 1,
    name: "bench",
    argv,
    env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" },
    cwd: "/tmp",
    mounts: [],
    network: "none",
    sandboxed: true,
    limits: { memory: null, max_pids: null, cpu_quota: null, cpu_period: 100_000, cpu_shares: 1024 },
    require: [],
    stdin: "null",
    tty: null,
  };
}

/** Makes the launcher and sees to it that everything that can be built here is found out before anyone measures. */
export async function makeSandboxes(): Promise<Sandboxes & { readonly missing: readonly string[] }> {
  const runDir = await Deno.makeTempDir({ prefix: "clove-bench-" });
  const launcher = createSandboxLauncher({ runDir });
  const missing = (await launcher.probe()).filter((wall) => !wall.available).map(({ wall }) => wall);
  return {
    missing,
    async run(argv) {
      const process = await launcher.launch(requestFor(argv));
      process.stdout.resume();
      process.stderr!.resume();
      const { cause, code } = await process.exited;
      if (code !== 0) throw new Error(`Cannot measure: ${argv.join(" ")} ${cause}`);
    },
    async [Symbol.asyncDispose]() {
      await launcher.close();
      await Deno.remove(runDir, { recursive: true });
    },
  };
}

/** Runs a program as Deno does, output read to the end. */
export async function runPlain(argv: readonly string[], env: Record<string, string> = {}): Promise<void> {
  const [program, ...args] = argv;
  const { success, stderr } = await new Deno.Command(program!, { args, env, stdin: "null" }).output();
  if (success) return;
  throw new Error(`Cannot measure: ${argv.join(" ")} failed: ${new TextDecoder().decode(stderr).trim()}`);
}

/** `unshare` with the namespaces of a sandbox, and no other wall. */
export function unshareArgv(argv: readonly string[]): string[] {
  const root = Deno.uid() === 0 ? [] : ["--user", "--map-root-user"];
  return ["unshare", ...root, "--pid", "--fork", "--mount", "--net", "--uts", "--ipc", "--", ...argv];
}

/**
 * bubblewrap with the mounts and namespaces of a sandbox. It has no Landlock, no filter unless it is brought along,
 * and stays nobody only in a user namespace: what is left out makes it faster, not slower.
 */
export function bwrapArgv(argv: readonly string[]): string[] {
  const { system, links, procReadOnly, procMasked } = readMachineFacts();
  return [
    "bwrap",
    ...["pid", "net", "uts", "ipc"].map((name) => `--unshare-${name}`),
    ...(Deno.uid() === 0 ? [] : ["--unshare-user"]),
    ...["--hostname", "bench", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"],
    ...system.flatMap(({ path }) => ["--ro-bind", path, path]),
    ...links.flatMap(({ path, text }) => ["--symlink", text, path]),
    ...["--proc", "/proc", "--dev", "/dev"],
    ...procReadOnly.flatMap((path) => ["--ro-bind", path, path]),
    ...procMasked.flatMap(({ path, kind }) =>
      kind === "directory" ? ["--tmpfs", path] : ["--ro-bind", "/dev/null", path]
    ),
    ...["--tmpfs", "/tmp", "--tmpfs", "/dev/shm", "--chdir", "/tmp", "--"],
    ...argv,
  ];
}

/** Sees to it that a program is there, from Debian's packages where this is root; says so when it is not. */
export async function has(program: string, debianPackage: string): Promise<boolean> {
  if (await works(["sh", "-c", `command -v ${program}`])) return true;
  if (
    Deno.uid() === 0 && await works(["apt-get", "install", "-qy", "--no-install-recommends", debianPackage])
  ) {
    return true;
  }
  console.log(`${program} is not here and cannot be installed: its figures are left out`);
  return false;
}

async function works([program, ...args]: readonly string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(program!, { args, stdin: "null" }).output()).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
