/**
 * The project a script belongs to, and how the name `@clove/sdk` finds its module there.
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseJsonc } from "./jsonc.ts";
import { isWithin } from "../../worlds/view.ts";

/** Files that make a directory a project, in the order Deno looks for them. */
const DENO_CONFIGS = ["deno.json", "deno.jsonc"] as const;
const MARKERS = [...DENO_CONFIGS, "package.json", "pyproject.toml"] as const;
/** Larger configuration files are not looked into. */
const CONFIG_BYTES = 1024 * 1024;
/** How scripts may write the SDK's name. Ranges are literal keys in an import map. */
const SDK_NAMES = [
  "@clove/sdk",
  ...["", "@0", "@^0", "@0.1", "@^0.1", "@~0.1", "@0.1.0", "@^0.1.0", "@~0.1.0"].map((v) =>
    `jsr:@clove/sdk${v}`
  ),
];

/** What surrounds a script. */
export interface Project {
  /** The directory (or the lone file) that the agent needs to see, on the host. */
  readonly root: string;
  /** The Deno configuration in force, on the host; null without one. */
  readonly config: string | null;
}

/**
 * Finds the nearest directory upwards that is a project, else the script's own. Places that many programs share (`/`,
 * `/tmp`, a home) are never taken whole: a stray `package.json` there must not lay everything open; a script that
 * lies directly in one is a project of one file.
 *
 * @param script Resolved path on the host.
 * @param top Nothing above it is looked at.
 */
export async function findProject(script: string, top = "/"): Promise<Project> {
  for (let at = dirname(script); isWithin(at, top) && !isShared(at); at = dirname(at)) {
    const found = await Promise.all(MARKERS.map((name) => readSmall(join(at, name))));
    if (!found.some((text) => text !== null)) continue;
    const config = DENO_CONFIGS.findIndex((_, i) => found[i] !== null);
    return { root: at, config: config < 0 ? null : join(at, DENO_CONFIGS[config]!) };
  }
  const own = dirname(script);
  return { root: isShared(own) ? script : own, config: null };
}

function isShared(directory: string): boolean {
  return ["/", "/tmp", "/var/tmp", "/home", "/root", "/usr", "/etc", "/var", "/opt", homedir()].includes(
    directory,
  );
}

/**
 * The `--import-map` that makes `@clove/sdk` resolve, as a `data:` URL so that nobody can change it; null when the
 * project resolves the name itself. The project's own imports are kept.
 *
 * @param sdk Where the agent finds the SDK's bundle: an absolute path as seen inside.
 */
export async function importMapFor(project: Project, sdk: string): Promise<string | null> {
  const config = project.config ? asObject(await readConfig(project.config)) : {};
  const file = typeof config.importMap === "string" ? join(dirname(project.config!), config.importMap) : null;
  const map = file ? asObject(await readConfig(file)) : config;
  if (await resolvesSdk(project, config, asObject(map.imports))) return null;
  const base = pathToFileURL(file ?? project.config ?? `${project.root}/`);
  const own = Object.fromEntries(SDK_NAMES.map((name) => [name, pathToFileURL(sdk).href]));
  const scopes = Object.entries(asObject(map.scopes)).map(([scope, imports]) => {
    return [absolute(scope, base), absoluteAll(asObject(imports), base)];
  });
  const merged = {
    imports: { ...own, ...absoluteAll(asObject(map.imports), base) },
    scopes: Object.fromEntries(scopes),
  };
  return `data:application/json,${encodeURIComponent(JSON.stringify(merged))}`;
}

async function resolvesSdk(
  project: Project,
  config: Record<string, unknown>,
  imports: Record<string, unknown>,
): Promise<boolean> {
  if ("@clove/sdk" in imports || config.name === "@clove/sdk") return true;
  const manifest = asObject(await readConfig(join(project.root, "package.json")));
  if ("@clove/sdk" in asObject(manifest.dependencies)) return true;
  const workspace = Array.isArray(config.workspace) ? config.workspace : asObject(config.workspace).members;
  for (const member of Array.isArray(workspace) ? workspace : []) {
    if (typeof member !== "string" || !project.config) continue;
    for (const name of DENO_CONFIGS) {
      const of = asObject(await readConfig(join(dirname(project.config), member, name)));
      if (of.name === "@clove/sdk") return true;
    }
  }
  return false;
}

/** Null for what is not there or cannot be understood: Deno itself will say what is wrong with it. */
async function readConfig(path: string): Promise<unknown> {
  const text = await readSmall(path);
  if (text === null) return null;
  try {
    return parseJsonc(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

async function readSmall(path: string): Promise<string | null> {
  try {
    const text = await readFile(path, "utf8");
    return text.length > CONFIG_BYTES ? null : text;
  } catch (error) {
    const code = (error as { code?: string }).code ?? "";
    if (["ENOENT", "ENOTDIR", "EACCES", "EISDIR", "ELOOP"].includes(code)) return null;
    throw error;
  }
}

function absoluteAll(imports: Record<string, unknown>, base: URL): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(imports).map(([name, target]) => {
      return [absolute(name, base), typeof target === "string" ? absolute(target, base) : target];
    }),
  );
}

/** Relative to the file they stood in; bare names and URLs stay. */
function absolute(specifier: string, base: URL): string {
  return /^\.{0,2}\//.test(specifier) ? new URL(specifier, base).href : specifier;
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : {};
}
