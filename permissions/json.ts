import { type BlockList, type Layer, lineOf } from "./layer.ts";
import type { ParseOptions } from "./layer_draft.ts";
import { parseLayers } from "./parse.ts";
import { quoted, shown } from "./text.ts";
import { BOUNDS, type Level } from "./vocabulary.ts";

/** One layer as JSON. */
export interface LayerJson {
  /** All rules of this level. */
  readonly level?: Level;
  /** Default blocks to add. */
  readonly blocks?: readonly BlockList[];
  /** What `~` stood for in level and blocks. */
  readonly home?: string;
  /** Rules that allow, such as `fs.read:/work/**`. */
  readonly allow?: readonly string[];
  /** Rules that refuse, without the word `deny`. */
  readonly deny?: readonly string[];
  /** ISO 8601 with a zone. */
  readonly expires?: string;
  /** Milliseconds. */
  readonly max_exec_time_ms?: number;
}

/** A policy as JSON: its only layer, or all of them. */
export type PolicyJson = LayerJson | { readonly layers: readonly LayerJson[] };

const LISTS = ["allow", "deny", "blocks"] as const;
const KEYS: ReadonlySet<string> = new Set(["level", "home", "expires", "max_exec_time_ms", ...LISTS]);

/** Writes layers as JSON. */
export function policyToJson(layers: readonly Layer[]): PolicyJson {
  const all = layers.map(layerToJson);
  return all.length === 1 ? all[0]! : { layers: all };
}

/**
 * Reads layers from JSON.
 *
 * @throws {PolicySyntaxError} On a rule that cannot be read.
 * @throws {TypeError} On any other shape.
 */
export function layersFromJson(value: unknown, options: ParseOptions): Layer[] {
  if (typeof value === "string") return parseLayers(value, options);
  if (Array.isArray(value)) return parseLayers(lines(value, "the policy"), options);
  const object = asObject(value, "the policy");
  if (!Object.hasOwn(object, "layers")) return layerFromJson(object, options);
  const extra = Object.keys(object).find((key) => key !== "layers");
  if (extra !== undefined) throw wrong("the policy", `the key ${shown(extra)} stands beside "layers"`);
  const { layers } = object;
  if (!Array.isArray(layers) || layers.length === 0 || layers.length > BOUNDS.layers) {
    throw wrong('"layers"', `it is not a list of 1 to ${BOUNDS.layers} layers`);
  }
  return layers.flatMap((layer) => layerFromJson(asObject(layer, "a layer"), options));
}

function layerToJson({ parts }: Layer): LayerJson {
  const json: Record<string, unknown> = {};
  if (parts.level !== null) json.level = parts.level;
  if (parts.blocks.length > 0) json.blocks = [...parts.blocks].sort();
  if (parts.home !== undefined) json.home = parts.home;
  const allow = parts.own.filter((rule) => !rule.deny).map(lineOf).sort();
  const deny = parts.own.filter((rule) => rule.deny).map((rule) => rule.text).sort();
  if (allow.length > 0 || parts.level === null) json.allow = allow;
  if (deny.length > 0) json.deny = deny;
  if (parts.expires !== undefined) json.expires = new Date(parts.expires).toISOString();
  if (parts.maxExecTimeMs !== undefined) json.max_exec_time_ms = parts.maxExecTimeMs;
  return json;
}

/** Turns the object into text, so that there is one reader and one set of errors. */
function layerFromJson(object: Record<string, unknown>, options: ParseOptions): Layer[] {
  const unknown = Object.keys(object).find((key) => !KEYS.has(key));
  if (unknown !== undefined) {
    throw wrong("the policy", `unknown key ${shown(unknown)}, known are ${[...KEYS].join(", ")}`);
  }
  const text: string[] = [];
  const home = string(object, "home");
  const suffix = home === undefined ? "" : ` home=${quoted(home)}`;
  const level = string(object, "level");
  if (level !== undefined) text.push(`level:${level}${suffix}`);
  for (const list of lines(object.blocks ?? [], '"blocks"')) text.push(`blocks:${list}${suffix}`);
  for (const rule of lines(object.allow ?? [], '"allow"')) {
    if (/^\s*(?:deny\s|and\s*$)/.test(rule)) throw wrong('"allow"', `${shown(rule)} is no rule that allows`);
    text.push(rule);
  }
  for (const rule of lines(object.deny ?? [], '"deny"')) {
    text.push(`deny ${rule.replace(/^\s*(?:deny\s+)?/, "")}`);
  }
  const expires = string(object, "expires");
  if (expires !== undefined) text.push(`expires:${expires}`);
  const limit = object.max_exec_time_ms;
  if (limit !== undefined && limit !== null) {
    if (!Number.isSafeInteger(limit) || (limit as number) < 0) {
      throw wrong('"max_exec_time_ms"', "it is not a whole number of milliseconds");
    }
    text.push(`max_exec_time_ms:${limit}`);
  }
  return parseLayers(text, options);
}

function lines(value: unknown, where: string): string[] {
  if (!Array.isArray(value)) throw wrong(where, "it is not a list of texts");
  return value.map((item) => {
    if (typeof item !== "string") throw wrong(where, "one of its items is not a text");
    if (/[\r\n]/.test(item)) throw wrong(where, `${shown(item)} holds a line break, write one rule an item`);
    return item;
  });
}

function string(object: Record<string, unknown>, key: string): string | undefined {
  const value = object[key] ?? undefined;
  if (value !== undefined && (typeof value !== "string" || /[\r\n\s]/.test(value.trim()) && key !== "home")) {
    throw wrong(quoted(key), "it is not a single word");
  }
  return value as string | undefined;
}

function asObject(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrong(what, "it is neither a text, a list of rules nor an object");
  }
  return value as Record<string, unknown>;
}

function wrong(where: string, problem: string): TypeError {
  return new TypeError(`Cannot read ${where} as a policy: ${problem}`);
}
