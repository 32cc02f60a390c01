import { layersFromJson, type PolicyJson, policyToJson } from "./json.ts";
import type { Layer } from "./layer.ts";
import { LayerDraft, type ParseOptions } from "./layer_draft.ts";
import { parseLayers } from "./parse.ts";
import { BOUNDS, isLevel, type Level, LEVELS } from "./vocabulary.ts";
import { shown } from "./text.ts";

/**
 * What may be done. Immutable.
 *
 * A policy is a list of layers of rules; a need is allowed when every layer allows it. One text is one layer;
 * {@linkcode meet} puts the layers of two policies together.
 */
export class Policy {
  /** Its layers: each distinct, none that another one makes superfluous, in a fixed order. */
  readonly layers: readonly Layer[];
  /** The level it is; null where it is anything else. */
  readonly level: Level | null;
  /** When it ends, in milliseconds since 1970; afterwards it allows nothing. */
  readonly expires?: number;
  /** The longest a command may run under it, in milliseconds. */
  readonly maxExecTimeMs?: number;

  /**
   * For the functions of this folder; elsewhere use {@linkcode Policy.parse} and its like.
   *
   * @throws {RangeError} If more layers are left than a policy may have.
   */
  constructor(layers: readonly Layer[]) {
    this.layers = Object.freeze(reduce(layers));
    if (this.layers.length > BOUNDS.layers) {
      throw new RangeError(
        `Cannot make a policy of ${this.layers.length} layers: the limit is ${BOUNDS.layers}`,
      );
    }
    const only = this.layers.length === 1 ? this.layers[0]!.parts : null;
    const plain = only !== null && only.own.length === 0 && only.expires === undefined &&
      only.maxExecTimeMs === undefined && only.blocks.length === 0;
    this.level = plain ? only.level : null;
    this.expires = least(this.layers.map((layer) => layer.parts.expires));
    this.maxExecTimeMs = least(this.layers.map((layer) => layer.parts.maxExecTimeMs));
  }

  /**
   * Reads policy text, such as `fs.read:/srv/data/**`: one rule a line, `#` begins a comment. Besides rules there are
   * `level:NAME` (all rules of a level), `blocks:paths` and `blocks:commands` (the default blocks), `expires:TIME`,
   * `max_exec_time_ms:N`, and `and`, which begins a further layer.
   *
   * @param texts One text, or a list of rules.
   * @throws {PolicySyntaxError} Pointing at the character that cannot be read.
   */
  static parse(texts: string | readonly string[], options: ParseOptions = {}): Policy {
    return new Policy(parseLayers(texts, options));
  }

  /**
   * Reads a policy from JSON: a text, a list of rules, or an object as {@linkcode Policy.toJson} writes it.
   *
   * @throws {PolicySyntaxError} On a rule that cannot be read.
   * @throws {TypeError} On any other shape.
   */
  static fromJson(value: unknown, options: ParseOptions = {}): Policy {
    return new Policy(layersFromJson(value, options));
  }

  /**
   * The policy of a level.
   *
   * @param home One more home, besides `/root` and those in `/home`, whose keys and credentials are blocked.
   * @throws {RangeError} On a name that is no level.
   */
  static level(level: Level, home?: string): Policy {
    if (!isLevel(level)) {
      throw new RangeError(`Cannot use level ${shown(String(level))}: it is none of ${LEVELS.join(", ")}`);
    }
    const draft = new LayerDraft({ home });
    draft.level(level);
    return new Policy([draft.finish()]);
  }

  /** The policy as JSON; {@linkcode Policy.fromJson} reads it back. */
  toJson(): PolicyJson {
    return policyToJson(this.layers);
  }

  /** The policy as text, the same for policies made of the same layers; {@linkcode Policy.parse} reads it back. */
  toString(): string {
    return this.layers.map((layer) => layer.text).join("\nand\n");
  }

  /** For `JSON.stringify`. */
  toJSON(): PolicyJson {
    return this.toJson();
  }
}

/** The most that both policies allow. Associative, commutative, idempotent. */
export function meet(a: Policy, b: Policy): Policy {
  return a === b ? a : new Policy([...a.layers, ...b.layers]);
}

/** Keeps one of equal layers and none that a narrower one makes superfluous. */
function reduce(layers: readonly Layer[]): Layer[] {
  const distinct = new Map<string, Layer>();
  for (const layer of layers) {
    const known = distinct.get(layer.key);
    // Of two spellings of the same layer the choice must not depend on their order.
    if (known === undefined || spelling(layer) < spelling(known)) distinct.set(layer.key, layer);
  }
  const all = [...distinct.values()];
  return all
    .filter((layer) =>
      !all.some((other) =>
        other !== layer && other.within(layer) && !(layer.within(other) && layer.key < other.key)
      )
    )
    .sort((a, b) => (a.key < b.key ? -1 : 1));
}

function spelling(layer: Layer): string {
  return `${layer.parts.level === null ? 1 : 0}${layer.text}\n${layer.parts.label}`;
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
