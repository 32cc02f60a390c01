import { ArgvPattern } from "./argv_pattern.ts";
import { BlockedCommandsPattern } from "./blocked_commands.ts";
import { BLOCKED_PATHS, expandBlockedPath } from "./blocked_paths.ts";
import { type BlockList, Layer } from "./layer.ts";
import { LEVEL_RULES } from "./levels.ts";
import { NamePattern, ProgramPattern } from "./name_pattern.ts";
import { NetPattern } from "./net_pattern.ts";
import { PathPattern } from "./path_pattern.ts";
import type { Pattern } from "./pattern.ts";
import { ATTRIBUTES, type Limits, Rule } from "./rule.ts";
import { PatternError, PolicySyntaxError } from "./syntax_error.ts";
import { shown } from "./text.ts";
import {
  BOUNDS,
  CAPABILITIES,
  type Capability,
  isCapability,
  isLevel,
  type Level,
  LEVELS,
} from "./vocabulary.ts";
import { readQuoted } from "./words.ts";

/** What a policy text is read with. */
export interface ParseOptions {
  /** What `~` stands for; absolute. Without it only the default blocks may say `~`. */
  readonly home?: string;
  /** How receipts call the policy; `policy` unless it is a level. */
  readonly name?: string;
}

/** A word of a line: bare, or in double quotes. */
interface Token {
  readonly text: string;
  readonly at: number;
  readonly quoted: boolean;
}

