/**
 * The hash chain: every line's hash covers the line and the hash before it, so that no line can be changed, taken out
 * or moved without all later hashes being wrong.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { AuditLine } from "./entry.ts";

/** A place in the chain: line `id` (0 is before the first) and its hash. */
export interface Link {
  readonly id: number;
  /** 32 bytes, SHA-256. */
  readonly hash: Uint8Array;
}

/** Where a log's chain begins. Covers the log's own id, so lines of one log do not fit another. */
export function genesis(logId: string): Link {
  return { id: 0, hash: createHash("sha256").update(`clove audit log ${logId}`).digest() };
}

/** The hash of a line that follows the one with hash `previous`. */
export function hashLine(previous: Uint8Array, line: AuditLine): Uint8Array {
  return createHash("sha256").update(previous).update(canonical(line)).digest();
}

/** One text for one line. JSON texts hold no line feed, so the fields cannot run into each other. */
export function canonical(line: AuditLine): string {
  const { id, at, category, event_type, agent_id, agent_name, success, details } = line;
  return `${id}\n${at}\n${category}\n${JSON.stringify(event_type)}\n${agent_id}\n${
    JSON.stringify(agent_name)
  }\n` +
    `${success ? 1 : 0}\n${details}`;
}

/** Whether two hashes are the same. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
