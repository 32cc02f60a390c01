/**
 * Small files of `/proc`, `/sys` and cgroups. Read synchronously: they are made in memory, take some 10 µs each, and
 * handing them to a thread was measured to take seven times as long.
 *
 * @module
 */

/** The text of a file; empty when it is not there, not ours to read, or its process has just gone. */
export function readText(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (isAbsent(error)) return "";
    throw error;
  }
}

/** Whether an error means: there is no such thing here, or not for us. */
export function isAbsent(error: unknown): boolean {
  if (
    error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.NotADirectory
  ) return true;
  // ESRCH: the process ended between open and read. EOPNOTSUPP and EINVAL: a cgroup file its kernel does not serve.
  return ["ESRCH", "EOPNOTSUPP", "EINVAL", "ENODEV"].includes((error as { code?: string }).code ?? "");
}

/** A whole number at the start of a text; `otherwise` when there is none. */
export function wholeNumber(text: string | undefined, otherwise = 0): number {
  const value = Number.parseInt(text ?? "", 10);
  return Number.isFinite(value) ? value : otherwise;
}

/** Lines of `key value` or `key: value kB`. */
export function keyed(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const end = line.search(/[:\s]/);
    if (end > 0) values.set(line.slice(0, end), wholeNumber(line.slice(end + 1).trimStart()));
  }
  return values;
}

/** `part` of `whole` in percent, with two decimals; 0 when there is no whole. */
export function percentOf(part: number, whole: number): number {
  return whole > 0 ? Math.round((part / whole) * 10_000) / 100 : 0;
}
