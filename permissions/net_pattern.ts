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
} from "./address.ts";
import type { Need, NetTarget } from "./need.ts";
import {
  type Hosts,
  hostsCover,
  hostText,
  isLocalName,
  parsePlace,
  type Scheme,
  usualPort,
} from "./net_place.ts";
import type { PathPattern } from "./path_pattern.ts";
import type { Pattern } from "./pattern.ts";
import { plainPath } from "./url_path.ts";

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
