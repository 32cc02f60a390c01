/**
 * Aligned columns.
 *
 * @module
 */
import { printable } from "./text.ts";

/**
 * Lays out rows under a heading, two blanks between columns; every cell is made printable.
 *
 * @param right Indexes of the columns that are aligned to the right: numbers.
 * @returns The text, with a line feed at its end.
 */
export function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const cells = [heading, ...rows.map((row) => row.map(printable))];
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => width(row[column] ?? ""))));
  return cells.map((row) => {
    const line = row.map((cell, column) => {
      const padding = " ".repeat(widths[column]! - width(cell));
      return right.includes(column) ? padding + cell : cell + padding;
    });
    return `${line.join("  ").trimEnd()}\n`;
  }).join("");
}

/** How many columns of a terminal a text takes: most of East Asia's characters and emoji take two. */
function width(text: string): number {
  let columns = 0;
  for (const character of text) {
    if (/\p{Mark}/u.test(character)) continue;
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
          .test(character)
        ? 2
        : 1;
  }
  return columns;
}

/** The text in exactly so many columns, cut or filled up. */
export function fitted(text: string, columns: number, right = false): string {
  let cut = text;
  if (width(text) > columns) {
    cut = "";
    for (const character of text) {
      if (width(cut) + width(character) > columns - 1) break;
      cut += character;
    }
    if (columns > 0) cut += "…";
  }
  const padding = " ".repeat(Math.max(0, columns - width(cut)));
  return right ? padding + cut : cut + padding;
}
