/**
 * What Deno asks its permission broker, and how it is answered: one line of JSON each way, verified on Deno 2.9.6.
 *
 * @module
 */

/** One check that Deno makes before it acts. */
export interface Question {
  /** Deno's count of its questions; the answer repeats it. */
  readonly id: number;
  /** The version of the protocol; 1 is the only one there is. */
  readonly version: number;
  /** `read`, `write`, `net`, `env`, `sys`, `run`, `ffi` or `import`. */
  readonly permission: string;
  /** What it is about, as the program wrote it; null is all there is of it. */
  readonly value: string | null;
}

/** What is answered. */
export interface Ruling {
  readonly allowed: boolean;
  /** What the program reads in its error; only for a refusal. */
  readonly reason: string;
}

/** A reason is part of an error message: what is longer helps nobody. */
const REASON_CHARS = 2_048;

/** Takes a question apart; null when it is none that could be answered, because it has no number. */
export function readQuestion(line: string): Question | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    // Whatever it was, its number is not known.
    return null;
  }
  if (typeof parsed !== "object" || parsed === null) return null;
  const { id, v, permission, value } = parsed as Record<string, unknown>;
  if (!isNumber(id)) return null;
  return {
    id,
    version: isNumber(v) ? v : 0,
    permission: typeof permission === "string" ? permission : "",
    value: typeof value === "string" ? value : null,
  };
}

/** The number of a question of which only the beginning was kept; null when it does not stand there. */
export function numberOf(beginning: string): number | null {
  const [, digits] = /^\{"v":\d{1,9},"pid":\d{1,10},"id":(\d{1,10}),/.exec(beginning) ?? [];
  return digits === undefined ? null : Number(digits);
}

/** Writes an answer. */
export function formatAnswer(id: number, ruling: Ruling): string {
  if (ruling.allowed) return `{"id":${id},"result":"allow"}\n`;
  const { reason } = ruling;
  const shown = reason.length > REASON_CHARS ? `${reason.slice(0, REASON_CHARS)}…` : reason;
  return `{"id":${id},"result":"deny","reason":${JSON.stringify(shown.toWellFormed())}}\n`;
}

/** Deno counts with 32 bits. */
function isNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff;
}
