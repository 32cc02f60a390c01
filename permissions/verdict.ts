import { shellWord } from "./text.ts";

/** Allowed, and by which rule, such as `level sandboxed: fs.read:/work/**`. */
export interface Allowed {
  readonly allowed: true;
  readonly rule: string;
}

/** Refused, why, and what would change it. */
export interface Refused {
  readonly allowed: false;
  /** A sentence, such as `Cannot read "/etc/shadow": level sandboxed: fs.read allows /work/**`. */
  readonly reason: string;
  readonly receipt: Receipt;
  /** Whether only a limit stands in the way: a quota used up, or too many children. */
  readonly quota?: true;
}

/** What {@linkcode weigh} answers. */
export type Verdict = Allowed | Refused;

/** The particulars of a refusal, for the agent to act on. */
export interface Receipt {
  /** What was needed, in policy syntax. */
  readonly need: string;
  /** The rule that refused. */
  readonly rule: string;
  /** The rule that would allow it, in policy syntax. */
  readonly missing: string;
  /** The command an operator would give; `AGENT` stands for the agent's name. See {@linkcode askFor}. */
  readonly ask: string;
}

/** The command with which an operator grants what a receipt misses. */
export function askFor(receipt: Receipt, name: string): string {
  return `clove perms grant ${shellWord(name)} ${shellWord(receipt.missing)}`;
}
