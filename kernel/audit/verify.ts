/**
 * Reads the whole log again and says whether it is what was written; if not, where it first differs.
 *
 * @module
 */
import { genesis, hashLine, type Link, sameHash } from "./chain.ts";
import { hex, type Seal, type Sealer } from "./seal.ts";
import type { AuditTables, ChainedLine } from "./tables.ts";

/** What is wrong, in one word. */
export type AuditFault = "changed" | "removed" | "reordered" | "added" | "forged" | "damaged";

/** What {@link examine} found. */
export interface AuditReport {
  /** `torn`: nothing is wrong, but the kernel did not close the log, so the end was never signed. */
  readonly status: "intact" | "tampered" | "torn";
  /** What `clove audit verify` ends with: 0 intact, 1 tampered, 3 torn. */
  readonly exit_code: 0 | 1 | 3;
  /** Lines that were read and are right. */
  readonly lines: number;
  /** Number of the oldest line there should be; older ones were dropped by retention. */
  readonly first_id: number;
  /** Number of the last line that is right; 0 when there is none. */
  readonly last_id: number;
  /** Hash of that line, hexadecimal: whoever notes it down elsewhere can compare it later. */
  readonly head: string;
  /** The signature that counts last covers lines up to this. */
  readonly signed_id: number;
  /** Fingerprint of the key that signs. */
  readonly key: string;
  /** The first thing that is wrong, or null. */
  readonly problem: { readonly kind: AuditFault; readonly line_id: number; readonly detail: string } | null;
  /** One sentence. */
  readonly message: string;
}

/** A log to examine. */
export interface Evidence {
  readonly tables: AuditTables;
  readonly logId: string;
  readonly sealer: Sealer;
  /** The newest seal as the file beside the database has it, or null. */
  readonly noted: Seal | null;
  /** Where the chain ends as the running kernel knows it; null when none runs. */
  readonly tip: Link | null;
}

/** Lines read at once: about 2 ms of work. */
const STEP = 1_000;
/** How far a line is looked for that is not in its place. */
const SEARCH = 256;

/** Examines in one go. */
export function examine(evidence: Evidence): AuditReport {
  const steps = walk(evidence);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** Examines with a pause after every thousand lines, for a kernel that has other things to do. */
export async function examineSlowly(evidence: Evidence, pause: () => Promise<void>): Promise<AuditReport> {
  const steps = walk(evidence);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await pause();
  }
}

/** What is known while walking. */
interface State {
  base: Link;
  at: Link;
  signed: number;
}

