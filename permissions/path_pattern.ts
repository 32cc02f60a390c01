import { Glob, globEscape, type Meter } from "./glob.ts";
import type { Need } from "./need.ts";
import { formatPattern } from "./need.ts";
import type { Pattern } from "./pattern.ts";
import { PatternError } from "./syntax_error.ts";
import { BOUNDS } from "./vocabulary.ts";

const ANY_DEPTH = "**";
type Segment = Glob | typeof ANY_DEPTH;

/**
 * A pattern for resolved paths. `*`, `?` and `[…]` stay within a name; `**` is any number of names, none
 * included, so `/dir/**` is the directory and all below it; a trailing `/` means the same.
 *
 * Most patterns have one of a few shapes and are matched by one or two native string searches; the rest are
 * matched name by name, trying again only from the last `**`, for the reason given at {@linkcode Glob}.
 */
export class PathPattern implements Pattern {
  readonly text: string;
  /** The path without wildcards that this is, or whose whole tree it is; null for other shapes. */
  readonly root: string | null;
  /** Whether it ends in `**`, and so takes everything below what it names. */
  readonly below: boolean;
  /** For `**` + `/x/y/**`, the `x/y` that is meant at any depth; null for other shapes. */
  readonly anywhere: string | null;
  readonly #segments: readonly Segment[];
  readonly #prefix: string;
  readonly #test: (path: string) => boolean;

