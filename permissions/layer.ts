import { classify, parseAddress } from "./address.ts";
import { BlockedCommandsPattern } from "./blocked_commands.ts";
import type { Spending } from "./ledger.ts";
import type { Need } from "./need.ts";
import { NetPattern } from "./net_pattern.ts";
import type { Rule } from "./rule.ts";
import { quoted } from "./text.ts";
import type { Capability, Level } from "./vocabulary.ts";

/** Which of the default blocks a layer repeats on its own. */
export type BlockList = "paths" | "commands";

/** What a layer is made of. */
export interface LayerParts {
  /** How receipts call it, such as `level sandboxed`. */
  readonly label: string;
  /** The level whose rules are among its rules. */
  readonly level: Level | null;
  /** Default blocks that are among its rules, other than the level's. */
  readonly blocks: readonly BlockList[];
  /** What `~` stood for in level and blocks. */
  readonly home?: string;
  /** All its rules: the level's, the blocks', and its own. */
  readonly rules: readonly Rule[];
  /** Those of them that are its own. */
  readonly own: readonly Rule[];
  /** When it ends, in milliseconds since 1970. */
  readonly expires?: number;
  /** The longest a command may run, in milliseconds. */
  readonly maxExecTimeMs?: number;
}

interface Shelf {
  readonly allow: Rule[];
  readonly deny: Rule[];
}

/** Rules that stand together: a need is allowed when a rule allows it and no deny refuses it. */
export class Layer {
  readonly parts: LayerParts;
  /** The same for layers that mean the same rules, however they were written. */
  readonly key: string;
  /** The layer as policy text, one rule a line. */
  readonly text: string;
  readonly #shelves: ReadonlyMap<Capability, Shelf>;
  readonly #allows: ReadonlySet<string>;
  readonly #denies: ReadonlySet<string>;
  readonly #wide: ReadonlySet<Capability>;

