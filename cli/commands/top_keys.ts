/**
 * Keys, from the bytes a terminal sends for them.
 *
 * @module
 */

/** A key by its name, or its character. */
export type Key = "up" | "down" | "escape" | "interrupt" | string;

const NAMED: Readonly<Record<string, Key>> = {
  "\u001b[A": "up",
  "\u001bOA": "up",
  "\u001b[B": "down",
  "\u001bOB": "down",
  "\u0003": "interrupt",
  "\u001b": "escape",
};

/** The keys in what was read at once. Sequences that nobody asked for (other keys, the mouse) are passed over. */
export function readKeys(bytes: Uint8Array): Key[] {
  const text = new TextDecoder().decode(bytes);
  // deno-lint-ignore no-control-regex -- these are the characters a terminal sends
  const pieces = text.match(/\u001b(?:\[[0-?]*[ -/]*[@-~]|O.)?|[^]/gu) ?? [];
  return pieces.flatMap((piece) => {
    const named = NAMED[piece];
    return named !== undefined ? [named] : piece.startsWith("\u001b") ? [] : [piece];
  });
}
