/**
 * The audit log: what happened that somebody may have to answer for.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { Log } from "../log.ts";
import type { AuditEntry, AuditLine } from "./entry.ts";

export type { AuditCategory, AuditEntry, AuditLine } from "./entry.ts";

/** What an {@link Audit} works with. */
export interface AuditOptions {
  readonly clock: Clock;
  readonly log: Log;
}

/** Takes entries and keeps them as numbered lines. */
export class Audit {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lines: AuditLine[] = [];
  #last = 0;

  /** Begins an empty log in memory. */
  constructor(options: AuditOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Adds a line. */
  write(entry: AuditEntry): void {
    const line: AuditLine = {
      id: ++this.#last,
      at: this.#clock.now(),
      category: entry.category,
      event_type: entry.event_type,
      agent_id: entry.agent_id,
      agent_name: entry.agent_name ?? "",
      success: entry.success ?? true,
      details: JSON.stringify(entry.details),
    };
    this.#lines.push(line);
    if (this.#lines.length > 10_000) this.#lines.shift();
    this.#log.debug("audit", { ...line });
  }
}
