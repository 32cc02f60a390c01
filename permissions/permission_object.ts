import { ArgvPattern } from "./argv_pattern.ts";
import { BLOCKED_COMMANDS, BlockedCommandsPattern } from "./blocked_commands.ts";
import { BLOCKED_PATHS, expandBlockedPath } from "./blocked_paths.ts";
import { Fields } from "./fields.ts";
import type { Layer } from "./layer.ts";
import type { Usage } from "./ledger.ts";
import { NamePattern, ProgramPattern } from "./name_pattern.ts";
import { NetPattern } from "./net_pattern.ts";
import { LayerDraft } from "./layer_draft.ts";
import { PathPattern } from "./path_pattern.ts";
import type { Pattern } from "./pattern.ts";
import { Policy } from "./policy.ts";
import { type Limits, Rule } from "./rule.ts";
import { shared } from "./shared.ts";
import { PatternError } from "./syntax_error.ts";
import { shown } from "./text.ts";
import type { Capability, Level } from "./vocabulary.ts";

/** The permission object of GET_PERMS and SET_PERMS. */
export interface PermissionObject {
  can_exec: boolean;
  can_read: boolean;
  can_write: boolean;
  can_think: boolean;
  can_spawn: boolean;
  can_http: boolean;
  filesystem: {
    /** Readable path patterns; empty for all, where `can_read`. */
    read: string[];
    /** Writable path patterns; empty for all, where `can_write`. */
    write: string[];
    /** Denied for both. */
    blocked: string[];
  };
  /** Allowed commands; empty for none. */
  exec: string[];
  /** Denied commands. */
  blocked_commands: string[];
  /** Allowed hosts; empty for none. */
  network: string[];
  /** Allowed methods; empty for none. */
  http_methods: string[];
  llm: {
    /** Quota of tokens; 0 for none. */
    max_tokens: number;
    /** Quota of calls; 0 for none. */
    max_calls: number;
    tokens_used: number;
    calls_made: number;
  };
  /** The longest a command may run. */
  max_exec_time_ms: number;
}

/** The permissions of an agent as GET_PERMS shows them. */
export interface PermissionView {
  permissions: PermissionObject;
  /** The level, or `custom`. */
  level: Level | "custom";
  /** Readable path patterns; empty for none. */
  paths: string[];
  /** Allowed commands; empty for none. */
  commands: string[];
  /** Allowed hosts; empty for none. */
  domains: string[];
}

/** What clients see where no policy limits a command's time. */
const EXEC_TIME_MS = 30_000;

/**
 * Shows a policy as clients know it. What the object cannot say is shown as less, never as more: of layers
 * that overlap only in part, only what lies within all of them.
 */
export function toPermissionObject(policy: Policy, usage: Usage): PermissionView {
  const read = shared(policy, "fs.read");
  const write = shared(policy, "fs.write");
  const exec = texts(
    shared(policy, "exec").filter((rule) => !(rule.pattern instanceof BlockedCommandsPattern)),
  );
  const net = shared(policy, "net");
  const network = distinct(net.map(({ pattern }) => placeOf(pattern)));
  const methods = distinct(
    net.flatMap(({ pattern }) => pattern instanceof NetPattern ? pattern.words.methods ?? ["*"] : []),
  );
  const calls = quota(policy, "calls");
  const tokens = quota(policy, "tokens");
  const permissions: PermissionObject = {
    can_exec: exec.length > 0,
    can_read: read.length > 0,
    can_write: write.length > 0,
    can_think: shared(policy, "think").length > 0 && calls > 0 && tokens > 0,
    can_spawn: shared(policy, "spawn").length > 0,
    can_http: network.length > 0,
    filesystem: {
      read: read.some((rule) => rule.all) ? [] : texts(read),
      write: write.some((rule) => rule.all) ? [] : texts(write),
      blocked: blockedPaths(policy),
    },
    exec,
    blocked_commands: blockedCommands(policy),
    network,
    http_methods: methods.includes("*") ? ["*"] : methods,
    llm: {
      max_tokens: tokens === Infinity ? 0 : tokens,
      max_calls: calls === Infinity ? 0 : calls,
      tokens_used: usage.tokens,
      calls_made: usage.calls,
    },
    max_exec_time_ms: policy.maxExecTimeMs ?? EXEC_TIME_MS,
  };
  return {
    permissions,
    level: policy.level ?? "custom",
    paths: texts(read),
    commands: exec,
    domains: network,
  };
}

/**
 * Reads the permission object of SET_PERMS. It stands for the whole policy: what it leaves out has its starting
 * value (nothing to run, spawn or reach; files and models without limit). `exec`, a non-empty `network` and a
 * non-empty `http_methods` switch on what they are about. `paths`, `commands` and `domains` stand in for
 * `filesystem`, `exec` and `network` where those are absent. Messages, state, events and worlds, of which the
 * object does not speak, are allowed.
 *
 * @param options `home`: what `~` stands for; `keepBlocks`: whether the default blocks hold though the object does
 *   not repeat them, which only an unrestricted caller may waive.
 * @throws {TypeError} On a value of the wrong shape, and on a pattern that is none.
 */
