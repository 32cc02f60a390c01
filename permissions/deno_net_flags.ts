import { v4Of } from "./address.ts";
import { netNeed } from "./need.ts";
import { NetPattern } from "./net_pattern.ts";
import { hostsCover } from "./net_place.ts";
import type { Policy } from "./policy.ts";
import type { Rule } from "./rule.ts";
import { denials, shared } from "./shared.ts";
import { weigh } from "./weigh.ts";

/** Everything that is not public, as far as Deno's flags can say it. */
const LOCAL = [
  "localhost",
  "127.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "[::1]",
];
const NEVER_PUBLIC = [
  "0.0.0.0/8",
  "168.63.129.16",
  "192.0.0.0/24",
  "198.18.0.0/15",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "[::]",
];
const METADATA = ["169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16"];

/** The flags for the network: of each rule what can be said exactly. */
export function netFlags(policy: Policy): string[] {
  const allow = new Set<string>();
  const deny = new Set<string>();
  let everything = false;
  const named = new Set<string>();
  const ports = new Set<number>();
  const denied = netPatterns(denials(policy, "net"));
  for (const pattern of netPatterns(shared(policy, "net"))) {
    if (pattern.words.methods !== null || pattern.words.path !== null) continue;
    const { hosts } = pattern;
    if (denied.some((each) => hostsCover(each.hosts, hosts))) continue;
    if (pattern.port !== null) ports.add(pattern.port);
    const port = pattern.port === null ? "" : `:${pattern.port}`;
    if (hosts.kind === "any") {
      if (port === "") everything = true;
    } else if (hosts.kind === "star") {
      if (port !== "") continue;
      everything = true;
      for (const place of pattern.words.private ? METADATA : LOCAL) deny.add(place);
      for (const place of NEVER_PUBLIC) deny.add(place);
    } else if (hosts.kind === "private") {
      if (port === "") { for (const place of LOCAL) allow.add(place); }
      for (const place of METADATA) deny.add(place);
    } else {
      const host = denoHost(pattern);
      if (host === null) continue;
      allow.add(host.includes("/") && port !== "" ? "" : host + port);
      if (hosts.kind === "name") named.add(host);
      if (hosts.kind === "suffix") deny.add(hosts.suffix.slice(1));
    }
  }
  allow.delete("");
  // A bare domain that is allowed on its own must not be denied for its wildcard's sake.
  for (const host of named) deny.delete(host);
  if (shared(policy, "net").some((rule) => rule.all)) deny.clear();
  for (const pattern of denied) {
    const host = denoHost(pattern);
    if (pattern.hosts.kind === "private") { for (const place of LOCAL) deny.add(place); }
    else if (host === null) return [];
    else deny.add(host);
  }
  if (!everything && allow.size === 0) return [];
  for (const host of [...deny]) {
    if (!host.includes("/")) { for (const port of ports) deny.add(`${host}:${port}`); }
  }
  return [...(everything ? ["--allow-net"] : flag("--allow-net", allow)), ...flag("--deny-net", deny)];
}

/** A host in the form of Deno's flags; null where there is none. */
function denoHost({ hosts, host }: NetPattern): string | null {
  switch (hosts.kind) {
    case "name":
    case "suffix":
      return host;
    case "range":
      if (v4Of(hosts.range.base) !== null && hosts.range.bits >= 96) return host;
      return hosts.range.bits === 128 ? `[${host}]` : null;
    default:
      return null;
  }
}

/** The flags for modules from elsewhere: from where the network is granted. */
export function importFlags(policy: Policy): string[] {
  const hosts = new Set<string>();
  let remote = false;
  let everywhere = false;
  const denied = denials(policy, "net").length > 0;
  for (const { hosts: kind, host, port, scheme, words } of netPatterns(shared(policy, "net"))) {
    const https = (scheme === null || scheme === "https") && (port === null || port === 443);
    if (!https || words.methods !== null || words.path !== null) continue;
    if (kind.kind === "any") everywhere = !denied;
    if (kind.kind === "star") remote = !denied;
    if (kind.kind === "name" && weigh(policy, netNeed(`https://${host}/`), 0).allowed) {
      hosts.add(`${host}:443`);
    }
  }
  const npm = weigh(policy, netNeed("https://registry.npmjs.org/"), 0).allowed;
  if (everywhere) return [...(npm ? [] : ["--no-npm"]), "--allow-import"];
  // Without hosts of its own Deno keeps to its list of well-known registries.
  if (remote) return npm ? [] : ["--no-npm"];
  if (hosts.size > 0) return [...(npm ? [] : ["--no-npm"]), ...flag("--allow-import", hosts)];
  return ["--no-remote", ...(npm ? [] : ["--no-npm", "--cached-only"])];
}

function netPatterns(rules: readonly Rule[]): NetPattern[] {
  return rules.map(({ pattern }) => pattern).filter((pattern) => pattern instanceof NetPattern);
}

/** One flag with its values, without those that cannot be written; none for no values. */
export function flag(name: string, values: Iterable<string>): string[] {
  const list = [...new Set(values)].filter((value) => !value.includes(",")).sort();
  return list.length === 0 ? [] : [`${name}=${list.join(",")}`];
}
