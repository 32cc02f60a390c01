import {
  carriedV4,
  classify,
  formatAddress,
  formatRange,
  fromV4,
  type Groups,
  inRange,
  isInside,
  parseAddress,
  parseRange,
  type Range,
} from "./address.ts";
import { canonicalHost } from "./host.ts";
import type { Need, NetTarget } from "./need.ts";
import type { PathPattern } from "./path_pattern.ts";
import type { Pattern } from "./pattern.ts";
import { PatternError } from "./syntax_error.ts";
import { shown } from "./text.ts";

/** Which hosts a pattern means. */
export type Hosts =
  | { readonly kind: "any" } // every address there is, named or not: level unrestricted
  | { readonly kind: "star" } // every name, every public address
  | { readonly kind: "private" } // private, loopback and link-local addresses
  | { readonly kind: "suffix"; readonly suffix: string } // ".example.com"
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "range"; readonly range: Range };

type Scheme = NetTarget["scheme"];

/** What stands in a `net:` rule after the host, before it is compiled. */
export interface NetWords {
  /** HTTP methods, upper case; null for all. */
  readonly methods: readonly string[] | null;
  /** Path pattern; null for all. */
  readonly path: PathPattern | null;
  /** Whether the hosts may also be private, loopback or link-local ones. */
  readonly private: boolean;
}

/** A pattern for where bytes may go: scheme, host, port, and for HTTP method and path. */
export class NetPattern implements Pattern {
  readonly text: string;
  /** Null for any. */
  readonly scheme: Scheme | null;
  /** Null for any. */
  readonly port: number | null;
  readonly hosts: Hosts;
  readonly words: NetWords;

  /**
   * @param place `[scheme://]host[:port]`; the host is a name, `*`, `*.name`, an address, a range, `private` or `any`.
   * @param words What follows it.
   * @throws {PatternError} On a scheme, a host or a port that is none.
   */
  constructor(place: string, words: NetWords) {
    const parsed = parsePlace(place);
    this.scheme = parsed.scheme;
    this.port = parsed.port;
    this.hosts = parsed.hosts;
    const byAddress = this.hosts.kind === "range" || this.hosts.kind === "private" ||
      this.hosts.kind === "any";
    this.words = {
      methods: words.methods,
      // A path of `/**` limits nothing, and must not make tunnels impossible.
      path: words.path?.all ? null : words.path,
      // Addresses that are named need no further word; a range must not grow by one.
      private: words.private && !byAddress,
    };
    this.text = this.#format();
  }

  get all(): boolean {
    return this.hosts.kind === "any" && this.scheme === null && this.port === null && !this.#limited;
  }

  /** The host and port in the form of the permission object: without scheme, methods and path. */
  get place(): string {
    const host = hostText(this.hosts);
    return this.port === null || this.port === usualPort(this.scheme) ? host : `${host}:${this.port}`;
  }

  /** The host without port and brackets: a name, an address or a range. */
  get host(): string {
    return this.hosts.kind === "range" ? formatRange(this.hosts.range) : hostText(this.hosts);
  }

  allows(need: Need): boolean {
    if (!this.fits(need)) return false;
    const address = addressOf(need.url!);
    return address === null || this.permits(address);
  }

  /** Whether scheme, host, port, method and path are meant, wherever the host may lead to. */
  fits(need: Need): boolean {
    const url = need.url;
    return url !== undefined && this.#reaches(url) && this.#namesHost(url) &&
      this.#methodAndPath(need, url, false);
  }

  /** Whether an address, to which a host allowed by another rule was resolved, is itself named by this one. */
  namesAddress(need: Need): boolean {
    const url = need.url;
    if (url?.address === undefined || (this.hosts.kind !== "range" && this.hosts.kind !== "private")) {
      return false;
    }
    const address = parseAddress(url.address);
    return address !== null && this.permits(address) && this.#reaches(url) &&
      this.#methodAndPath(need, url, false);
  }

