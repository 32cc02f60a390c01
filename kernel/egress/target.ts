/**
 * From the text somebody wrote to the one place it means.
 *
 * A host can be written in many ways that reach the same machine (`2130706433`, `0x7f.1`, `LOCALHOST.`), and two
 * parsers that read the same text differently are how rules about hosts are bypassed. So text is read once, here,
 * by the WHATWG URL parser; what it made of the text is what is decided about, resolved, connected to and sent.
 *
 * @module
 */
import { isIP, isIPv6 } from "node:net";
import { EgressError } from "./errors.ts";
import { connectNeed, type Need, netNeed } from "../../permissions/mod.ts";
import { formatAuthority } from "./gate.ts";

/** One place, in canonical form. */
export interface Target {
  /** `http` and `https` for a request; `tcp` for a tunnel. */
  readonly scheme: "http" | "https" | "tcp";
  /** Lower case, no trailing dot, IPv4 dotted, IPv6 compressed and without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Path and query as they are sent; empty for a tunnel. */
  readonly path: string;
  /** What the gate is asked. */
  readonly need: Need;
  /** For people and logs: without the query, which is where tokens travel. */
  readonly label: string;
}

/** The longest text that is looked at. Servers commonly stop at 8 KiB. */
const MAX_URL = 8192;
const MAX_HOST = 253;

/** What a URL may not contain before it is parsed: the parser would silently drop or translate it. */
// deno-lint-ignore no-control-regex
const SUSPECT = /[\x00-\x20\x7f\\]/;

function bad(text: string, why: string): EgressError {
  return new EgressError(
    "bad_request",
    `Cannot use the address ${JSON.stringify(text.slice(0, 200))}: ${why}`,
  );
}

/** Percent-decodes what decodes, once; the rest stays as it is. */
function decodeOnce(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** Whether a server that decodes `%2F` or `%5C` before it splits would climb out of the path that was decided on. */
function climbs(pathname: string): boolean {
  if (!/%(?:2f|5c|2e|00)/i.test(pathname)) return false;
  return decodeOnce(pathname).split(/[/\\]/).some((segment) => segment === ".." || segment === ".") ||
    /%00/.test(pathname);
}

/**
 * Reads an http or https URL.
 *
 * @param text The URL as it was given.
 * @param method The method it is meant for.
 * @throws {EgressError} `bad_request` for anything but a plain http(s) URL without user information.
 */
export function parseHttpTarget(text: string, method: string): Target {
  if (text.length > MAX_URL) throw bad(text, `it has ${text.length} characters, the limit is ${MAX_URL}`);
  if (SUSPECT.test(text)) throw bad(text, "it contains a space, a control character or a backslash");
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw bad(text, "it is no absolute URL");
  }
  return httpTarget(url, method, text);
}

/** The target of a parsed URL, such as where a redirect leads. Throws like {@link parseHttpTarget}. */
export function httpTarget(url: URL, method: string, text: string = url.href): Target {
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw bad(text, `only http and https are spoken, not "${url.protocol.slice(0, -1).slice(0, 20)}"`);
  }
  if (url.username !== "" || url.password !== "" || /^[a-z]+:\/\/[^/?#]*@/i.test(text)) {
    throw bad(text, "it names a user before the host, send an Authorization header instead");
  }
  if (climbs(url.pathname)) throw bad(text, "its path hides a dot segment or a NUL behind percent signs");
  const scheme = url.protocol === "https:" ? "https" : "http";
  const host = canonicalHost(url.hostname, text);
  const port = url.port === "" ? (scheme === "https" ? 443 : 80) : Number(url.port);
  if (port === 0) throw bad(text, "there is no port 0");
  const label = `${scheme}://${shortAuthority(scheme, host, port)}${url.pathname}`;
  // No rule speaks of queries, and receipts and logs are no place for what travels in them.
  return { scheme, host, port, path: url.pathname + url.search, need: netNeed(label, method), label };
}

/** Whether credentials meant for one target may go to the other: same scheme, host and port. */
export function sameOrigin(a: Target, b: Target): boolean {
  return a.scheme === b.scheme && a.host === b.host && a.port === b.port;
}

/** The value of the Host header: the port only where it is not the scheme's own. */
export function hostHeader(target: Target): string {
  return shortAuthority(target.scheme, target.host, target.port);
}

/** The whole URL of a request, query included. */
export function urlOf(target: Target): string {
  return `${target.scheme}://${hostHeader(target)}${target.path}`;
}

function shortAuthority(scheme: Target["scheme"], host: string, port: number): string {
  const full = formatAuthority(host, port);
  return port === (scheme === "https" ? 443 : 80) ? full.slice(0, full.lastIndexOf(":")) : full;
}

/**
 * Reads `host:port`, the way CONNECT names a target. The port is required.
 *
 * @throws {EgressError} `bad_request`.
 */
export function parseAuthority(text: string): Target {
  if (text.length > MAX_HOST + 8) throw bad(text, "it is too long for a host and a port");
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:/?#@[\]\\%]+):([0-9]{1,5})$/.exec(text);
  if (match === null) throw bad(text, "a tunnel needs exactly host:port");
  return tunnelTarget(match[1]!, Number(match[2]), text);
}

/**
 * The target of a tunnel.
 *
 * @param host A name or an address as somebody wrote it; IPv6 with or without brackets.
 * @param port 1 to 65535.
 * @throws {EgressError} `bad_request`.
 */
export function tunnelTarget(host: string, port: number, text: string = `${host}:${port}`): Target {
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw bad(text, "a port is 1 to 65535");
  if (host === "" || /[^\x21-\x7e]|[/?#@\\%]/.test(host)) throw bad(text, "that is no host");
  let url: URL;
  try {
    url = new URL(`http://${isIPv6(host) ? `[${host}]` : host}/`);
  } catch {
    throw bad(text, "that is no host");
  }
  const canonical = canonicalHost(url.hostname, text);
  return {
    scheme: "tcp",
    host: canonical,
    port,
    path: "",
    need: connectNeed("tcp", canonical, port),
    label: `tcp://${formatAuthority(canonical, port)}`,
  };
}

/** Finishes what the URL parser began: brackets and the root's dot go, and what is left must be a host name. */
function canonicalHost(hostname: string, text: string): string {
  if (hostname.startsWith("[")) {
    const mapped = /^\[::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})\]$/.exec(hostname);
    if (mapped === null) return hostname.slice(1, -1);
    // An IPv4 address in IPv6 clothes reaches the same machine, so it is the same target.
    const [high, low] = [parseInt(mapped[1]!, 16), parseInt(mapped[2]!, 16)];
    return [high >> 8, high & 255, low >> 8, low & 255].join(".");
  }
  const host = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
  if (isIP(host) !== 0) return host;
  if (host.length > MAX_HOST) throw bad(text, `a host name has at most ${MAX_HOST} characters`);
  const labels = host.split(".");
  // Names that other resolvers read as numbers never get as far as a resolver.
  if (!labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) {
    throw bad(text, "that is no host name");
  }
  if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)) throw bad(text, "that is no host name");
  return host;
}
