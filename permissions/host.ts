import { formatAddress, parseAddress } from "./address.ts";
import { shown } from "./text.ts";

/** Longest host name, in characters. Source: RFC 1035, section 2.3.4, as text. */
const HOST_CHARS = 253;

/**
 * The one spelling of a host: lower case, IDNA, no trailing dot, IPv4 dotted whatever it was written in, IPv6
 * compressed and without brackets, an IPv4 address mapped into IPv6 as the IPv4 address it is.
 *
 * @param host A name or an address in any form a URL takes; IPv6 with or without brackets.
 * @throws {TypeError} On what no URL could have as a host.
 */
export function canonicalHost(host: string): string {
  const bare = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  // The parser would take everything after these as user, path, query or port.
  const parsed =
    host.length > HOST_CHARS + 2 || /[/\\?#@\s]|%(?![0-9A-Fa-f]{2})/.test(host) || /\]./.test(bare)
      ? null
      : URL.parse(`http://${bare}/`);
  if (parsed === null || parsed.hostname === "") {
    throw new TypeError(`Cannot use ${shown(host)} as a host: it is neither a name nor an address`);
  }
  const hostname = parsed.hostname;
  if (hostname.startsWith("[")) return formatAddress(parseAddress(hostname.slice(1, -1))!);
  const name = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
  if (
    name === "" || name.length > HOST_CHARS ||
    name.split(".").some((label) => label === "" || label.length > 63)
  ) {
    throw new TypeError(`Cannot use ${shown(host)} as a host: a label is empty or longer than 63 characters`);
  }
  return name;
}