  constructor(parts: LayerParts) {
    const rules = distinct(parts.rules);
    this.parts = { ...parts, rules, own: distinct(parts.own) };
    const shelves = new Map<Capability, Shelf>();
    for (const rule of rules) {
      let shelf = shelves.get(rule.capability);
      if (shelf === undefined) shelves.set(rule.capability, shelf = { allow: [], deny: [] });
      (rule.deny ? shelf.deny : shelf.allow).push(rule);
    }
    this.#shelves = shelves;
    this.#allows = new Set(rules.filter((rule) => !rule.deny).map((rule) => rule.text));
    this.#denies = new Set(rules.filter((rule) => rule.deny).map((rule) => rule.text));
    this.#wide = new Set(rules.filter((rule) => !rule.deny && rule.all).map((rule) => rule.capability));
    const frame = [
      ...(parts.expires === undefined ? [] : [`expires:${new Date(parts.expires).toISOString()}`]),
      ...(parts.maxExecTimeMs === undefined ? [] : [`max_exec_time_ms:${parts.maxExecTimeMs}`]),
    ];
    this.key = [
      ...[...this.#denies].sort().map((text) => `deny ${text}`),
      ...[...this.#allows].sort(),
      ...frame,
    ]
      .join("\n");
    const home = parts.home === undefined
      ? ""
      : ` home=${/^[^\s"#\\]+$/.test(parts.home) ? parts.home : quoted(parts.home)}`;
    this.text = [
      ...(parts.level === null ? [] : [`level:${parts.level}${home}`]),
      ...[...parts.blocks].sort().map((list) => `blocks:${list}${home}`),
      ...this.parts.own.map(lineOf).sort(),
      ...frame,
    ].join("\n");
  }

  /** The rule that allows a need; null when none does or a deny refuses it. Does not look at the clock. */
  decide(need: Need, spent: Spending | null): Rule | null {
    const shelf = this.#shelves.get(need.capability);
    if (shelf === undefined) return null;
    const { allow, deny } = shelf;
    for (let i = 0; i < deny.length; i++) if (deny[i]!.pattern.denies(need)) return null;
    for (let i = 0; i < allow.length; i++) if (allow[i]!.allows(need, spent)) return allow[i]!;
    return need.url?.address === undefined ? null : byNameAndAddress(allow, need);
  }

  /** Whether a deny of this layer refuses a need. */
  denies(need: Need): boolean {
    return this.#shelves.get(need.capability)?.deny.some((rule) => rule.pattern.denies(need)) ?? false;
  }

  /** Why a need is refused: the rule, as receipts show it, and whether only a limit is in the way. */
  refusal(need: Need, spent: Spending | null): { readonly rule: string; readonly quota: boolean } {
    const { capability } = need;
    const shelf = this.#shelves.get(capability);
    // What nothing allows is refused for that: a deny is worth naming only where it makes the difference.
    const allow = shelf?.allow.find((rule) => rule.pattern.allows(need));
    if (allow !== undefined) {
      const deny = shelf!.deny.find((rule) => rule.pattern.denies(need));
      if (deny !== undefined) {
        const which = deny.pattern instanceof BlockedCommandsPattern ? deny.pattern.which(need) : deny.block;
        const what = which === null ? `deny ${deny.text}` : `blocks ${quoted(which)}`;
        return { rule: `${deny.origin}: ${what}`, quota: false };
      }
      const shortage = allow.shortage(need, spent);
      if (shortage !== null) return { rule: `${allow.origin}: ${allow.text}, ${shortage}`, quota: true };
    }
    for (const rule of shelf?.allow ?? []) {
      const miss = rule.pattern instanceof NetPattern ? rule.pattern.nearMiss(need) : null;
      if (miss !== null) return { rule: `${rule.origin}: ${rule.text}, ${miss}`, quota: false };
    }
    const patterns = (shelf?.allow ?? []).map((rule) => rule.text.slice(capability.length + 1));
    const more = patterns.length > SHOWN ? ` and ${patterns.length - SHOWN} more` : "";
    const listed = patterns.length === 0 ? "nothing" : patterns.slice(0, SHOWN).join(", ") + more;
    return { rule: `${this.parts.label}: ${capability} allows ${listed}`, quota: false };
  }

  /** The rules of one capability that allow. */
  allowing(capability: Capability): readonly Rule[] {
    return this.#shelves.get(capability)?.allow ?? [];
  }

  /** The rules of one capability that deny. */
  denying(capability: Capability): readonly Rule[] {
    return this.#shelves.get(capability)?.deny ?? [];
  }

  /**
   * Whether this layer plainly allows no more than another: each of its rules is among the other's, or the other
   * allows all of that capability; each deny of the other is among its own. An order, so that what is left of a
   * set of layers after dropping the wider ones does not depend on the way there.
   */
  within(other: Layer): boolean {
    if ((this.parts.expires ?? Infinity) > (other.parts.expires ?? Infinity)) return false;
    if ((this.parts.maxExecTimeMs ?? Infinity) > (other.parts.maxExecTimeMs ?? Infinity)) return false;
    for (const text of other.#denies) if (!this.#denies.has(text)) return false;
    for (const rule of this.parts.rules) {
      if (!rule.deny && !other.#allows.has(rule.text) && !other.#wide.has(rule.capability)) return false;
    }
    return true;
  }
}

/** Allow patterns that a refusal repeats. */
const SHOWN = 4;

/** A rule as it stands in a policy text. */
export function lineOf(rule: Rule): string {
  return rule.deny ? `deny ${rule.text}` : rule.text;
}

function distinct(rules: readonly Rule[]): readonly Rule[] {
  return [...new Map(rules.map((rule) => [lineOf(rule), rule])).values()];
}

/** A host that one rule allows may lead to an address that only another rule of the same layer names. */
function byNameAndAddress(allow: readonly Rule[], need: Need): Rule | null {
  const address = parseAddress(need.url!.address!);
  if (address === null || classify(address) === "public") return null;
  const named = allow.some(({ pattern }) => pattern instanceof NetPattern && pattern.namesAddress(need));
  if (!named) return null;
  return allow.find(({ pattern }) =>
    pattern instanceof NetPattern && pattern.hosts.kind !== "range" && pattern.hosts.kind !== "private" &&
    pattern.fits(need)
  ) ?? null;
}
