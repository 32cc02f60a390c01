/**
 * What one line of the audit log says.
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

/** A line as it stands in the log. */
export interface AuditLine {
  /** From 1, without gaps. */
  readonly id: number;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly category: AuditCategory;
  readonly event_type: string;
  readonly agent_id: number;
  /** Empty when there is none. */
  readonly agent_name: string;
  readonly success: boolean;
  /** JSON text. */
  readonly details: string;
}
