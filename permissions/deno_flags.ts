import { ArgvPattern } from "./argv_pattern.ts";
import { BlockedCommandsPattern } from "./blocked_commands.ts";
import { v4Of } from "./address.ts";
import { NamePattern } from "./name_pattern.ts";
import { netNeed } from "./need.ts";
import { hostsCover, NetPattern } from "./net_pattern.ts";
import { PathPattern } from "./path_pattern.ts";
import type { Policy } from "./policy.ts";
import type { Rule } from "./rule.ts";
import { baseName, programMatches } from "./program.ts";
import { shared } from "./shared.ts";
import type { Capability } from "./vocabulary.ts";
import { weigh } from "./weigh.ts";

/** What there is in the place where a Deno agent will run. Absolute paths. */
export interface DenoView {
  /** Its work directory. */
  readonly cwd: string;
  /** Trees it can see. */
  readonly readable: readonly string[];
  /** Trees it can change. */
  readonly writable: readonly string[];
}

/**
 * Compiles a policy to the permission flags of `deno run`: nothing that is not named, no prompts, never `-A`.
 *
 * What is granted lies in both, policy and view. Deno's flags know trees, hosts and programs, no patterns, methods or
 * arguments: a rule that cannot be said is left out, a deny that cannot be said takes out the whole host, program or
 * capability. Two things remain wider than the policy, and are kept by the broker and the sandbox: the default blocks
 * on names at any depth (said only for the work directory and the roots of what is granted), and an exact path that
 * turns out to be a directory. Names that resolve to private addresses are for the network's wall.
 *
 * Checked against Deno 2.9.6: a narrower allow beats a wider deny, for files, hosts, programs and variables alike, and
 * an allow with a port beats a deny without one, so nothing is allowed here that a deny touches; `*.host` includes the
 * host itself; IPv4 ranges are understood, IPv6 ranges are not; a comma within a value cannot be written.
 */
export function compileDenoFlags(policy: Policy, view: DenoView): string[] {
  return [
    "--no-prompt",
    ...fileFlags(policy, "fs.read", "read", view.readable, view.cwd),
    ...fileFlags(policy, "fs.write", "write", view.writable, view.cwd),
    ...netFlags(policy),
    ...envFlags(policy),
    ...runFlags(policy),
    ...importFlags(policy),
  ];
}

function fileFlags(
  policy: Policy,
  capability: "fs.read" | "fs.write",
  word: string,
  trees: readonly string[],
  cwd: string,
): string[] {
  const granted = new Set<string>();
  for (const { pattern } of shared(policy, capability)) {
    if (!(pattern instanceof PathPattern) || pattern.root === null) continue;
    for (const tree of trees) {
      if (isWithin(pattern.root, tree)) granted.add(pattern.root);
      else if (pattern.below && isWithin(tree, pattern.root)) granted.add(tree);
    }
  }
  const blocks = denies(policy, capability).map(({ pattern }) => pattern).filter((each) =>
    each instanceof PathPattern
  );
  for (const path of granted) if (blocks.some((pattern) => pattern.matches(path))) granted.delete(path);
  if (granted.size === 0) return [];
  const denied = new Set<string>();
  for (const pattern of blocks) {
    if (pattern.root !== null) denied.add(withoutComma(pattern.root));
    else if (pattern.anywhere !== null) {
      for (const tree of [cwd, ...granted]) {
        denied.add(withoutComma(`${tree === "/" ? "" : tree}/${pattern.anywhere}`));
      }
    }
  }
  return [...flag(`--allow-${word}`, outermost(granted)), ...flag(`--deny-${word}`, outermost(denied))];
}

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

