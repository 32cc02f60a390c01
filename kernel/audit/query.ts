/**
 * Finding lines.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { AuditCategory } from "./entry.ts";
import { type ChainedLine, lineOf } from "./tables.ts";

/** Which lines. Everything that is said must hold. */
export interface AuditQuery {
  /** Only about this agent; 0 too. Absent is all. */
  readonly agent_id?: number;
  /** Only about agents of this name, of whichever kernel. */
  readonly agent_name?: string;
  readonly category?: AuditCategory;
  readonly event_type?: string;
  readonly success?: boolean;
  /** Epoch milliseconds: at or after. */
  readonly from?: number;
  /** Epoch milliseconds: before. */
  readonly until?: number;
  /** Part of the details, the event type or the name; ASCII letters match in either case. */
  readonly text?: string;
  /** Numbers greater than this. */
  readonly since_id?: number;
  /** Numbers smaller than this, for paging back. */
  readonly before_id?: number;
  /** At most so many, the newest. */
  readonly limit: number;
}

/** Numbers looked through at once: some 2 ms when nothing fits and every line is read for its text. */
const WINDOW = 20_000;
/** Characters of details in one answer; what does not fit is left to the next page. */
const ANSWER_CHARS = 2 * 1024 * 1024;

/** What {@link findLines} found. */
export interface AuditMatches {
  /** Oldest first. */
  readonly lines: readonly ChainedLine[];
  /** True when older lines fit too and were left out. */
  readonly more: boolean;
}

/**
 * The newest lines that fit.
 *
 * @param range The oldest and the newest number to look at.
 * @param pause Awaited between windows, so that a long search holds nobody up.
 */
export async function findLines(
  db: DatabaseSync,
  query: AuditQuery,
  range: { first: number; last: number },
  pause: () => Promise<void>,
): Promise<AuditMatches> {
  const { where, values } = conditions(query);
  const statement = db.prepare(
    `SELECT * FROM audit_lines WHERE id >= ? AND id <= ?${where} ORDER BY id DESC LIMIT ?`,
  );
  const first = Math.max(range.first, (query.since_id ?? 0) + 1);
  let last = Math.min(range.last, (query.before_id ?? Infinity) - 1);
  const found: ChainedLine[] = [];
  let chars = 0;
  while (last >= first) {
    // An agent's own lines are few and have an index: no windows for those.
    const low = query.agent_id === undefined ? Math.max(first, last - WINDOW + 1) : first;
    const rows = statement.all(low, last, ...values, query.limit - found.length + 1);
    for (const row of rows) {
      const line = lineOf(row);
      chars += line.details.length;
      if (found.length >= query.limit || (chars > ANSWER_CHARS && found.length > 0)) {
        return { lines: found.reverse(), more: true };
      }
      found.push(line);
    }
    last = low - 1;
    if (last >= first) await pause();
  }
  return { lines: found.reverse(), more: false };
}

function conditions(query: AuditQuery): { where: string; values: (string | number)[] } {
  let where = "";
  const values: (string | number)[] = [];
  const add = (condition: string, ...more: (string | number)[]): void => {
    where += ` AND ${condition}`;
    values.push(...more);
  };
  if (query.agent_id !== undefined) add("agent_id = ?", query.agent_id);
  if (query.agent_name !== undefined) add("agent_name = ?", query.agent_name.toWellFormed());
  // The unary plus keeps SQLite to the primary key, in whose order the newest are found first.
  if (query.category !== undefined) add("+category = ?", query.category);
  if (query.event_type !== undefined) add("event_type = ?", query.event_type);
  if (query.success !== undefined) add("success = ?", query.success ? 1 : 0);
  if (query.from !== undefined) add("at >= ?", Math.ceil(query.from));
  if (query.until !== undefined) add("at < ?", Math.ceil(query.until));
  if (query.text) {
    const pattern = `%${query.text.replace(/[\\%_]/g, "\\$&").toWellFormed()}%`;
    const like = "LIKE ? ESCAPE '\\'";
    add(`(details ${like} OR event_type ${like} OR agent_name ${like})`, pattern, pattern, pattern);
  }
  return { where, values };
}
