/**
 * What the audit log keeps, and for how long.
 *
 * @module
 */
import type { AuditCategory, AuditEntry } from "./entry.ts";

/** The original's nine keys, and two more bounds. */
export interface AuditConfig {
  /** Lines kept; the oldest are dropped. */
  readonly max_entries: number;
  /** Days a line is kept; 0 is for ever. */
  readonly max_age_days: number;
  /** Bytes of all lines; the oldest are dropped. */
  readonly max_bytes: number;
  readonly log_syscalls: boolean;
  readonly log_security: boolean;
  readonly log_lifecycle: boolean;
  readonly log_ipc: boolean;
  readonly log_state: boolean;
  readonly log_resource: boolean;
  readonly log_network: boolean;
  readonly log_world: boolean;
}

/**
 * What holds until an operator says otherwise. The switches are the original's; it kept 10,000 lines in memory, here
 * they are on disk and an agent that makes noise must not be able to push others' lines out soon.
 */
export const DEFAULT_AUDIT_CONFIG: AuditConfig = {
  max_entries: 100_000,
  max_age_days: 0,
  max_bytes: 256 * 1024 * 1024,
  log_syscalls: false,
  log_security: true,
  log_lifecycle: true,
  log_ipc: false,
  log_state: false,
  log_resource: true,
  log_network: false,
  log_world: false,
};

/** The switch of each category. */
export const SWITCHES = {
  SECURITY: "log_security",
  AGENT_LIFECYCLE: "log_lifecycle",
  IPC: "log_ipc",
  STATE_STORE: "log_state",
  RESOURCE: "log_resource",
  SYSCALL: "log_syscalls",
  NETWORK: "log_network",
  WORLD: "log_world",
} as const satisfies Record<AuditCategory, keyof AuditConfig>;

/**
 * Whether an entry becomes a line. No configuration silences what was refused, nor changes of rights and of the
 * log itself: who could silence those could hide everything else.
 */
export function isLogged(config: AuditConfig, entry: AuditEntry): boolean {
  if (config[SWITCHES[entry.category]]) return true;
  if (entry.category !== "SECURITY") return false;
  return entry.success === false || /^(AUDIT|PERMISSION|GRANT|APPROVAL)/.test(entry.event_type);
}

/** What changed, as `{key: [before, after]}`. */
export function changesOf(before: AuditConfig, after: AuditConfig): Record<string, [unknown, unknown]> {
  const keys = Object.keys(before) as (keyof AuditConfig)[];
  return Object.fromEntries(
    keys.filter((key) => before[key] !== after[key]).map((key) => [key, [before[key], after[key]]]),
  );
}
