import { ArgvPattern } from "./argv_pattern.ts";
import type { LineReader } from "./line_reader.ts";
import { NamePattern, ProgramPattern } from "./name_pattern.ts";
import { NetPattern } from "./net_pattern.ts";
import { PathPattern } from "./path_pattern.ts";
import type { Pattern } from "./pattern.ts";
import { ATTRIBUTES, type Limits, Rule } from "./rule.ts";
import { SecretPattern, type SecretWords } from "./secret_pattern.ts";
import { shown } from "./text.ts";
import type { Capability } from "./vocabulary.ts";

/**
 * Reads one rule, `[deny ]capability:pattern [attribute …]`.
 *
 * @param home What `~` stands for.
 * @param origin Where the rule stands, for receipts.
 * @throws {PolicySyntaxError} Pointing at the character that cannot be read.
 */
export function readRule(reader: LineReader, home: string | undefined, origin: string): Rule {
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
    case "secret": {
      const words = readSecretWords(reader);
      return compile(() => new SecretPattern(word.text, words));
    }
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

/** The shape of a list, by the word before the equals sign. */
const SECRET_LISTS: Readonly<Record<string, RegExp>> = {
  host: /^[^,]+(?:,[^,]+)*$/,
  method: /^[A-Za-z]+(?:-[A-Za-z]+)*(?:,[A-Za-z]+(?:-[A-Za-z]+)*)*$/,
  header: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:,[!#$%&'*+.^_`|~0-9A-Za-z-]+)*$/,
};

function readSecretWords(reader: LineReader): SecretWords {
  const lists: Record<string, string[]> = {};
  for (let word = reader.next(); word !== null; word = reader.next()) {
    const [, name = "", value = ""] = /^([a-z]+)=(.*)$/s.exec(word.text) ?? [];
    const shape = SECRET_LISTS[name];
    if (shape === undefined) {
      reader.fail(
        word.at,
        `unknown attribute ${shown(name || word.text)}, known are host=, method=, header=`,
      );
    }
    if (lists[name] !== undefined) reader.fail(word.at, `${name} is given twice, write ${name}=a,b`);
    if (!shape!.test(value)) {
      reader.fail(word.at + name.length + 1, `a list of ${name}s is missing, as in ${name}=a,b`);
    }
    const items = value.split(",");
    // Compiled once here, so that an error points at the host and not at the name.
    if (name === "host") {
      const anything = { methods: null, path: null, private: false };
      for (const host of items) reader.compile(word, () => new NetPattern(host, anything));
    }
    lists[name] = items;
  }
  return {
    hosts: lists.host ?? null,
    methods: lists.method?.map((method) => method.toUpperCase()) ?? null,
    headers: lists.header?.map((header) => header.toLowerCase()) ?? null,
  };
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
