import { ArgvPattern } from "./argv_pattern.ts";
import { BlockedCommandsPattern } from "./blocked_commands.ts";
import { flag, importFlags, netFlags } from "./deno_net_flags.ts";
import { NamePattern } from "./name_pattern.ts";
import { PathPattern } from "./path_pattern.ts";
import type { Policy } from "./policy.ts";
import { baseName, programMatches } from "./program.ts";
import type { Rule } from "./rule.ts";
import { denials, shared } from "./shared.ts";

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
  const blocks = denials(policy, capability).map(({ pattern }) => pattern).filter((each) =>
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

function envFlags(policy: Policy): string[] {
  const deny = new Set<string>();
  const denied = denials(policy, "env");
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
  const denied = denials(policy, "exec");
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
    denials(policy, "exec.shell").length === 0;
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
