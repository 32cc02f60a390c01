/**
 * Text that others wrote (names, messages, output of agents), made safe to show. A terminal obeys control characters,
 * and a reader obeys right-to-left marks; here both are shown instead.
 *
 * @module
 */

/** Control characters, line separators, marks that turn the reading direction, and what cannot be seen. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** Line feed and tab: output consists of them. */
const OF_OUTPUT: ReadonlySet<string> = new Set(["\n", "\t"]);

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** One line of it, for tables and messages. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/** Lines of it, for output that goes to a terminal. */
export function printableLines(text: string): string {
  return text.replace(/\r\n/g, "\n")
    .replace(UNSAFE, (character) => OF_OUTPUT.has(character) ? character : escaped(character));
}

function escaped(character: string): string {
  const hex = character.codePointAt(0)!.toString(16);
  return SHORT[character] ?? (hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`);
}
