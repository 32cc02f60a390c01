/**
 * Which program a SPAWN means: a script and its interpreter, or an argv.
 *
 * @module
 */
import { type Stats, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { extname, isAbsolute, join } from "node:path";
import { SyscallError } from "@clove/sdk/protocol";

/** Where programs are looked for: fixed, so that neither the kernel's PATH nor an agent's changes what a name means. */
export const PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What runs a script or an argv. */
export type ProgramKind = "deno" | "python" | "native";

/** A program as asked for, before anything was looked up. */
export interface ProgramChoice {
  readonly kind: ProgramKind;
  /** The name or path that the caller's policy has to allow in SPAWN. */
  readonly interpreter: string;
  /** The script as given; null with an argv. */
  readonly script: string | null;
  /** What follows the program and the script; null: the original's single argument, the socket's path. */
  readonly args: readonly string[] | null;
}

const DENO_SCRIPTS: ReadonlySet<string> = new Set([".ts", ".mts", ".tsx", ".js", ".mjs", ".jsx"]);

/**
 * Tells which program is meant. With `python` a script is run by that program, whatever its name ends in.
 *
 * @throws {SyscallError} `bad_request` when it is not clear.
 */
export function chooseProgram(
  request: { script?: string; command?: readonly string[]; args?: readonly string[]; python?: string },
): ProgramChoice {
  const { script, command, args, python } = request;
  if (command !== undefined) {
    if (script) {
      throw new SyscallError("bad_request", "Cannot spawn a script and a command at once, leave one out");
    }
    if (args) {
      throw new SyscallError("bad_request", "Cannot use args with a command: put them into the command");
    }
    const [program, ...rest] = command;
    if (!program) throw new SyscallError("bad_request", "Cannot spawn an empty command");
    return { kind: "native", interpreter: program, script: null, args: rest };
  }
  if (!script) throw new SyscallError("bad_request", "script path required");
  if (python === undefined && DENO_SCRIPTS.has(extname(script).toLowerCase())) {
    return { kind: "deno", interpreter: "deno", script, args: args ?? [] };
  }
  return { kind: "python", interpreter: python ?? "python3", script, args: args ?? null };
}

/**
 * Finds a program: a bare name in {@link PROGRAM_PATH}, a path as it is.
 *
 * @param path Where to look for a bare name.
 * @throws {SyscallError} `not_found` when there is none, `bad_request` for a relative path.
 */
export async function findProgram(name: string, path: string = PROGRAM_PATH): Promise<string> {
  if (name.includes("\0")) {
    throw new SyscallError("bad_request", "Cannot run a program with a zero byte in its name");
  }
  if (name.includes("/")) {
    if (!isAbsolute(name)) {
      throw new SyscallError(
        "bad_request",
        `Cannot run "${name}": a path of a program is absolute, a name has no slash`,
      );
    }
    if (await isProgram(name)) return name;
    throw new SyscallError(
      "not_found",
      `Cannot run "${name}": there is no such program, or it is not executable`,
    );
  }
  for (const directory of path.split(":")) {
    const found = join(directory, name);
    // The system's own directories answer in microseconds; another thread would take longer than they do.
    if (name !== "" && isProgramHere(found)) return found;
  }
  throw new SyscallError("not_found", `Cannot run "${name}": there is no such program in ${path}`);
}

async function isProgram(path: string): Promise<boolean> {
  try {
    return isExecutable(await stat(path));
  } catch (error) {
    return isThere(error);
  }
}

function isProgramHere(path: string): boolean {
  try {
    const found = statSync(path, { throwIfNoEntry: false });
    return found !== undefined && isExecutable(found);
  } catch (error) {
    return isThere(error);
  }
}

/** Deno's access(2) says yes to root for any file; execve(2) wants one of the three bits even then. */
function isExecutable(found: Stats): boolean {
  return found.isFile() && (found.mode & 0o111) !== 0;
}

/** False for an error that means there is no such program; others are thrown again. */
function isThere(error: unknown): false {
  const code = (error as { code?: string }).code ?? "";
  if (["ENOENT", "ENOTDIR", "EACCES", "ELOOP", "ENAMETOOLONG", "EPERM"].includes(code)) return false;
  throw error;
}
