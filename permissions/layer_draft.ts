import { BlockedCommandsPattern } from "./blocked_commands.ts";
import { BLOCKED_PATHS, expandBlockedPath, isUsualHome } from "./blocked_paths.ts";
import { type BlockList, Layer, lineOf } from "./layer.ts";
import { LEVEL_RULES } from "./levels.ts";
import { LineReader } from "./line_reader.ts";
import { readRule } from "./read_rule.ts";
import { Rule } from "./rule.ts";
import { shown } from "./text.ts";
import type { Level } from "./vocabulary.ts";

/** What a policy text is read with. */
export interface ParseOptions {
  /** What `~` stands for; absolute. Without it only the default blocks may say `~`. */
  readonly home?: string;
  /** How receipts call the policy; `policy` unless it is a level. */
  readonly name?: string;
}

/** The default blocks as rules. */
function blockRules(list: BlockList, home: string | undefined, origin: string): Rule[] {
  if (list === "commands") {
    const pattern = new BlockedCommandsPattern();
    return (["exec", "exec.shell"] as const).map((capability) =>
      new Rule({ deny: true, capability, pattern, origin })
    );
  }
  return BLOCKED_PATHS.flatMap((block) =>
    expandBlockedPath(block, home).flatMap((pattern) =>
      (["fs.read", "fs.write"] as const).map((capability) =>
        new Rule({ deny: true, capability, pattern, origin, block })
      )
    )
  );
}

/** Collects a layer while its lines are read. */
export class LayerDraft {
  readonly #home: string | undefined;
  readonly #name: string | undefined;
  #level: Level | null = null;
  #levelHome: string | undefined;
  readonly #blocks = new Set<BlockList>();
  readonly #own: Rule[] = [];
  /** When the layer ends, in milliseconds since 1970. */
  expires: number | undefined;
  /** The longest a command may run, in milliseconds. */
  maxExecTimeMs: number | undefined;

  /** @throws {TypeError} If the home is not an absolute path. */
  constructor(options: ParseOptions) {
    if (options.home !== undefined && !options.home.startsWith("/")) {
      throw new TypeError(`Cannot use ${shown(options.home)} as a home: it is not an absolute path`);
    }
    this.#home = options.home;
    this.#name = options.name;
  }

  /** What `~` stands for. */
  get home(): string | undefined {
    return this.#home;
  }

  /** How receipts call the layer's own rules. */
  get name(): string {
    return this.#name ?? "policy";
  }

  /** Whether a level was named. */
  get hasLevel(): boolean {
    return this.#level !== null;
  }

  /** How many rules of its own it has. */
  get size(): number {
    return this.#own.length;
  }

  /** Takes in a level's rules and blocks. */
  level(level: Level, home = this.#home): void {
    this.#level = level;
    this.#levelHome = home;
  }

  /** Takes in default blocks. */
  block(list: BlockList, home = this.#home): void {
    this.#blocks.add(list);
    this.#levelHome = home;
  }

  /** Takes in one rule. */
  add(rule: Rule): void {
    this.#own.push(rule);
  }

  /** The layer. */
  finish(): Layer {
    // A usual one changes nothing, and policies that mean the same are to read the same.
    const home = this.#levelHome !== undefined && isUsualHome(this.#levelHome) ? undefined : this.#levelHome;
    const rules: Rule[] = [];
    if (this.#level !== null) {
      const origin = `level ${this.#level}`;
      for (const line of LEVEL_RULES[this.#level]) {
        rules.push(readRule(new LineReader(line, 1), undefined, origin));
      }
      if (this.#level !== "unrestricted") {
        for (const list of ["paths", "commands"] as const) {
          rules.push(...blockRules(list, home, origin));
          this.#blocks.delete(list);
        }
      }
    }
    for (const list of this.#blocks) rules.push(...blockRules(list, home, "default blocks"));
    const known = new Set(rules.map(lineOf));
    const own = this.#own.filter((rule) => !known.has(lineOf(rule)));
    const label = this.#name ?? (this.#level === null ? "policy" : `level ${this.#level}`);
    return new Layer({
      label,
      level: this.#level,
      blocks: [...this.#blocks],
      home,
      rules: [...rules, ...own],
      own,
      expires: this.expires,
      maxExecTimeMs: this.maxExecTimeMs,
    });
  }
}
