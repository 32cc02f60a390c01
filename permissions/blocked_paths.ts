import { globEscape } from "./glob.ts";
import { PathPattern } from "./path_pattern.ts";

/** Paths that no level but `unrestricted` reaches, as clients see them. Each holds at any depth and for every home. */
export const BLOCKED_PATHS = [
  "/etc/shadow",
  "/etc/passwd",
  "~/.ssh/*",
  "~/.gnupg/*",
  "~/.aws/*",
  "~/.config/gcloud/*",
  "*/.env",
  "*/.git/config",
  "*/credentials*",
  "*/secrets*",
  "*/*token*",
  "*/*password*",
] as const;

/** Homes that are blocked wherever the kernel's own is. */
const HOMES = ["/home/*", "/root"];

/** Whether a home is among those that are blocked in any case. */
export function isUsualHome(home: string): boolean {
  return /^(?:\/root|\/home\/[^/]+)\/*$/.test(home);
}

/**
 * What a blocked path means: the place itself and all below it; for `~` every user's home; for a relative one
 * any depth.
 *
 * @param text As clients write it, such as `~/.ssh/*`.
 * @param home One more home that `~` stands for.
 * @throws {PatternError} If it is no path pattern.
 */
export function expandBlockedPath(text: string, home?: string): PathPattern[] {
  const stem = text.length > 2 && text.endsWith("/*")
    ? text.slice(0, -2)
    : text.replace(/(?<=.)\/(\*\*)?$/, "");
  if (stem === "~" || stem.startsWith("~/")) {
    const homes = new Set(home === undefined ? HOMES : [...HOMES, globEscape(home.replace(/\/+$/, ""))]);
    return [...homes].map((one) => new PathPattern(`${one}${stem.slice(1)}/**`));
  }
  if (stem.startsWith("/")) return [new PathPattern(`${stem}/**`)];
  const relative = stem.replace(/^(\*\*?\/)+/, "");
  return [new PathPattern(`**/${relative}/**`)];
}
