/**
 * JSON with comments and trailing commas, as in `deno.jsonc`.
 *
 * @module
 */

/**
 * Reads JSON that may hold comments and trailing commas.
 *
 * @throws {SyntaxError} As `JSON.parse` does.
 */
export function parseJsonc(text: string): unknown {
  const plain: string[] = [];
  /** Where the last comma stands, as long as only blanks came after it. */
  let comma = -1;
  for (let i = 0; i < text.length;) {
    const here = text[i]!;
    if (here === '"') {
      const end = stringEnd(text, i);
      plain.push(text.slice(i, end));
      comma = -1;
      i = end;
    } else if (here === "/" && text[i + 1] === "/") i = lineEnd(text, i);
    else if (here === "/" && text[i + 1] === "*") {
      const end = text.indexOf("*/", i + 2);
      i = end < 0 ? text.length : end + 2;
      plain.push(" ");
    } else {
      if (comma >= 0 && (here === "]" || here === "}")) plain[comma] = "";
      if (here === ",") comma = plain.length;
      else if (!/\s/.test(here)) comma = -1;
      plain.push(here);
      i++;
    }
  }
  return JSON.parse(plain.join(""));
}

/** Just past the closing quote. */
function stringEnd(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === '"') return i + 1;
  }
  return text.length;
}

function lineEnd(text: string, start: number): number {
  const end = text.indexOf("\n", start);
  return end < 0 ? text.length : end;
}