function netFlags(policy: Policy): string[] {
  const allow = new Set<string>();
  const deny = new Set<string>();
  let everything = false;
  const named = new Set<string>();
  const ports = new Set<number>();
  const denied = netPatterns(denies(policy, "net"));
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

function envFlags(policy: Policy): string[] {
  const deny = new Set<string>();
  const denied = denies(policy, "env");
  for (const { pattern } of denied) {
    const name = denoName(pattern);
    if (name === null || name === "*" || name.includes(",")) return [];
    deny.add(name);
  }
  const names = new Set(
    shared(policy, "env")
      .filter(({ pattern }) => !denied.some((rule) => rule.pattern.covers(pattern)))
      .map(({ pattern }) => denoName(pattern))
      .filter((name) => name !== null),
  );
  if (names.size === 0) return [];
  return [...(names.has("*") ? ["--allow-env"] : flag("--allow-env", names)), ...flag("--deny-env", deny)];
}

/** `NAME`, `PREFIX*` or `*`; null for other patterns. */
function denoName(pattern: Rule["pattern"]): string | null {
  if (!(pattern instanceof NamePattern)) return null;
  const { glob } = pattern;
  if (glob.all || glob.literal !== null) return glob.text;
  const affix = glob.affix();
  return affix !== null && !affix.before && affix.after ? `${affix.literal}*` : null;
}

/** The programs among the blocked commands that are blocked whatever their arguments. */
const BLOCKED_PROGRAMS = ["sudo", "su", "mkfs", "shutdown", "reboot", "poweroff"];

function runFlags(policy: Policy): string[] {
  const rules = shared(policy, "exec");
  const denied = denies(policy, "exec");
  const all = rules.some((rule) => rule.all);
  const programs = new Set(
    rules.map((rule) => rule.program).filter((program) => program !== null)
      .filter((program) => !denied.some((rule) => deniesProgram(rule, program))),
  );
  if (!all && programs.size === 0) return [];
  const deny = new Set<string>();
  for (const rule of denied) {
    if (rule.pattern instanceof BlockedCommandsPattern) {
      for (const name of BLOCKED_PROGRAMS) deny.add(name);
    } else {
      const first = rule.firstWord;
      if (first === null || first.includes(",")) return [];
      deny.add(first);
    }
  }
  // Native code of its own choosing needs no permission of Deno's any more.
  const native = all && denied.length === 0 && shared(policy, "exec.shell").some((rule) => rule.all) &&
    denies(policy, "exec.shell").length === 0;
  return [
    ...(all ? ["--allow-run"] : flag("--allow-run", programs)),
    ...flag("--deny-run", deny),
    ...(native ? ["--allow-sys", "--allow-ffi"] : []),
  ];
}

/** Whether a deny touches a program at all, whatever its arguments. */
function deniesProgram({ pattern }: Rule, program: string): boolean {
  if (pattern instanceof BlockedCommandsPattern) return BLOCKED_PROGRAMS.includes(baseName(program));
  return !(pattern instanceof ArgvPattern) || pattern.all ||
    programMatches(pattern.words[0]!, program, "anywhere");
}

function importFlags(policy: Policy): string[] {
  const hosts = new Set<string>();
  let remote = false;
  let everywhere = false;
  const denied = denies(policy, "net").length > 0;
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

function denies(policy: Policy, capability: Capability): Rule[] {
  return policy.layers.flatMap((layer) => layer.denying(capability));
}

function flag(name: string, values: Iterable<string>): string[] {
  const list = [...new Set(values)].filter((value) => !value.includes(",")).sort();
  return list.length === 0 ? [] : [`${name}=${list.join(",")}`];
}

function isWithin(path: string, tree: string): boolean {
  return tree === "/" || path === tree || path.startsWith(`${tree}/`);
}

/** The path, or the nearest directory above it that can be written in a flag. */
function withoutComma(path: string): string {
  const comma = path.indexOf(",");
  return comma < 0 ? path : path.slice(0, Math.max(1, path.lastIndexOf("/", comma)));
}

/** Drops paths that lie within others. */
function outermost(paths: ReadonlySet<string>): string[] {
  return [...paths].filter((path) => ![...paths].some((other) => other !== path && isWithin(path, other)));
}
