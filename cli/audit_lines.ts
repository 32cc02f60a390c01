/**
 * Lines of the audit log, as many as are asked for, and those that come later.
 *
 * @module
 */
import type { AuditLogParams, AuditLogResult, Clove } from "@clove/sdk";

/** A line in the kernel's own words. */
export type AuditEntry = AuditLogResult["entries"][number];

/** A line, and the same as an OCSF event when that was asked for. */
export interface AuditItem {
  readonly id: number;
  readonly entry: AuditEntry | null;
  readonly event: Readonly<Record<string, unknown>> | null;
}

/** Lines that one answer can hold. */
const PAGE = 10_000;
/** How often is looked for new lines. */
const POLL_MS = 500;

/** What is asked for, but for the page. */
export type AuditFilter = Omit<AuditLogParams, "limit" | "since_id" | "before_id">;

/** The newest `count` lines that fit, oldest first, in pages. `Infinity` is all of them. */
export async function* newestLines(
  clove: Clove,
  filter: AuditFilter,
  count: number,
): AsyncGenerator<readonly AuditItem[]> {
  const pages: (readonly AuditItem[])[] = [];
  let before: number | undefined;
  for (let left = count; left > 0;) {
    const answer = await clove.audit.log({
      ...filter,
      limit: Math.min(left, PAGE),
      ...(before === undefined ? {} : { before_id: before }),
    });
    const items = itemsOf(answer);
    if (items.length > 0) pages.push(items);
    left -= items.length;
    before = items[0]?.id;
    if (!answer.more || before === undefined) break;
  }
  yield* pages.reverse();
}

/** Lines after number `since`, as they are written; goes on until it is left. */
export async function* laterLines(
  clove: Clove,
  filter: AuditFilter,
  since: number,
): AsyncGenerator<readonly AuditItem[]> {
  for (let last = since;;) {
    const found: AuditItem[] = [];
    let before: number | undefined;
    for (;;) {
      const answer = await clove.audit.log({
        ...filter,
        limit: PAGE,
        since_id: last,
        ...(before === undefined ? {} : { before_id: before }),
      });
      found.unshift(...itemsOf(answer));
      if (!answer.more) break;
      before = found[0]!.id;
    }
    last = found.at(-1)?.id ?? last;
    if (found.length > 0) yield found;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function itemsOf({ entries, events }: AuditLogResult): readonly AuditItem[] {
  if (events === undefined) return entries.map((entry) => ({ id: entry.id, entry, event: null }));
  return events.map((event) => {
    const { sequence } = event.metadata as { sequence: number };
    return { id: sequence, entry: null, event };
  });
}