function* walk(evidence: Evidence): Generator<void, AuditReport> {
  const { tables, logId, sealer, noted, tip } = evidence;
  const state: State = { base: genesis(logId), at: genesis(logId), signed: 0 };
  const tampered = (kind: AuditFault, lineId: number, detail: string): AuditReport => {
    return report(evidence, state, "tampered", { kind, line_id: lineId, detail });
  };
  try {
    const seals = tables.seals();
    if (noted && !seals.some((seal) => seal.number === noted.number)) seals.push(noted);
    seals.sort((a, b) => a.number - b.number);
    for (const seal of seals) {
      if (!sealer.holds(logId, seal)) {
        return tampered(
          "forged",
          seal.id,
          `signature ${seal.number}, over line ${seal.id}, is not this key's`,
        );
      }
    }
    const newest = seals.at(-1);
    state.base = state.at = seals.findLast((seal) => seal.kind === "start") ?? state.base;
    state.signed = state.base.id;
    const { first } = tables.extent();
    if (first > 0 && first <= state.base.id) {
      return tampered(
        "added",
        first,
        `line ${first} stands before line ${state.base.id + 1}, where the log begins`,
      );
    }
    if (!newest && first > 0) return tampered("forged", first, "there are lines but no signature at all");
    const pinned = new Map<number, Seal[]>();
    for (const seal of seals) {
      if (seal.id >= state.base.id) pinned.set(seal.id, [...pinned.get(seal.id) ?? [], seal]);
    }
    const holds = (): boolean => {
      for (const seal of pinned.get(state.at.id) ?? []) {
        if (!sameHash(seal.hash, state.at.hash)) return false;
        state.signed = state.at.id;
      }
      return true;
    };
    if (!holds()) {
      return tampered("forged", state.at.id, `the signature over line ${state.at.id} is over another log`);
    }
    for (;;) {
      const lines = tables.lines(state.at.id + 1, state.at.id + STEP);
      if (lines.length === 0) {
        const beyond = tables.last();
        if (!beyond || beyond.id <= state.at.id) break;
        return tampered("removed", state.at.id + 1, gap(state.at.id + 1, beyond.id - 1));
      }
      for (const line of lines) {
        const id = state.at.id + 1;
        if (line.id !== id) return tampered("removed", id, gap(id, line.id - 1));
        const hash = hashLine(state.at.hash, line);
        if (!sameHash(hash, line.hash)) {
          const moved = whereIs(id, state.at.hash, line, tables);
          if (moved) {
            return tampered("reordered", id, `line ${id} is not in its place, it stands at ${moved}`);
          }
          return tampered("changed", id, `line ${id} is not what was written`);
        }
        const signed = state.signed;
        const before = state.at;
        state.at = { id, hash };
        if (!holds()) {
          state.at = before;
          return tampered(
            "changed",
            signed + 1,
            `lines ${signed + 1} to ${id} are not those that were signed`,
          );
        }
      }
      yield;
    }
    const last = state.at.id;
    const known = seals.reduce((most, seal) => Math.max(most, seal.id), tip?.id ?? 0);
    if (known > last) return tampered("removed", last + 1, gap(last + 1, known, "from the end"));
    if (tip && tip.id === last && !sameHash(tip.hash, state.at.hash)) {
      return tampered(
        "changed",
        state.signed + 1,
        `lines ${state.signed + 1} to ${last} are not those written`,
      );
    }
    if (tip || !newest) return report(evidence, state, "intact", null);
    if (newest.kind !== "closed") return report(evidence, state, "torn", null);
    if (last > newest.id) {
      return tampered("added", newest.id + 1, `line ${newest.id + 1} was added after the log was closed`);
    }
    return report(evidence, state, "intact", null);
  } catch (error) {
    const code = (error as { errcode?: number }).errcode;
    if (code === undefined || !DAMAGE.has(code & 0xff)) throw error;
    return tampered("damaged", state.at.id + 1, `the database is damaged: ${(error as Error).message}`);
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB of https://sqlite.org/rescode.html. */
const DAMAGE: ReadonlySet<number> = new Set([11, 26]);

function gap(from: number, to: number, where = ""): string {
  const what = from === to ? `line ${from} was removed` : `lines ${from} to ${to} were removed`;
  return where ? `${what} ${where}` : what;
}

/** Where the line that belongs at `id` stands now: it alone has the hash that fits there. */
function whereIs(id: number, previous: Uint8Array, found: ChainedLine, tables: AuditTables): number | null {
  for (const line of tables.lines(id + 1, id + SEARCH)) {
    const hash = hashLine(previous, { ...line, id });
    if (sameHash(hash, found.hash) || sameHash(hash, line.hash)) return line.id;
  }
  return null;
}

function report(
  { sealer, tip }: Evidence,
  { base, at, signed }: State,
  status: AuditReport["status"],
  problem: AuditReport["problem"],
): AuditReport {
  const lines = at.id - base.id;
  const found = `${lines} line${lines === 1 ? "" : "s"}`;
  const message = problem
    ? `The audit log was tampered with: ${problem.detail}`
    : status === "torn"
    ? `The audit log has a torn tail: ${found} fit together, but the kernel did not close the log and lines after ` +
      `${signed} were never signed`
    : `The audit log is intact: ${found}${lines > 0 ? `, ${base.id + 1} to ${at.id}` : ""}` +
      `${tip ? ", and the kernel is running" : ""}`;
  return {
    status,
    exit_code: status === "intact" ? 0 : status === "tampered" ? 1 : 3,
    lines,
    first_id: base.id + 1,
    last_id: at.id,
    head: hex(at.hash),
    signed_id: signed,
    key: sealer.fingerprint,
    problem,
    message,
  };
}