  /**
   * @param text Beginning with `/`, `**` or `~`.
   * @param home What `~` stands for; absolute.
   * @throws {PatternError} On a relative pattern, on `.` and `..`, and on `**` that shares its name with other text.
   */
  constructor(text: string, home?: string) {
    this.#segments = parse(text, home);
    this.below = this.#segments.at(-1) === ANY_DEPTH;
    const literals = this.#segments.map((segment) => segment === ANY_DEPTH ? null : segment.literal);
    const named = this.below ? literals.slice(0, -1) : literals;
    const wild = named.indexOf(null);
    this.root = wild < 0 ? "/" + named.join("/") : null;
    const middle = named.slice(1);
    const deep = this.below && this.#segments.length > 2 && this.#segments[0] === ANY_DEPTH;
    this.anywhere = deep && !middle.includes(null) ? middle.join("/") : null;
    this.#prefix = wild <= 0 ? "" : "/" + named.slice(0, wild).join("/") + "/";
    this.text = formatPattern("/" + this.#segments.map((s) => s === ANY_DEPTH ? s : s.text).join("/"));
    this.#test = this.#compile();
  }

  get all(): boolean {
    return this.below && this.root === "/";
  }

  /** Whether the path, absolute and resolved, is one of those meant. */
  matches(path: string): boolean {
    return this.#test(path);
  }

  allows(need: Need): boolean {
    return this.#test(need.target);
  }

  denies(need: Need): boolean {
    return this.#test(need.target);
  }

  covers(other: Pattern): boolean {
    if (!(other instanceof PathPattern)) return false;
    return this.all || segmentsCover(this.#segments, other.#segments);
  }

  spares(other: Pattern): boolean {
    return other instanceof PathPattern && segmentsDisjoint(this.#segments, other.#segments);
  }

  /** Matches name by name, counting comparisons; the slow way that every shape must agree with. */
  matchesSlowly(path: string, meter?: Meter): boolean {
    const names = path === "/" ? [] : path.slice(1).split("/");
    const segments = this.#segments;
    let n = 0;
    let s = 0;
    let afterDeep = -1;
    let retry = 0;
    while (n < names.length) {
      if (meter !== undefined) meter.steps++;
      const segment = segments[s];
      if (segment === ANY_DEPTH) {
        afterDeep = ++s;
        retry = n;
        if (s === segments.length) return true;
        continue;
      }
      if (segment !== undefined && segment.matches(names[n]!, meter)) {
        n++;
        s++;
        continue;
      }
      if (afterDeep < 0) return false;
      s = afterDeep;
      n = ++retry;
    }
    while (segments[s] === ANY_DEPTH) s++;
    return s === segments.length;
  }

  #compile(): (path: string) => boolean {
    if (this.all) return () => true;
    const root = this.root;
    if (root !== null) {
      if (!this.below) return (path) => path === root;
      const inside = root + "/";
      return (path) => path.startsWith(inside) || path === root;
    }
    const segments = this.#segments;
    if (this.below && segments[0] === ANY_DEPTH && segments.length > 2) {
      if (this.anywhere !== null) {
        const last = "/" + this.anywhere;
        const inner = last + "/";
        return (path) => path.includes(inner) || path.endsWith(last);
      }
      const affix = segments.length === 3 && segments[1] !== ANY_DEPTH ? segments[1]!.affix() : null;
      if (affix?.after) {
        const piece = affix.before ? affix.literal : "/" + affix.literal;
        return (path) => path.includes(piece);
      }
    }
    const prefix = this.#prefix;
    return (path) => path.startsWith(prefix) && this.matchesSlowly(path);
  }
}

/**
 * What is wrong with a path as the target of a file need, as a part of a sentence; null when it is absolute,
 * without `.`, `..`, empty names and NUL, and not too long.
 */
export function pathFault(path: string): string | null {
  if (path.charCodeAt(0) !== 47) return "the path is not absolute";
  if (path.length > BOUNDS.pathChars) return `the path is longer than ${BOUNDS.pathChars} characters`;
  if (path.includes("/.") && /\/\.\.?(?:\/|$)/.test(path)) {
    return 'the path holds "." or ".." and was not resolved';
  }
  if (path.includes("//") || (path.length > 1 && path.charCodeAt(path.length - 1) === 47)) {
    return "the path holds an empty name and was not resolved";
  }
  return path.includes("\0") ? "the path holds a NUL" : null;
}

function parse(text: string, home: string | undefined): Segment[] {
  if (text.length > BOUNDS.patternChars) {
    throw new PatternError(
      `the pattern is longer than ${BOUNDS.patternChars} characters`,
      BOUNDS.patternChars,
    );
  }
  if (text === "*") {
    throw new PatternError('"*" stays within one name, write /** for every path', 0);
  }
  let path = text;
  let shift = 0;
  if (text === "~" || text.startsWith("~/")) {
    if (home === undefined) {
      throw new PatternError('"~" stands for a home directory, and none is known here', 0);
    }
    path = globEscape(home.replace(/\/+$/, "")) + text.slice(1);
    shift = path.length - text.length;
  } else if (text === ANY_DEPTH || text.startsWith("**/")) {
    path = "/" + text;
    shift = 1;
  } else if (!text.startsWith("/")) {
    throw new PatternError("a path pattern begins with / or **/ or ~/", 0);
  }
  const segments: Segment[] = [];
  let at = 1;
  const names = path.slice(1).split("/");
  for (const [i, name] of names.entries()) {
    const where = Math.max(0, at - shift);
    at += name.length + 1;
    if (name === "" && i === names.length - 1) {
      if (segments.at(-1) !== ANY_DEPTH) segments.push(ANY_DEPTH);
    } else if (name === "" || name === "." || name === "..") {
      throw new PatternError(`an empty name, "." or ".." never stands in a resolved path`, where);
    } else if (name === ANY_DEPTH) {
      if (segments.at(-1) !== ANY_DEPTH) segments.push(ANY_DEPTH);
    } else if (name.includes(ANY_DEPTH)) {
      throw new PatternError('"**" stands alone between slashes', where + name.indexOf(ANY_DEPTH));
    } else if (name.includes("\0")) {
      throw new PatternError("a path holds no NUL", where);
    } else {
      try {
        segments.push(new Glob(name));
      } catch (error) {
        throw error instanceof PatternError ? new PatternError(error.message, where + error.at) : error;
      }
    }
  }
  return segments;
}

/** Whether `outer` takes every path that `inner` takes, name by name; sound, not complete. */
function segmentsCover(outer: readonly Segment[], inner: readonly Segment[]): boolean {
  const width = inner.length + 1;
  // One row per outer segment, from the end: can outer[o..] take whatever inner[i..] takes?
  let next = new Uint8Array(width);
  next[inner.length] = 1;
  for (let o = outer.length - 1; o >= 0; o--) {
    const row = new Uint8Array(width);
    const mine = outer[o]!;
    for (let i = inner.length; i >= 0; i--) {
      const theirs = inner[i];
      if (mine === ANY_DEPTH) row[i] = next[i]! || (i < inner.length && row[i + 1]!) ? 1 : 0;
      else if (theirs !== undefined && theirs !== ANY_DEPTH) {
        row[i] = next[i + 1]! && mine.covers(theirs) ? 1 : 0;
      }
    }
    next = row;
  }
  return next[0] === 1;
}

function segmentsDisjoint(a: readonly Segment[], b: readonly Segment[]): boolean {
  for (let i = 0; i < a.length || i < b.length; i++) {
    const mine = a[i];
    const theirs = b[i];
    if (mine === ANY_DEPTH || theirs === ANY_DEPTH) return false;
    if (mine === undefined || theirs === undefined) return true;
    if (mine.disjoint(theirs)) return true;
  }
  return false;
}
