/**
 * What one line of the audit log says, before and after it has been written.
 *
 * @module
 */

/** What a line is about; one configuration switch each. */
export const AUDIT_CATEGORIES = [
  "SECURITY",
  "AGENT_LIFECYCLE",
  "IPC",
  "STATE_STORE",
  "RESOURCE",
  "SYSCALL",
  "NETWORK",
  "WORLD",
] as const;

/** One of {@link AUDIT_CATEGORIES}. */
export type AuditCategory = (typeof AUDIT_CATEGORIES)[number];

/** Something that happened, as the part of the kernel that saw it tells it. */
export interface AuditEntry {
  readonly category: AuditCategory;
  /** Upper-case words such as `AGENT_SPAWNED`, or a syscall's name. */
  readonly event_type: string;
  /** Whom it is about: that agent may read the line. 0 is the kernel itself. */
  readonly agent_id: number;
  readonly agent_name?: string;
  /** Absent means true. */
  readonly success?: boolean;
  /** JSON. Never secrets, never contents. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A line as it stands in the log, its chain aside. */
export interface AuditLine {
  /** From 1, without gaps. */
  readonly id: number;
  /** Epoch milliseconds, whole. */
  readonly at: number;
  readonly category: AuditCategory;
  readonly event_type: string;
  readonly agent_id: number;
  /** Empty when there is none. */
  readonly agent_name: string;
  readonly success: boolean;
  /** JSON text of an object. */
  readonly details: string;
}

/** Characters of an event type and of a name; names are bounded where they are given, this is the last wall. */
const WORD_CHARS = 96;
/** Characters of the details' JSON: a path of PATH_MAX and its company fit. */
export const DETAILS_CHARS = 8 * 1024;
/** How far details that are too long are cut down: characters of a text, elements of a list, levels. */
const CUT = { chars: 256, items: 16, depth: 4 } as const;

/** Cuts a word to its bound; what is not Unicode becomes U+FFFD, because SQLite would refuse it. */
export function boundedWord(text: string): string {
  return (text.length > WORD_CHARS ? text.slice(0, WORD_CHARS) : text).toWellFormed();
}

/** JSON text of details, at most {@link DETAILS_CHARS} characters whatever comes in. Never throws. */
export function boundedDetails(details: Readonly<Record<string, unknown>>): string {
  try {
    const text = JSON.stringify(details, plain) ?? "{}";
    if (text.length <= DETAILS_CHARS) return text;
    const cut = JSON.stringify(shortened(JSON.parse(text), 0));
    if (cut.length <= DETAILS_CHARS) return cut;
    return JSON.stringify({ truncated: true, begins: text.slice(0, CUT.chars) });
  } catch (error) {
    // A cycle or a throwing getter is the caller's mistake; the line must stand all the same.
    return JSON.stringify({ unreadable: String((error as Error)?.message ?? error).slice(0, CUT.chars) });
  }
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function shortened(value: unknown, depth: number): unknown {
  if (typeof value === "string") return value.length > CUT.chars ? `${value.slice(0, CUT.chars)}…` : value;
  if (typeof value !== "object" || value === null) return value;
  if (depth >= CUT.depth) return "…";
  if (Array.isArray(value)) {
    const items = value.slice(0, CUT.items).map((item) => shortened(item, depth + 1));
    return value.length > CUT.items ? [...items, `… ${value.length - CUT.items} more`] : items;
  }
  const entries = Object.entries(value);
  const kept = entries.slice(0, CUT.items).map(([key, item]) => {
    return [key.slice(0, CUT.chars), shortened(item, depth + 1)];
  });
  if (entries.length > CUT.items) kept.push(["…", `${entries.length - CUT.items} more`]);
  return Object.fromEntries(kept);
}
