/**
 * The program that `run` and `spawn` are to start: found here, so that what is missing is told as a shell tells it.
 *
 * @module
 */
import { extname, resolve } from "node:path";
import { CliError, STATUS, UsageError } from "./exit.ts";
import { see, type Split } from "./options.ts";

/** The part of a SPAWN that names the program. */
export type Program =
  | { readonly script: string; readonly args: readonly string[] }
  | { readonly command: readonly string[] };

const SCRIPTS: readonly string[] = [".ts", ".mts", ".tsx", ".js", ".mjs", ".jsx", ".py"];

/**
 * Finds it, relative to the current directory.
 *
 * @throws {CliError} 127 when it is not there, 126 when it cannot be run, as shells do.
 * @throws {UsageError} When no program was named.
 */
export async function findProgram(command: string, { program, dashed }: Split): Promise<Program> {
  const [first, ...args] = program;
  if (!first) {
    throw new UsageError(`Cannot ${command}: name a script, or a program after "--", ${see(command)}`);
  }
  // A bare name is looked up by the kernel, in its own fixed path.
  if (dashed && !first.includes("/")) return { command: program };
  const path = resolve(first);
  const file = await look(command, first, path);
  if (!file.isFile) {
    throw unrunnable(command, first, file.isDirectory ? "it is a directory" : "it is no regular file");
  }
  if (dashed) {
    if (((file.mode ?? 0o111) & 0o111) === 0) {
      throw unrunnable(command, first, `it is not executable, make it so with: chmod +x ${first}`);
    }
    return { command: [path, ...args] };
  }
  if (!SCRIPTS.includes(extname(path).toLowerCase())) {
    throw unrunnable(
      command,
      first,
      `a script ends in ${SCRIPTS.join(", ")}; a program is run with: clove ${command} -- ${
        program.join(" ")
      }`,
    );
  }
  return { script: path, args };
}

async function look(command: string, name: string, path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound || cause instanceof Deno.errors.NotADirectory) {
      throw new CliError(STATUS.missing, `Cannot ${command} "${name}": there is no such file`, { cause });
    }
    throw unrunnable(command, name, cause instanceof Error ? cause.message : String(cause));
  }
}

function unrunnable(command: string, name: string, why: string): CliError {
  return new CliError(STATUS.refused, `Cannot ${command} "${name}": ${why}`);
}
