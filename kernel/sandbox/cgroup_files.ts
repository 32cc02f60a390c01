/**
 * Files of a cgroup. They are tiny and answered by the kernel from memory, so they are read and written
 * synchronously: a launch waits for about ten of them.
 *
 * @module
 */

/** Reads a file; null where the cgroup or the controller does not have it. */
export function readControl(directory: string, file: string): string | null {
  try {
    return Deno.readTextFileSync(`${directory}/${file}`).trim();
  } catch (error) {
    // ENODEV and ENOENT: the cgroup is gone, or the controller is not enabled here.
    if (error instanceof Deno.errors.NotFound || isErrno(error, 19)) return null;
    throw error;
  }
}

/**
 * Writes a file.
 *
 * @returns Null on success, else in words why not.
 */
export function writeControl(directory: string, file: string, value: string): string | null {
  try {
    // Not created: where a controller is missing, the file is.
    Deno.writeTextFileSync(`${directory}/${file}`, value, { create: false });
    return null;
  } catch (error) {
    if (error instanceof Error) return `Cannot write "${value}" to ${directory}/${file}: ${error.message}`;
    throw error;
  }
}

/** Numbers of a file of `name value` lines, such as memory.events; empty when it is not there. */
export function readCounters(directory: string, file: string): Readonly<Record<string, number>> {
  const counters: Record<string, number> = {};
  for (const line of readControl(directory, file)?.split("\n") ?? []) {
    const [name = "", value = ""] = line.split(" ");
    if (name !== "") counters[name] = Number(value);
  }
  return counters;
}

/**
 * Total stall time in microseconds, of a pressure file; 0 where the machine does not keep it.
 *
 * @param whose `some`: at least one process waited, `full`: all that had something to do.
 */
export function readStall(
  directory: string,
  resource: "memory" | "cpu" | "io",
  whose: "some" | "full" = "some",
): number {
  for (const line of readPressure(directory, resource)?.split("\n") ?? []) {
    if (line.startsWith(whose)) return Number(line.slice(line.lastIndexOf("=") + 1));
  }
  return 0;
}

function readPressure(directory: string, resource: string): string | null {
  try {
    return readControl(directory, `${resource}.pressure`);
  } catch (error) {
    if (isErrno(error, 95)) return null; // EOPNOTSUPP: pressure accounting is switched off
    throw error;
  }
}

function isErrno(error: unknown, errno: number): boolean {
  return error instanceof Error && error.message.includes(`(os error ${errno})`);
}