/** Reads a policy text: rules, one a line; a line `and` begins another layer, which has to allow as well. */
export function parseLayers(texts: string | readonly string[], options: ParseOptions): Layer[] {
  const text = typeof texts === "string" ? texts : texts.join("\n");
  if (text.length > BOUNDS.policyChars) {
    throw new PolicySyntaxError("", 1, 1, `the policy is longer than ${BOUNDS.policyChars} characters`);
  }
  const layers: Layer[] = [];
  let draft = new LayerDraft(options);
  for (const [i, line] of text.split(/\r\n|\n|\r/).entries()) {
    const reader = new LineReader(line, i + 1);
    if (/^\s*and\s*(?:#.*)?$/.test(line)) {
      layers.push(draft.finish());
      if (layers.length >= BOUNDS.layers) reader.fail(0, `a policy has at most ${BOUNDS.layers} layers`);
      draft = new LayerDraft(options);
    } else {
      readLine(reader, draft);
    }
  }
  layers.push(draft.finish());
  return layers;
}

/** The default blocks as rules. */
export function blockRules(list: BlockList, home: string | undefined, origin: string): Rule[] {
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
    const home = this.#levelHome;
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
    const known = new Set(rules.map((rule) => (rule.deny ? "deny " : "") + rule.text));
    const own = this.#own.filter((rule) => !known.has((rule.deny ? "deny " : "") + rule.text));
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

function readLine(reader: LineReader, draft: LayerDraft): void {
  if (reader.blank()) return;
  const directive = reader.directive();
  switch (directive) {
    case "level":
    case "blocks": {
      const word = reader.word(`a name is missing after "${directive}:"`);
      const home = reader.home();
      if (directive === "blocks") {
        if (word.text !== "paths" && word.text !== "commands") {
          reader.fail(word.at, `unknown list ${shown(word.text)}, known are paths, commands`);
        }
        draft.block(word.text as BlockList, home ?? draft.home);
      } else {
        if (!isLevel(word.text)) {
          reader.fail(word.at, `unknown level ${shown(word.text)}, known are ${LEVELS.join(", ")}`);
        }
        if (draft.hasLevel) reader.fail(word.at, "a layer has one level, begin another with a line `and`");
        draft.level(word.text as Level, home ?? draft.home);
      }
      break;
    }
    case "expires": {
      const word = reader.word("a time is missing, such as 2030-01-01T00:00:00Z");
      const time = parseTime(word.text);
      if (time === null) {
        reader.fail(word.at, `${shown(word.text)} is no time, write it as 2030-01-01T00:00:00Z`);
      }
      draft.expires = Math.min(time!, draft.expires ?? Infinity);
      break;
    }
    case "max_exec_time_ms": {
      const word = reader.word("a number of milliseconds is missing");
      if (!/^[0-9]{1,15}$/.test(word.text)) reader.fail(word.at, `${shown(word.text)} is no whole number`);
      draft.maxExecTimeMs = Math.min(Number(word.text), draft.maxExecTimeMs ?? Infinity);
      break;
    }
    default:
      if (draft.size >= BOUNDS.rules) reader.fail(0, `a layer has at most ${BOUNDS.rules} rules`);
      draft.add(readRule(reader, draft.home, draft.name));
  }
  reader.end();
}

/** Reads a time as ISO 8601 with a zone; null for anything else. */
export function parseTime(text: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/.test(text)) {
    return null;
  }
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

function readRule(reader: LineReader, home: string | undefined, origin: string): Rule {
  const deny = reader.deny();
  const capability = reader.capability();
  const { pattern, at } = readPattern(reader, capability, home);
  const limits = readLimits(reader, capability);
  if (deny && Object.keys(limits).length > 0) {
    reader.fail(at, "a deny has no limits: it refuses all it names");
  }
  return new Rule({ deny, capability, pattern, limits, origin });
}

function readPattern(
  reader: LineReader,
  capability: Capability,
  home: string | undefined,
): { pattern: Pattern; at: number } {
  if (capability === "exec") {
    const { text, at } = reader.command();
    return { pattern: reader.compile({ text, at, quoted: false }, () => new ArgvPattern(text)), at };
  }
  const word = reader.word('a pattern is missing after the colon, write "*" for all');
  const compile = (make: () => Pattern) => ({ pattern: reader.compile(word, make), at: word.at });
  switch (capability) {
    case "fs.read":
    case "fs.write":
      return compile(() => new PathPattern(word.text, home));
    case "net": {
      const words = readNetWords(reader);
      return compile(() => new NetPattern(word.text, words));
    }
    case "spawn":
      return compile(() => new ProgramPattern(word.text));
    default:
      return compile(() => new NamePattern(word.text));
  }
}

function readNetWords(
  reader: LineReader,
): { methods: string[] | null; path: PathPattern | null; private: boolean } {
  let methods: string[] | null | undefined;
  let path: PathPattern | null = null;
  let isPrivate = false;
  for (let word = reader.next(); word !== null; word = reader.next()) {
    const { text, at } = word;
    if (text.startsWith("/")) {
      if (path !== null) reader.fail(at, "a rule has one path, write another rule for another");
      path = reader.compile(word, () => new PathPattern(text));
    } else if (text === "private") {
      isPrivate = true;
    } else if (/^[A-Za-z]+(?:-[A-Za-z]+)*(?:,[A-Za-z]+(?:-[A-Za-z]+)*)*$/.test(text) || text === "*") {
      if (methods !== undefined) reader.fail(at, "methods stand in one list, as in GET,POST");
      methods = text === "*" ? null : [...new Set(text.toUpperCase().split(","))].sort();
    } else {
      reader.fail(
        at,
        `unknown attribute ${shown(text)}, known are methods such as GET,POST, a path such as /x/**, private`,
      );
    }
  }
  return { methods: methods ?? null, path, private: isPrivate };
}

function readLimits(reader: LineReader, capability: Capability): Limits {
  const known: readonly string[] = ATTRIBUTES[capability] ?? [];
  const limits: Record<string, number> = {};
  for (let word = reader.next(); word !== null; word = reader.next()) {
    const [, name, value] = /^([^=]*)=(.*)$/s.exec(word.text) ?? [];
    if (name === undefined || !known.includes(name)) {
      const remedy = known.length === 0
        ? `${capability} has none, put a pattern with blanks in double quotes`
        : `known are ${known.map((each) => `${each}=`).join(", ")}`;
      reader.fail(word.at, `unknown attribute ${shown(name ?? word.text)}, ${remedy}`);
    }
    if (Object.hasOwn(limits, name!)) reader.fail(word.at, `${name} is given twice`);
    const shape = name === "usd" ? /^[0-9]{1,12}(?:\.[0-9]{1,9})?$/ : /^[0-9]{1,15}$/;
    if (!shape.test(value!)) {
      reader.fail(
        word.at + name!.length + 1,
        `${name} is a ${name === "usd" ? "decimal" : "whole"} number from 0 up`,
      );
    }
    limits[name!] = Number(value);
  }
  return limits;
}

/** Reads one line from left to right and knows where it is. */
class LineReader {
  readonly #text: string;
  readonly #line: number;
  #at = 0;

  constructor(text: string, line: number) {
    this.#text = text;
    this.#line = line;
    if (text.length > BOUNDS.lineChars) {
      this.fail(0, `the line is longer than ${BOUNDS.lineChars} characters`);
    }
  }

  fail(at: number, problem: string): never {
    throw new PolicySyntaxError(this.#text, this.#line, at + 1, problem);
  }

  /** Whether nothing but a comment is left. */
  blank(): boolean {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
    return this.#at >= this.#text.length || this.#text[this.#at] === "#";
  }

  end(): void {
    if (!this.blank()) this.fail(this.#at, "nothing more is expected here");
  }

  directive(): string | null {
    const [whole, name] = /^(level|blocks|expires|max_exec_time_ms):/.exec(this.#text.slice(this.#at)) ?? [];
    if (whole !== undefined) this.#at += whole.length;
    return name ?? null;
  }

  deny(): boolean {
    const [whole] = /^deny\s+/.exec(this.#text.slice(this.#at)) ?? [];
    if (whole !== undefined) this.#at += whole.length;
    return whole !== undefined;
  }

  capability(): Capability {
    const rest = this.#text.slice(this.#at);
    const name = /^[^\s:]*/.exec(rest)![0];
    if (!isCapability(name)) {
      this.fail(this.#at, `unknown capability ${shown(name)}, known are ${CAPABILITIES.join(", ")}`);
    }
    if (rest[name.length] !== ":") {
      this.fail(this.#at + name.length, `a colon and a pattern are missing, as in "${name}:*"`);
    }
    this.#at += name.length + 1;
    return name as Capability;
  }

  /** The word that has to stand right here. */
  word(missing: string): Token {
    const char = this.#text[this.#at];
    if (char === undefined || /[\s#]/.test(char)) this.fail(this.#at, missing);
    return this.#token();
  }

  /** The next word; null at the end. */
  next(): Token | null {
    return this.blank() ? null : this.#token();
  }

  /** A `home=` that may follow. */
  home(): string | undefined {
    const word = this.next();
    if (word === null) return undefined;
    let home: string | undefined;
    if (word.text.startsWith("home=")) home = word.text.slice(5);
    else this.fail(word.at, `unknown attribute ${shown(word.text)}, known is home=`);
    if (home === "" && this.#text[this.#at] === '"') home = this.#token().text;
    if (!home!.startsWith("/")) this.fail(word.at, "a home is an absolute path");
    return home;
  }

  /** Everything to the end or to a comment, which begins with `#` after a blank and outside quotes. */
  command(): { text: string; at: number } {
    const at = this.#at;
    let quote = "";
    let end = at;
    for (; end < this.#text.length; end++) {
      const char = this.#text[end]!;
      if (quote === "" && char === "#" && (end === at || /\s/.test(this.#text[end - 1]!))) break;
      if (char === "\\" && quote !== "'") end++;
      else if (quote !== "") quote = char === quote ? "" : quote;
      else if (char === "'" || char === '"') quote = char;
    }
    this.#at = Math.min(end, this.#text.length);
    return { text: this.#text.slice(at, this.#at), at };
  }

  /** Runs a compiler of patterns; its errors point into the line. */
  compile<T>(word: Token, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      return this.fail(word.at + (word.quoted ? 0 : error.at), error.message);
    }
  }

  #token(): Token {
    const at = this.#at;
    if (this.#text[at] === '"') {
      let piece: [string, number];
      try {
        piece = readQuoted(this.#text, at);
      } catch (error) {
        if (!(error instanceof PatternError)) throw error;
        return this.fail(error.at, error.message);
      }
      this.#at = piece[1];
      if (/[^\s]/.test(this.#text[this.#at] ?? " ")) {
        this.fail(this.#at, "a blank is missing after the closing quote");
      }
      return { text: piece[0], at, quoted: true };
    }
    const text = /^[^\s"]+/.exec(this.#text.slice(at))?.[0] ?? "";
    this.#at += text.length;
    if (this.#text[this.#at] === '"' && !text.endsWith("home=")) {
      this.fail(this.#at, "a quote begins where the pattern begins");
    }
    return { text, at, quoted: false };
  }
}
