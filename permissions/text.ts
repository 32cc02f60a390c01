// What a terminal would act on instead of show: C0, C1, bidi controls, separators, invisible marks, lone halves.
const UNSAFE =
  // deno-lint-ignore no-control-regex
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Characters of a foreign text that are worth repeating in a sentence. */
const SHOWN_CHARS = 256;

/** Puts a text in double quotes, as JSON does, with everything that a terminal would obey escaped. */
export function quoted(text: string): string {
  return JSON.stringify(text).replace(UNSAFE, escapeUnit);
}

/** As {@linkcode quoted}, cut to what a sentence can bear. */
export function shown(text: string): string {
  return text.length > SHOWN_CHARS ? quoted(text.slice(0, SHOWN_CHARS)) + "…" : quoted(text);
}

/** Escapes, without quotes, what a terminal would obey. */
export function printable(text: string): string {
  return text.replace(UNSAFE, escapeUnit);
}

/** Whether a terminal would show each character of the text. */
export function isPrintable(text: string): boolean {
  return text.search(UNSAFE) < 0;
}

function escapeUnit(unit: string): string {
  return "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
}

/** Quotes a word for a POSIX shell, only where it must be. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : "'" + word.replaceAll("'", `'\\''`) + "'";
}