export function fromPermissionObject(
  value: unknown,
  options: { readonly home?: string; readonly keepBlocks?: boolean } = {},
): Policy {
  const { home, keepBlocks = true } = options;
  const object = new Fields(value, "permissions");
  const files = object.fields("filesystem");
  const aliases = object.list("paths");
  const draft = new LayerDraft({ home, name: "permissions" });
  const allow = (capability: Capability, pattern: Pattern, limits: Limits = {}) =>
    draft.add(new Rule({ deny: false, capability, pattern, limits, origin: "permissions" }));
  const deny = (capability: Capability, pattern: Pattern, block?: string) =>
    draft.add(new Rule({ deny: true, capability, pattern, origin: "permissions", block }));

  for (const capability of ["ipc", "state", "event", "world"] as const) {
    allow(capability, new NamePattern("*"));
  }
  for (const [capability, key] of [["fs.read", "read"], ["fs.write", "write"]] as const) {
    if (!object.flag(`can_${key}`, true)) continue;
    const listed = (files === null ? aliases : files.list(key)) ?? [];
    for (const text of listed.length === 0 ? ["/**"] : listed) {
      allow(capability, compiled(`filesystem.${key}`, text, () => new PathPattern(rooted(text), home)));
    }
  }
  const blocked = files?.list("blocked") ?? [];
  if (keepBlocks || BLOCKED_PATHS.every((text) => blocked.includes(text))) draft.block("paths");
  for (const text of blocked) {
    for (const pattern of compiled("filesystem.blocked", text, () => expandBlockedPath(text, home))) {
      for (const capability of ["fs.read", "fs.write"] as const) deny(capability, pattern, text);
    }
  }

  const exec = object.list("exec") ?? object.list("commands");
  if (object.flag("can_exec", false) || exec !== null) {
    for (const text of exec ?? []) allow("exec", compiled("exec", text, () => new ArgvPattern(text)));
  }
  const known: ReadonlySet<string> = new Set(BLOCKED_COMMANDS);
  const commands = object.list("blocked_commands") ?? [];
  if (keepBlocks || commands.some((text) => known.has(text))) draft.block("commands");
  for (const text of commands.filter((each) => !known.has(each))) {
    deny("exec", compiled("blocked_commands", text, () => new ArgvPattern(text)));
  }

  const network = object.list("network") ?? object.list("domains") ?? [];
  const methods = object.list("http_methods") ?? [];
  if (object.flag("can_http", false) || network.length > 0 || methods.length > 0) {
    const words = readMethods(methods);
    if (words !== undefined) {
      for (const text of network) {
        const make = () => new NetPattern(text, { methods: words, path: null, private: false });
        allow("net", compiled("network", text, make));
      }
    }
  }

  if (object.flag("can_spawn", false)) allow("spawn", new ProgramPattern("*"));
  if (object.flag("can_think", true)) {
    const llm = object.fields("llm");
    const calls = llm?.count("max_calls") ?? 0;
    const tokens = llm?.count("max_tokens") ?? 0;
    allow("think", new NamePattern("*"), {
      ...(calls > 0 ? { calls } : {}),
      ...(tokens > 0 ? { tokens } : {}),
    });
  }
  draft.maxExecTimeMs = object.count("max_exec_time_ms") ?? EXEC_TIME_MS;
  return new Policy([draft.finish()]);
}

/** A pattern such as `*` + `/x` could only ever mean a name in the root. */
function rooted(text: string): string {
  return text.startsWith("*/") ? text.slice(1) : text;
}

/** Upper case; null for all, undefined for none. */
function readMethods(methods: readonly string[]): string[] | null | undefined {
  if (methods.length === 0) return undefined;
  if (methods.includes("*")) return null;
  const odd = methods.find((method) => !/^[A-Za-z]+(?:-[A-Za-z]+)*$/.test(method));
  if (odd !== undefined) {
    throw new TypeError(`Cannot read "http_methods": ${shown(odd)} is no method, write GET or *`);
  }
  return distinct(methods.map((method) => method.toUpperCase())).sort();
}

function compiled<T>(key: string, text: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new TypeError(`Cannot read "${key}" at ${shown(text)}: ${error.message}`);
  }
}

/** The tightest quota over all layers; a layer with a rule without one has none. */
function quota(policy: Policy, unit: "calls" | "tokens"): number {
  return Math.min(
    ...policy.layers.map((layer) =>
      Math.max(0, ...layer.allowing("think").map((rule) => rule.limits[unit] ?? Infinity))
    ),
  );
}

function blockedPaths(policy: Policy): string[] {
  return distinct(policy.layers.flatMap((layer) => {
    const written = new Set(layer.denying("fs.write").map(({ pattern }) => pattern.text));
    return layer.denying("fs.read")
      .filter(({ pattern }) => written.has(pattern.text))
      .map((rule) => rule.block ?? rule.pattern.text);
  }));
}

function blockedCommands(policy: Policy): string[] {
  const of = (layer: Layer) =>
    layer.denying("exec").flatMap(({ pattern }) =>
      pattern instanceof BlockedCommandsPattern ? [...BLOCKED_COMMANDS] : [pattern.text]
    );
  return distinct(policy.layers.flatMap(of));
}

function placeOf(pattern: Pattern): string {
  if (!(pattern instanceof NetPattern)) return pattern.text;
  return pattern.hosts.kind === "any" ? "*" : pattern.place;
}

function texts(rules: readonly Rule[]): string[] {
  return distinct(rules.map(({ pattern }) => pattern.text));
}

function distinct(items: readonly string[]): string[] {
  return [...new Set(items)];
}
