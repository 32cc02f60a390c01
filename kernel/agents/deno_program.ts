/**
 * The command line of a Deno agent.
 *
 * @module
 */
import { compileDenoFlags, type Policy } from "../../permissions/mod.ts";

/** What the flags depend on; paths as seen by the process, unless said otherwise. */
export interface DenoProgram {
  /** The Deno executable. */
  readonly deno: string;
  readonly script: string;
  readonly args: readonly string[];
  readonly policy: Policy;
  /** Trees under the names the policy uses. */
  readonly cwd: string;
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** From the policy's names to the process's own, where the two differ. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Variables the agent was given and may therefore see. */
  readonly variables: readonly string[];
  /** The configuration file in force; null for none. */
  readonly config: string | null;
  /** An import map as a URL; null when the configuration's own is enough. */
  readonly importMap: string | null;
  /** Whether a permission broker decides; flags would be ignored then. */
  readonly brokered?: boolean;
  /** Its own socket of the kernel, as it sees it: connecting there starts faster than opening descriptor 3 does. */
  readonly socket?: string | null;
  /** For a run that is recorded or replayed: what chance is made of, and the module that runs before the script. */
  readonly repeatable?: { readonly seed: number; readonly preload: string };
}

/** Builds the argv: nothing is allowed that the policy does not allow, and nobody is ever asked. */
export function denoArgv(program: DenoProgram): string[] {
  const { policy, cwd, readable, writable, config, importMap, repeatable, brokered = false } = program;
  const compiled = compileDenoFlags(policy, { cwd, readable, writable })
    .filter((flag) => !brokered || !/^--(?:allow|deny)-/.test(flag));
  const flags = new Set(compiled.map((flag) => renameTrees(flag, program)));
  return [
    program.deno,
    "run",
    // The agent cannot write beside its script, and must not: a lock file would be its own to change.
    "--no-lock",
    // Its cache is as new as it is and goes with it: compiled code would be written to the disk and never read.
    "--no-code-cache",
    ...(config === null ? ["--no-config"] : [`--config=${config}`]),
    ...(importMap === null ? [] : [`--import-map=${importMap}`]),
    ...(repeatable ? [`--seed=${repeatable.seed}`, `--preload=${repeatable.preload}`] : []),
    // Also for a broker: node:child_process adds -A to the command of a Deno that has no flag of a permission.
    ...granting(flags, { env: program.variables, ...ownSocket(program.socket ?? null) }),
    program.script,
    ...program.args,
  ];
}

/** Adds values to flags such as `--allow-env`, which Deno takes only once. */
function granting(flags: ReadonlySet<string>, more: Readonly<Record<string, readonly string[]>>): string[] {
  let all = [...flags];
  for (const [word, values] of Object.entries(more)) {
    const flag = `--allow-${word}`;
    if (values.length === 0 || flags.has(flag)) continue;
    const already = all.find((each) => each.startsWith(`${flag}=`));
    const listed = already?.slice(flag.length + 1);
    const fresh = values.filter((value) => word !== "env" || !listed?.split(",").includes(value));
    const list = [...(listed === undefined ? [] : [listed]), ...fresh].join(",");
    all = [...all.filter((each) => each !== already), `${flag}=${list}`];
  }
  return all;
}

/** What Deno wants for connecting to a Unix socket. A host's name cannot have a comma. */
function ownSocket(path: string | null): Readonly<Record<string, readonly string[]>> {
  return path === null || path.includes(",") ? {} : { read: [path], write: [path], net: [`unix:${path}`] };
}

/** In the lists of file flags, where a comma within a path is doubled. */
function renameTrees(flag: string, { renamed, readable, writable }: DenoProgram): string {
  const [, head, list] = /^(--(?:allow|deny)-(?:read|write)=)(.*)$/s.exec(flag) ?? [];
  if (head === undefined || list === undefined || renamed.size === 0) return flag;
  const values = list.split(/(?<!,)((?:,,)*),(?!,)/).reduce<string[]>((all, part, i) => {
    // Odd parts are doubled commas that stood right before the separator: they belong to the value before it.
    if (i % 2 === 1) all[all.length - 1] += part ?? "";
    else all.push(part);
    return all;
  }, []);
  const trees = head === "--allow-read=" ? readable : head === "--allow-write=" ? writable : [];
  // A place below a renamed tree that has not moved with it was covered by the old name only.
  const stayed = trees.filter((tree) => {
    return !renamed.has(tree) && values.some((value) => renamed.has(value) && tree.startsWith(`${value}/`));
  });
  return head + [
    ...values.map((value) => renameTree(value, renamed)),
    ...stayed.map((tree) => tree.replaceAll(",", ",,")),
  ].join(",");
}

function renameTree(value: string, renamed: ReadonlyMap<string, string>): string {
  for (const [from, to] of renamed) {
    if (value === from || value.startsWith(`${from}/`)) {
      return to.replaceAll(",", ",,") + value.slice(from.length);
    }
  }
  return value;
}
