import { Glob } from "./glob.ts";
import { formatPattern, type Need } from "./need.ts";
import { NetPattern } from "./net_pattern.ts";
import type { Pattern } from "./pattern.ts";
import { PatternError } from "./syntax_error.ts";

/** Where a secret may be put in; null is anywhere. */
export interface SecretWords {
  /** Places such as `https://api.example.com`, `*.example.com`, `10.0.0.1:8080`. */
  readonly hosts: readonly string[] | null;
  /** HTTP methods, upper case. */
  readonly methods: readonly string[] | null;
  /** Header names, lower case. */
  readonly headers: readonly string[] | null;
}

/** A pattern for sealed secrets: which ones, and for which hosts, methods and headers they are put in. */
export class SecretPattern implements Pattern {
  readonly text: string;
  readonly glob: Glob;
  readonly #hosts: readonly NetPattern[] | null;
  readonly #methods: readonly string[] | null;
  readonly #headers: readonly string[] | null;

  /** @throws {PatternError} If the name is empty or no glob, or a host is none. */
  constructor(name: string, words: SecretWords) {
    if (name === "") throw new PatternError('a name is missing after the colon, write "*" for all', 0);
    this.glob = new Glob(name);
    const anything = { methods: null, path: null, private: false };
    const hosts = words.hosts?.map((host) => new NetPattern(host, anything)) ?? null;
    this.#hosts = hosts?.some((host) => host.all) ? null : hosts;
    this.#methods = sorted(words.methods);
    this.#headers = sorted(words.headers);
    const parts = {
      host: sorted(this.#hosts?.map((host) => host.text) ?? null),
      method: this.#methods,
      header: this.#headers,
    };
    this.text = formatPattern(name) +
      Object.entries(parts).map(([key, list]) => list === null ? "" : ` ${key}=${list.join(",")}`).join("");
  }

  get all(): boolean {
    return this.glob.all && !this.#limited;
  }

  allows(need: Need): boolean {
    if (!this.glob.matches(need.target)) return false;
    // To hold a placeholder is no use of the secret: where it goes is weighed when it goes.
    return need.url === undefined || this.#place(need);
  }

  denies(need: Need): boolean {
    if (!this.glob.matches(need.target)) return false;
    return need.url === undefined ? !this.#limited : this.#place(need);
  }

  covers(other: Pattern): boolean {
    if (!(other instanceof SecretPattern) || !this.glob.covers(other.glob)) return false;
    const theirs = other.#hosts;
    return (this.#hosts === null ||
      (theirs !== null && theirs.every((host) => this.#hosts!.some((mine) => mine.covers(host))))) &&
      includesAll(this.#methods, other.#methods) && includesAll(this.#headers, other.#headers);
  }

  spares(other: Pattern): boolean {
    return other instanceof SecretPattern && this.glob.disjoint(other.glob);
  }

  get #limited(): boolean {
    return this.#hosts !== null || this.#methods !== null || this.#headers !== null;
  }

  #place(need: Need): boolean {
    return (this.#hosts === null || this.#hosts.some((host) => host.fits(need))) &&
      (this.#methods?.includes(need.method ?? "") ?? true) &&
      (this.#headers?.includes(need.header ?? "") ?? true);
  }
}

function sorted(list: readonly string[] | null): readonly string[] | null {
  return list === null ? null : [...new Set(list)].sort();
}

function includesAll(outer: readonly string[] | null, inner: readonly string[] | null): boolean {
  return outer === null || (inner !== null && inner.every((item) => outer.includes(item)));
}
