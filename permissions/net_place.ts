import { classify, formatRange, inRange, parseRange, type Range } from "./address.ts";
import { canonicalHost } from "./host.ts";
import type { NetTarget } from "./need.ts";
import { PatternError } from "./syntax_error.ts";
import { shown } from "./text.ts";

/** A scheme of a rule. */
export type Scheme = NetTarget["scheme"];

/** `[scheme://]host[:port]`, compiled. */
export interface Place {
  /** Null for any. */
  readonly scheme: Scheme | null;
  readonly hosts: Hosts;
  /** Null for any. */
  readonly port: number | null;
}

/** Which hosts a pattern means. */
export type Hosts =
  | { readonly kind: "any" } // every address there is, named or not: level unrestricted
  | { readonly kind: "star" } // every name, every public address
  | { readonly kind: "private" } // private, loopback and link-local addresses
  | { readonly kind: "suffix"; readonly suffix: string } // ".example.com"
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "range"; readonly range: Range };

/** Whether a name means this machine wherever it is asked for. Source: RFC 6761, section 6.3. */
export function isLocalName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

/** The port that goes without saying; null where there is none. */
export function usualPort(scheme: Scheme | null): number | null {
  return scheme === "http" ? 80 : scheme === "https" ? 443 : null;
}

/** Hosts as they stand in a rule. */
export function hostText(hosts: Hosts): string {
  switch (hosts.kind) {
    case "any":
    case "private":
      return hosts.kind;
    case "star":
      return "*";
    case "suffix":
      return "*" + hosts.suffix;
    case "name":
      return hosts.name;
    case "range": {
      const text = formatRange(hosts.range);
      return text.includes(":") ? `[${text.replace("/", "]/")}${text.includes("/") ? "" : "]"}` : text;
    }
  }
}

/** Whether every host that `inner` means is certainly one that `outer` means. */
export function hostsCover(outer: Hosts, inner: Hosts): boolean {
  switch (outer.kind) {
    case "any":
      return true;
    case "star":
      return inner.kind === "star" || inner.kind === "suffix" ||
        (inner.kind === "name" && !isLocalName(inner.name)) ||
        (inner.kind === "range" && inner.range.bits === 128 && classify(inner.range.base) === "public");
    case "private":
      return inner.kind === "private" || (inner.kind === "name" && isLocalName(inner.name)) ||
        (inner.kind === "range" && PRIVATE_RANGES.some((range) => rangeCovers(range, inner.range)));
    case "suffix":
      return (inner.kind === "suffix" && inner.suffix.endsWith(outer.suffix)) ||
        (inner.kind === "name" && inner.name.endsWith(outer.suffix));
    case "name":
      return inner.kind === "name" && inner.name === outer.name;
    case "range":
      return inner.kind === "range" && rangeCovers(outer.range, inner.range);
  }
}

/** Ranges of which every address is private, loopback or link-local, without exception. */
const PRIVATE_RANGES = [
  "10.0.0.0/8",
  "127.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "fc00::/8",
  "fe80::/10",
]
  .map((text) => parseRange(text)!);

function rangeCovers(outer: Range, inner: Range): boolean {
  return outer.bits <= inner.bits && inRange(outer, inner.base);
}

/**
 * Reads `[scheme://]host[:port]`.
 *
 * @throws {PatternError} On a scheme, a host or a port that is none.
 */
export function parsePlace(place: string): Place {
  const [, prefix] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(place) ?? [];
  const scheme = prefix?.toLowerCase() ?? null;
  if (scheme !== null && scheme !== "http" && scheme !== "https" && scheme !== "tcp") {
    throw new PatternError(`the scheme ${shown(scheme)} is none of http, https, tcp`, 0);
  }
  const start = prefix === undefined ? 0 : prefix.length + 3;
  const rest = place.slice(start);
  // In this order: [v6], [v6]/bits, [v6/bits], bare v6 (which can have no port), then all that has one colon at most.
  const [, host, port] = /^(\[[^\]]*\](?:\/[0-9]+)?)(?::(.*))?$/s.exec(rest) ??
    /^((?:[^:]*:){2,}.*)$/s.exec(rest) ?? /^([^:]*)(?::(.*))?$/s.exec(rest)!;
  if (port !== undefined && port !== "*" && !/^[1-9][0-9]{0,4}$/.test(port)) {
    throw new PatternError("a port is a number from 1 to 65535, or *", start + host!.length + 1);
  }
  if (Number(port) > 65535) throw new PatternError("a port is at most 65535", start + host!.length + 1);
  const number = port === "*" ? null : port === undefined ? usualPort(scheme) : Number(port);
  return { scheme, hosts: parseHosts(host!, start, scheme !== null), port: number };
}

function parseHosts(host: string, at: number, withScheme: boolean): Hosts {
  if (host === "") throw new PatternError('a host is missing, write "*" for every public one', at);
  if (host === "*") return { kind: "star" };
  if (!withScheme && (host === "private" || host === "any")) return { kind: host };
  const bare = host.replace(/^\[([^\]/]*)\](\/[0-9]+)?$/, "$1$2").replace(/^\[(.*)\]$/s, "$1");
  const range = parseRange(bare);
  if (range !== null) return { kind: "range", range };
  const slash = host.indexOf("/");
  if (slash >= 0) {
    const looksLikeRange = /^[0-9.]+\/[0-9]+$|^\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?\/[0-9]+$/.test(host);
    throw new PatternError(
      looksLikeRange
        ? "the range is none, or has bits set beyond its prefix"
        : 'a path stands after a blank, as in "https://host /path/**"',
      at + slash,
    );
  }
  const wild = host.startsWith("*.");
  const name = wild ? host.slice(2) : host;
  const star = name.search(/[*?]/);
  if (star >= 0) {
    throw new PatternError(
      'a wildcard in a host is its whole first label, as in "*.example.com"',
      at + star + (wild ? 2 : 0),
    );
  }
  let canonical;
  try {
    canonical = canonicalHost(name);
  } catch (error) {
    throw error instanceof TypeError
      ? new PatternError(`${shown(host)} is neither a name nor an address`, at)
      : error;
  }
  const address = parseRange(canonical);
  if (address === null) {
    return wild ? { kind: "suffix", suffix: "." + canonical } : { kind: "name", name: canonical };
  }
  if (wild) throw new PatternError("an address has no names below it", at);
  return { kind: "range", range: address };
}
