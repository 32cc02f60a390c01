/**
 * The options that say what an agent is to be: shared by `run` and `spawn`.
 *
 * @module
 */
import { resolve } from "node:path";
import type { AgentSpawnParams } from "@clove/sdk";
import { CliError, STATUS, UsageError } from "./exit.ts";
import { policyLines } from "./learning.ts";
import type { Values } from "./options.ts";
import { parseBytes, parseNumber } from "./units.ts";
import { parseWalls } from "./walls.ts";

/** What {@link agentParams} reads. */
export const AGENT_OPTIONS = {
  name: { type: "string" },
  level: { type: "string" },
  allow: { type: "string", multiple: true },
  deny: { type: "string", multiple: true },
  policy: { type: "string" },
  require: { type: "string", multiple: true },
  memory: { type: "string" },
  cpus: { type: "string" },
  pids: { type: "string" },
  workdir: { type: "string" },
  ro: { type: "string", multiple: true },
  rw: { type: "string", multiple: true },
  env: { type: "string", multiple: true },
} as const;

/** Their part of the help. */
export const AGENT_HELP = `  --name NAME          its name, for messages, ps and logs          [agent_NUMBER]
  --level LEVEL        unrestricted, standard, sandboxed, readonly or minimal   [sandboxed]
  --allow RULE         one more rule, such as net:https://example.com
  --deny RULE          refuse this, whatever else allows it
  --policy FILE        rules from a file, one a line or as --learn writes them; without
                       --level nothing but these
  --require WALL,...   refuse to start without these walls: pid mount net uts ipc user
                       caps seccomp landlock cgroup, namespaces, all
  --memory SIZE        most memory, such as 256M                    [256M]
  --cpus NUMBER        most CPU time, such as 0.5                   [1]
  --pids NUMBER        most processes and threads                   [64]
  --workdir DIR        directory it works in, as /work              [a private one]
  --ro PATH            let it read this
  --rw PATH            let it read and write this
  --env NAME=VALUE     a variable; --env NAME takes the value from here, so that no
                       secret stands in a command line
`;

/** The part of a SPAWN that is not the program. */
export type AgentParams = Pick<
  AgentSpawnParams,
  "name" | "level" | "policy" | "require" | "limits" | "workdir" | "ro" | "rw" | "env"
>;

/**
 * Turns options into what SPAWN takes.
 *
 * @throws {UsageError} On a value that cannot be meant.
 * @throws {CliError} When a file or directory is not there.
 */
export async function agentParams(values: Values<typeof AGENT_OPTIONS>): Promise<AgentParams> {
  const { name, level, memory, cpus, pids, workdir, ro, rw, env } = values;
  const limits = {
    ...(memory === undefined ? {} : { memory: parseBytes("--memory", memory) }),
    ...(cpus === undefined ? {} : { cpu: parseNumber("--cpus", cpus, false) }),
    ...(pids === undefined ? {} : { max_pids: parseNumber("--pids", pids, true) }),
  };
  const rules = await readRules(values);
  return {
    ...(name === undefined ? {} : { name }),
    // Rules on their own would be the whole policy; beside a level they are added to it.
    ...(rules.length > 0 && values.policy === undefined ? { level: parseLevel(level) ?? "sandboxed" } : {}),
    ...(level === undefined ? {} : { level: parseLevel(level) }),
    ...(rules.length > 0 || values.policy !== undefined ? { policy: rules } : {}),
    ...(values.require ? { require: parseWalls(values.require) } : {}),
    ...(Object.keys(limits).length > 0 ? { limits } : {}),
    ...(workdir === undefined ? {} : { workdir: await existing("--workdir", workdir) }),
    ...(ro ? { ro: await Promise.all(ro.map((path) => existing("--ro", path))) } : {}),
    ...(rw ? { rw: await Promise.all(rw.map((path) => existing("--rw", path))) } : {}),
    ...(env ? { env: Object.fromEntries(env.map(variable)) } : {}),
  };
}

type Level = NonNullable<AgentSpawnParams["level"]>;

const LEVELS: Readonly<Record<Level, true>> = {
  unrestricted: true,
  standard: true,
  sandboxed: true,
  readonly: true,
  minimal: true,
};

/**
 * Reads the name of a level.
 *
 * @throws {UsageError} When there is no such level.
 */
export function parseLevel(text: string | undefined): Level | undefined {
  if (text === undefined || Object.hasOwn(LEVELS, text)) return text as Level | undefined;
  throw new UsageError(`Cannot use level "${text}": choose from ${Object.keys(LEVELS).join(", ")}`);
}

/**
 * Collects rules: of a file, then those on the command line.
 *
 * @throws {CliError} When the file cannot be read.
 */
export async function readRules(
  { policy, allow = [], deny = [] }: {
    readonly policy?: string;
    readonly allow?: readonly string[];
    readonly deny?: readonly string[];
  },
): Promise<string[]> {
  const file = policy === undefined ? [] : policyLines(await readPolicy(policy), policy);
  return [...file, ...allow, ...deny.map((rule) => `deny ${rule}`)];
}

async function readPolicy(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    throw new CliError(STATUS.failed, `Cannot read the policy "${path}": ${reason(cause)}`, { cause });
  }
}

/** The kernel has another directory than this process: it is told absolute paths. */
async function existing(option: string, path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    await Deno.lstat(absolute);
  } catch (cause) {
    throw new CliError(STATUS.failed, `Cannot use ${option} "${path}": ${reason(cause)}`, { cause });
  }
  return absolute;
}

function reason(cause: unknown): string {
  if (cause instanceof Deno.errors.NotFound) return "there is no such file or directory";
  if (cause instanceof Deno.errors.PermissionDenied) return "it may not be read";
  return cause instanceof Error ? cause.message : String(cause);
}

function variable(text: string): [string, string] {
  const equals = text.indexOf("=");
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  const value = equals < 0 && text !== "" ? Deno.env.get(text) : undefined;
  if (value !== undefined) return [text, value];
  throw new UsageError(
    equals === 0
      ? `Cannot use --env "${text}": the name is missing, write NAME=VALUE`
      : `Cannot use --env "${text}": no such variable is set here, write ${text || "NAME"}=VALUE`,
  );
}