  denies(need: Need): boolean {
    const url = need.url;
    if (url === undefined || !this.#deniesHost(url)) return false;
    if (this.port !== null && this.port !== url.port) return false;
    if (this.scheme !== null && this.scheme !== "tcp" && url.scheme !== "tcp" && this.scheme !== url.scheme) {
      return false;
    }
    return this.#methodAndPath(need, url, true);
  }

  covers(other: Pattern): boolean {
    if (!(other instanceof NetPattern)) return false;
    if (this.all || this.text === other.text) return true;
    const { methods, path } = this.words;
    return (this.scheme === null || this.scheme === "tcp" || this.scheme === other.scheme) &&
      (this.port === null || this.port === other.port) &&
      hostsCover(this.hosts, other.hosts) &&
      (this.hosts.kind === "any" || this.hosts.kind === "private" || this.words.private ||
        !other.words.private) &&
      (methods === null || (other.words.methods?.every((method) => methods.includes(method)) ?? false)) &&
      (path === null || (other.words.path !== null && path.covers(other.words.path)));
  }

  spares(other: Pattern): boolean {
    if (!(other instanceof NetPattern)) return false;
    if (this.port !== null && other.port !== null && this.port !== other.port) return true;
    const exact = (hosts: Hosts) => hosts.kind === "name" || hosts.kind === "suffix";
    // An address may be what any name resolves to: only names can be told apart.
    return exact(this.hosts) && exact(other.hosts) && !hostsCover(this.hosts, other.hosts) &&
      !hostsCover(other.hosts, this.hosts);
  }

  /** Whether this permits going to an address, given that it means the host. */
  permits(address: Groups): boolean {
    const { hosts } = this;
    if (hosts.kind === "any" || (hosts.kind === "range" && inRange(hosts.range, address))) return true;
    const kind = classify(address);
    if (kind === "public") return hosts.kind !== "private" && hosts.kind !== "range";
    // That name means this machine wherever it is asked for. Source: RFC 6761, section 6.3.
    if (hosts.kind === "name" && hosts.name === "localhost" && kind === "loopback") return true;
    return (hosts.kind === "private" || this.words.private) && isInside(kind);
  }

  /** Why a need that this nearly allows is refused, as a part of a sentence; null where it is not near. */
  nearMiss(need: Need): string | null {
    const url = need.url;
    if (url === undefined || !this.#reaches(url) || !this.#namesHost(url)) return null;
    if (url.tunnel === "opaque" && this.#limited) {
      return "which limits methods or paths, and a tunnel hides them";
    }
    const address = addressOf(url);
    if (!this.fits(need) || address === null || this.permits(address)) return null;
    return `which does not reach ${formatAddress(address)}, an address of class ${classify(address)}`;
  }

  get #limited(): boolean {
    return this.words.methods !== null || this.words.path !== null;
  }

  /** Scheme and port. Raw TCP to a port carries whatever is spoken there, and the other way round. */
  #reaches(url: NetTarget): boolean {
    return (this.port === null || this.port === url.port) &&
      (this.scheme === null || this.scheme === url.scheme || this.scheme === "tcp" || url.scheme === "tcp");
  }

  #namesHost(url: NetTarget): boolean {
    const { hosts } = this;
    const literal = parseAddress(url.host);
    switch (hosts.kind) {
      case "any":
      case "star":
        return true;
      case "private":
        return literal !== null || isLocalName(url.host);
      case "range":
        return literal !== null && inRange(hosts.range, literal);
      case "suffix":
        return literal === null && url.host.length > hosts.suffix.length && url.host.endsWith(hosts.suffix);
      case "name":
        return url.host === hosts.name;
    }
  }

  #deniesHost(url: NetTarget): boolean {
    const { hosts } = this;
    if (hosts.kind === "any" || hosts.kind === "star") return true;
    const address = addressOf(url);
    if (address !== null) {
      const all = [address, ...carriedV4(address).map(fromV4)];
      if (hosts.kind === "range" && all.some((one) => inRange(hosts.range, one))) return true;
      if (hosts.kind === "private" && this.permits(address)) return true;
    }
    return this.#namesHost(url);
  }

  #methodAndPath(need: Need, url: NetTarget, denying: boolean): boolean {
    if (!this.#limited) return true;
    // Nothing is known of what will be sent: an allowance cannot be kept, a denial must be.
    if (url.tunnel !== undefined) return denying || url.tunnel === "inspected";
    const { methods, path } = this.words;
    if (methods !== null && !methods.includes(need.method ?? "")) return false;
    if (path === null) return true;
    const plain = plainPath(url.path ?? "/");
    return denying
      ? path.matches(plain.collapsed) || path.matches(plain.path)
      : !plain.ambiguous && path.matches(plain.path);
  }

  #format(): string {
    const { methods, path } = this.words;
    const port = this.port === usualPort(this.scheme) ? "" : `:${this.port ?? "*"}`;
    return (this.scheme === null ? "" : `${this.scheme}://`) + hostText(this.hosts) + port +
      (methods === null ? "" : " " + methods.join(",")) + (path === null ? "" : " " + path.text) +
      (this.words.private ? " private" : "");
  }
}

/** The address that is known of a target: the resolved one, or the host itself. Local names mean this machine. */
function addressOf(url: NetTarget): Groups | null {
  if (url.address !== undefined) return parseAddress(url.address);
  return parseAddress(url.host) ?? (isLocalName(url.host) ? LOOPBACK : null);
}

const LOOPBACK: Groups = parseAddress("127.0.0.1")!;

function isLocalName(host: string): boolean {
  return host === "localhost" || host.endsWith(".localhost");
}

function usualPort(scheme: Scheme | null): number | null {
  return scheme === "http" ? 80 : scheme === "https" ? 443 : null;
}

function hostText(hosts: Hosts): string {
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

/** Undoes the percent-encodings that mean nothing, and says whether what is left could be read in two ways. */
function plainPath(path: string): { path: string; collapsed: string; ambiguous: boolean } {
  const decoded = path.replace(/%[0-9A-Fa-f]{2}/g, (code) => {
    const char = String.fromCharCode(parseInt(code.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(char) ? char : code.toUpperCase();
  });
  const collapsed: string[] = [];
  for (const name of decoded.replace(/%2F|%5C|\\/g, "/").split("/")) {
    const bare = name.split(";", 1)[0]!;
    if (bare === "..") collapsed.pop();
    else if (bare !== "" && bare !== ".") collapsed.push(bare);
  }
  const ambiguous = /%2F|%5C|%00|\\|\/\/|\/\.\.?(?:[;/]|$)/.test(decoded);
  return { path: decoded, collapsed: "/" + collapsed.join("/"), ambiguous };
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

function parsePlace(place: string): { scheme: Scheme | null; hosts: Hosts; port: number | null } {
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
