/**
 * Taking up the log that a data directory holds, or beginning one.
 *
 * @module
 */
import type { Clock } from "../../worlds/clock.ts";
import type { Random } from "../../worlds/random.ts";
import type { Storage } from "../storage/storage.ts";
import { genesis, type Link } from "./chain.ts";
import type { AuditConfig } from "./config.ts";
import type { AuditEntry } from "./entry.ts";
import { hex, Sealer } from "./seal.ts";
import { AUDIT_TABLES, AuditTables } from "./tables.ts";
import { type AuditVault, fileVault } from "./vault.ts";
import { type Evidence, examine } from "./verify.ts";
import { ChainWriter } from "./writer.ts";

/** A log that is ready for lines. */
export interface OpenLog {
  readonly tables: AuditTables;
  readonly writer: ChainWriter;
  /** As it was changed before; empty when it never was. */
  readonly config: Partial<AuditConfig>;
  /** What the log has to say about its own past; written first. */
  readonly entries: readonly AuditEntry[];
  /** What is wrong with the log, or null. */
  readonly trouble: string | null;
  /** Resolves when the log is signed as opened. */
  readonly ready: Promise<void>;
  /** For verifying while the kernel runs. */
  evidence(tip: Link): Evidence;
}

/**
 * Opens or begins a log.
 *
 * @throws {Error} When there is a log without its key, or the key cannot be used.
 */
export function openLog(
  options: { clock: Clock; random: Random; storage: Storage; vault?: AuditVault },
): OpenLog {
  const { clock, random, storage } = options;
  storage.migrate("audit", AUDIT_TABLES);
  const tables = new AuditTables(storage.db);
  const vault = options.vault ?? (storage.path === null ? null : fileVault(storage.path));
  const known = tables.meta("log_id");
  const logId = known ?? hex(random.bytes(16));
  const sealer = vault?.sealer(known === null) ?? Sealer.ephemeral();
  const noted = vault?.noted() ?? null;

  const seals = tables.seals();
  const adopt = noted && !seals.some((seal) => seal.number === noted.number) ? noted : null;
  if (adopt) seals.push(adopt);
  const newest = seals.reduce((a, b) => b.number > a.number ? b : a, seals[0]!);
  const start = seals.findLast((seal) => seal.kind === "start");
  const tip = tables.last() ?? start ?? genesis(logId);
  const evidence = (now: Link | null): Evidence => ({ tables, logId, sealer, noted: null, tip: now });

  const entries: AuditEntry[] = [];
  let trouble: string | null = null;
  if (known !== null && !(newest?.kind === "closed" && newest.id === tip.id)) {
    const report = examine({ ...evidence(null), noted });
    if (report.status === "tampered") trouble = report.message;
    entries.push({
      category: "SECURITY",
      event_type: report.status === "tampered" ? "AUDIT_TAMPERED" : "AUDIT_RECOVERED",
      agent_id: 0,
      success: report.status !== "tampered",
      details: { last_id: tip.id, signed_id: newest?.id ?? 0, problem: report.problem },
    });
  }
  const writer = new ChainWriter({
    storage,
    tables,
    sealer,
    logId,
    clock,
    tip,
    seals: newest?.number ?? 0,
    sealed: newest?.id ?? 0,
    vault,
  });
  if (known === null) storage.write(() => tables.setMeta("log_id", logId));
  // A seal that only the file has is evidence; it would be gone with the next one.
  const adopted = adopt ? writer.adopt(adopt) : null;
  const ready = Promise.all([adopted, writer.commit(() => [], "open")]).then(() => {});
  return { tables, writer, config: configOf(tables), entries, trouble, ready, evidence };
}

function configOf(tables: AuditTables): Partial<AuditConfig> {
  const text = tables.meta("config");
  return text === null ? {} : JSON.parse(text);
}
