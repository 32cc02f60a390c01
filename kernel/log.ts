/**
 * The kernel's own log: structured, one line each, on stderr unless a test says otherwise.
 *
 * @module
 */

/** From quiet to loud: `error`, `warn`, `info`, `debug`. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Values that go into a line beside its message. Never secrets. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes lines at or above a level. */
export class Log {
  readonly #threshold: number;
  readonly #format: "text" | "json";
  readonly #write: (line: string) => void;
  readonly #now: () => number;

  /** @param options `write` gets each line without its line feed; `now` is epoch milliseconds. */
  constructor(options: {
    level: LogLevel;
    format: "text" | "json";
    write?: (line: string) => void;
    now?: () => number;
  }) {
    this.#threshold = LOG_LEVELS.indexOf(options.level);
    this.#format = options.format;
    this.#write = options.write ?? ((line) => console.error(line));
    this.#now = options.now ?? Date.now;
  }

  /** For whoever is looking for a fault. */
  debug(message: string, fields?: LogFields): void {
    this.#line("debug", message, fields);
  }

  /** What an operator wants to know. */
  info(message: string, fields?: LogFields): void {
    this.#line("info", message, fields);
  }

  /** Something is weaker than asked, or will be a problem. */
  warn(message: string, fields?: LogFields): void {
    this.#line("warn", message, fields);
  }

  /** Something failed. */
  error(message: string, fields?: LogFields): void {
    this.#line("error", message, fields);
  }

  #line(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (LOG_LEVELS.indexOf(level) < this.#threshold) return;
    const time = new Date(this.#now()).toISOString();
    if (this.#format === "json") {
      this.#write(JSON.stringify({ time, level, message, ...fields }, plainErrors));
      return;
    }
    let text = `${time} ${level.toUpperCase().padEnd(5)} ${printable(message)}`;
    for (const [key, value] of Object.entries(fields)) {
      text += ` ${key}=${
        printable(typeof value === "string" ? value : JSON.stringify(value, plainErrors) ?? "null")
      }`;
    }
    this.#write(text);
  }
}

function plainErrors(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? String(value);
  return typeof value === "bigint" ? String(value) : value;
}

/** Control characters, line and paragraph separators, and the marks that change the direction of text. */
// deno-lint-ignore no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\u200e\u200f\ufeff]/g;

/** Text from agents may hold terminal escapes and right-to-left marks: they are shown, not obeyed. */
export function printable(text: string): string {
  return text.replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
