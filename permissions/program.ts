import type { Glob } from "./glob.ts";

/** Where a bare name may come from: the directories that only the machine's owner writes to. */
const SYSTEM_DIRECTORIES: ReadonlySet<string> = new Set([
  "/bin",
  "/sbin",
  "/usr/bin",
  "/usr/sbin",
  "/usr/local/bin",
  "/usr/local/sbin",
]);

/** The last name of a path. */
export function baseName(program: string): string {
  return program.slice(program.lastIndexOf("/") + 1);
}

/**
 * Whether a program is the one a pattern names. A pattern with a slash is compared with the whole path. One
 * without is compared with a bare name, and with the last name of a path: of a path into a system directory
 * (`system`, for allowing: another directory may hold anything under that name), or of any (`anywhere`, for denying).
 */
export function programMatches(pattern: Glob, program: string, reach: "system" | "anywhere"): boolean {
  if (pattern.text.includes("/")) return withinNames(pattern, program);
  const slash = program.lastIndexOf("/");
  if (slash < 0) return pattern.matches(program);
  if (reach === "system" && !SYSTEM_DIRECTORIES.has(program.slice(0, slash))) return false;
  return pattern.matches(program.slice(slash + 1));
}

/** A `*` in a program's path does not cross a slash: patterns and paths must have as many names. */
function withinNames(pattern: Glob, program: string): boolean {
  return !/(?:^|\/)\.\.?(?:\/|$)|\/\//.test(program) && slashes(pattern.text) === slashes(program) &&
    pattern.matches(program);
}

function slashes(text: string): number {
  let count = 0;
  for (let i = text.indexOf("/"); i >= 0; i = text.indexOf("/", i + 1)) count++;
  return count;
}
