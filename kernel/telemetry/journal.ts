/**
 * The last calls of each agent, for whoever asks why it ended. In memory, a few for each; the audit log is what lasts.
 *
 * @module
 */
import type { Observer } from "../dispatch.ts";
import type { Principal } from "../principals.ts";

/** One call. */
export interface JournalCall {
  /** Epoch milliseconds of its answer. */
  readonly time: number;
  readonly syscall: string;
  /** What it was about, shortened: a path, a name, a key. Empty when the call names nothing. */
  readonly about: string;
  /** `ok` or an error code. */
  readonly outcome: string;
  readonly duration_ms: number;
}

/** Calls remembered for each agent. */
const CALLS = 32;
const ABOUT_CHARS = 120;

/** Told of every finished call, it remembers those of agents. */
export class Journal implements Observer {
  readonly #now: () => number;
  /** Goes with the principal, which an ended agent's record still holds. */
  readonly #calls = new WeakMap<Principal, JournalCall[]>();

  /** @param now Epoch milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Remembers one call. */
  finished({ row, caller, params, answer, durationMs }: Parameters<Observer["finished"]>[0]): void {
    if (caller.kind === "operator" || row.raw) return;
    let calls = this.#calls.get(caller);
    if (!calls) this.#calls.set(caller, calls = []);
    // Twice as many before the older half goes: an array that is shifted at each call would cost more than the call.
    if (calls.length >= 2 * CALLS) calls.splice(0, CALLS);
    calls.push({
      time: this.#now(),
      syscall: row.name,
      about: params === undefined ? "" : subjectOf(row.record(params)),
      outcome: answer.outcome,
      duration_ms: durationMs,
    });
  }

  /** The last calls of an agent, oldest first. */
  of(principal: Principal, most: number): readonly JournalCall[] {
    return this.#calls.get(principal)?.slice(-Math.min(most, CALLS)) ?? [];
  }
}

/** The first words of what the audit line would keep. */
function subjectOf(record: Readonly<Record<string, unknown>>): string {
  for (const value of Object.values(record)) {
    if (typeof value === "string" && value !== "") return shortened(value);
    if (typeof value === "number") return String(value);
    if (Array.isArray(value) && typeof value[0] === "string") return shortened(value.slice(0, 8).join(" "));
  }
  return "";
}

function shortened(text: string): string {
  if (text.length <= ABOUT_CHARS) return text;
  // A part of a string keeps all of it alive; characters that are put together anew do not.
  return `${Array.from(text.slice(0, ABOUT_CHARS)).join("")}…`;
}
