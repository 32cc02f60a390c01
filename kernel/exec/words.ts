/**
 * A command as one text, taken apart into words as a shell would, and nothing more: no variables, no patterns, no
 * substitution. What only a shell could do is refused by name instead of being passed on as a word.
 *
 * @module
 */
import { SyscallError } from "@clove/sdk/protocol";

/** Characters that mean something to a shell when they are not quoted. */
const OPERATORS = "|;&<>()`$\n*?[{~#!";

/**
 * Splits a command text.
 *
 * @throws {SyscallError} `bad_request` for an open quote, and for anything only a shell understands.
 */
export function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (let i = 0; i < text.length; i++) {
    const here = text[i]!;
    if (here === " " || here === "\t") {
      if (word !== null) words.push(word);
      word = null;
    } else if (here === "'") {
      const end = text.indexOf("'", i + 1);
      if (end < 0) throw openQuote(text, here);
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (here === '"') {
      const [inner, end] = doubleQuoted(text, i);
      word = (word ?? "") + inner;
      i = end;
    } else if (here === "\\") {
      if (i + 1 >= text.length) throw openQuote(text, here);
      word = (word ?? "") + text[++i];
    } else if (isOperator(text, i, word === null)) {
      throw new SyscallError(
        "bad_request",
        `Cannot split ${JSON.stringify(text)} into words: only a shell understands "${here}" there, ` +
          "quote it, use argv, or ask for shell: true",
      );
    } else word = (word ?? "") + here;
  }
  if (word !== null) words.push(word);
  return words;
}

/** Some of them mean something at the beginning of a word only. */
function isOperator(text: string, at: number, first: boolean): boolean {
  const here = text[at]!;
  if (!OPERATORS.includes(here)) return false;
  if (here === "#" || here === "~") return first;
  if (here === "!") return first && (text[at + 1] === " " || at + 1 === text.length);
  // A pair of braces with nothing between them is a word, as in `find -exec`.
  return here !== "{" || text[at + 1] !== "}";
}

/** The text between two double quotes, and where the closing one is. */
function doubleQuoted(text: string, start: number): [string, number] {
  let inner = "";
  for (let i = start + 1; i < text.length; i++) {
    const here = text[i]!;
    if (here === '"') return [inner, i];
    if (here === "\\" && '"\\$`\n'.includes(text[i + 1] ?? " ")) inner += text[++i];
    else if (here === "$" && /[A-Za-z_{(0-9@*#?$!-]/.test(text[i + 1] ?? "") || here === "`") {
      throw new SyscallError(
        "bad_request",
        `Cannot split ${JSON.stringify(text)} into words: only a shell understands "${here}" there, ` +
          "use single quotes, argv, or shell: true",
      );
    } else inner += here;
  }
  throw openQuote(text, '"');
}

function openQuote(text: string, quote: string): SyscallError {
  return new SyscallError(
    "bad_request",
    `Cannot split ${JSON.stringify(text)} into words: a ${quote} is left open`,
  );
}
