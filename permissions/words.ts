import { globEscape } from "./glob.ts";
import { PatternError } from "./syntax_error.ts";
import { isPrintable, quoted } from "./text.ts";

/** A word of a command pattern, and where it began. */
export interface Word {
  /** As a glob: what was quoted stands for itself. */
  readonly glob: string;
  /** Its first character within the text, from 0. */
  readonly at: number;
}

const SAFE = /^[A-Za-z0-9_@%+=:,./~^!{}-]+$/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f" };

/**
 * Splits a command pattern into words: blanks separate, `'…'` and `"…"` and a backslash take what they hold
 * literally, `"…"` knows the escapes of JSON.
 *
 * @throws {PatternError} On a quote that is never closed and an escape that is none.
 */
export function splitWords(text: string): Word[] {
  const words: Word[] = [];
  let glob: string | null = null;
  let at = 0;
  let i = 0;
  const put = (piece: string, start: number) => {
    if (glob === null) [glob, at] = ["", start];
    glob += piece;
  };
  while (i < text.length) {
    const char = text[i]!;
    if (char === " " || char === "\t") {
      if (glob !== null) words.push({ glob, at });
      glob = null;
      i++;
    } else if (char === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) throw new PatternError("the single quote is never closed", i);
      put(globEscape(text.slice(i + 1, end)), i);
      i = end + 1;
    } else if (char === '"') {
      const [piece, next] = readQuoted(text, i);
      put(globEscape(piece), i);
      i = next;
    } else if (char === "\\") {
      const next = text[i + 1];
      if (next === undefined) throw new PatternError("the backslash has nothing to take literally", i);
      put(globEscape(next), i);
      i += 2;
    } else {
      put(char, i);
      i++;
    }
  }
  if (glob !== null) words.push({ glob, at });
  return words;
}

/**
 * Reads a text in double quotes.
 *
 * @param open Where the opening quote is.
 * @returns The text, and where it goes on after the closing quote.
 * @throws {PatternError} If it is never closed, or an escape is none.
 */
export function readQuoted(text: string, open: number): [string, number] {
  let out = "";
  let i = open + 1;
  while (i < text.length) {
    const char = text[i]!;
    if (char === '"') return [out, i + 1];
    if (char !== "\\") {
      out += char;
      i++;
      continue;
    }
    const next = text[i + 1] ?? "";
    if (next === "u" && /^[0-9A-Fa-f]{4}$/.test(text.slice(i + 2, i + 6))) {
      out += String.fromCharCode(parseInt(text.slice(i + 2, i + 6), 16));
      i += 6;
    } else if (next !== "" && (`"\\/`.includes(next) || ESCAPES[next] !== undefined)) {
      out += ESCAPES[next] ?? next;
      i += 2;
    } else {
      throw new PatternError(`the escape is none of \\" \\\\ \\/ \\n \\t \\r \\b \\f \\uXXXX`, i);
    }
  }
  throw new PatternError("the double quote is never closed", open);
}

/** Writes a literal word so that {@linkcode splitWords} reads it back as itself only. */
export function formatWord(word: string): string {
  return SAFE.test(word) ? word : quoted(word);
}

/** Writes a glob so that {@linkcode splitWords} reads it back. */
export function formatGlobWord(glob: string): string {
  if (glob === "") return '""';
  let out = "";
  for (const char of glob) {
    if (SAFE.test(char) || "*?[]".includes(char)) out += char;
    else out += isPrintable(char) && char !== "\n" ? `\\${char}` : quoted(char);
  }
  return out;
}
