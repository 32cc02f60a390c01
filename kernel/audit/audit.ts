/**
 * The audit log: what happened that somebody may have to answer for. Append-only, hash-chained, signed.
 *
 * What was refused, what happened to agents and what changed rights is stored in the same turn, like acknowledged
 * state; lines about ordinary calls are stored together after a tenth of a second. Order is kept: a line is never
 * stored before one that was written earlier.
 *
 * @module
 */
import { setImmediate } from "node:timers";
import type { Clock } from "../../worlds/clock.ts";
import { type Random, systemRandom } from "../../worlds/random.ts";
import type { Log } from "../log.ts";
import { openStorage, type Storage } from "../storage/storage.ts";
import { Coalescer } from "./coalesce.ts";
import { type AuditConfig, changesOf, DEFAULT_AUDIT_CONFIG, isLogged } from "./config.ts";
import { type AuditEntry, boundedDetails, boundedWord } from "./entry.ts";
import { type OpenLog, openLog } from "./open.ts";
import { Refusals } from "./refusals.ts";
import { type AuditMatches, type AuditQuery, findLines } from "./query.ts";
import type { AuditVault } from "./vault.ts";
import { type AuditReport, examineSlowly } from "./verify.ts";
import type { Draft } from "./writer.ts";

export type { AuditConfig } from "./config.ts";
export type { AuditCategory, AuditEntry, AuditLine } from "./entry.ts";
export type { AuditMatches, AuditQuery } from "./query.ts";
export type { AuditReport } from "./verify.ts";

/** What an {@link Audit} works with. */
export interface AuditOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Absent keeps the log in a memory of its own. */
  readonly storage?: Storage;
  /** For the log's id. */
  readonly random?: Random;
  /** Absent: files beside the database, or nothing in memory. */
  readonly vault?: AuditVault;
}

/** How long lines about ordinary calls may wait for company. */
const ROUTINE_MS = 100;
/** The least time between two commits: someone who is refused without end costs a hundred commits a second. */
const URGENT_MS = 10;
/** Lines that are company enough: more at once would hold the event loop up, at some 10 µs each. */
const ROUTINE_LINES = 256;
/** How long lines may be unsigned. */
const SEAL_MS = 60_000;
/** How long to wait before trying again to store. */
const RETRY_MS = 1_000;
/** Lines kept in memory while they cannot be stored; then those about ordinary calls are given up, and counted. */
const WAITING_LINES = 20_000;

/** Lines that go into one transaction. */
interface Batch {
  lines: Draft[];
  queued: boolean;
}

/** Takes entries and keeps them as numbered lines. */
export class Audit {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #storage: Storage;
  readonly #open: OpenLog;
  /** False in memory: there is nothing to wait for, and nobody to sign for. */
  readonly #durable: boolean;
  #config: AuditConfig;
  /** The last line of earlier kernels: agents had their numbers from other counters then. */
  readonly before: number;
  #batch: Batch = { lines: [], queued: false };
  #storedAt = -Infinity;
  #cancelStore: (() => void) | null = null;
  #storeDue = Infinity;
  #cancelSeal: (() => void) | null = null;
  #lost = 0;
  readonly #refusals = new Refusals();
  readonly #coalescer: Coalescer;
  #verifying = 0;
  #dropping: Promise<void> | null = null;
  #closed = false;

  /**
   * Opens the log that is in `storage`, or begins one.
   *
   * @throws {Error} When there is a log, but not the key that signs it.
   */
  constructor(options: AuditOptions) {
    const { clock, log, random = systemRandom } = options;
    this.#clock = clock;
    this.#log = log;
    this.#storage = options.storage ?? openStorage({ dir: null, clock, log });
    this.#durable = this.#storage.path !== null;
    const open = this.#open = openLog({ clock, random, storage: this.#storage, vault: options.vault });
    this.#config = { ...DEFAULT_AUDIT_CONFIG, ...open.config };
    this.before = open.writer.tip.id;
    this.#coalescer = new Coalescer(clock, (entry) => this.#add(entry));
    for (const entry of open.entries) this.write(entry);
    if (open.trouble) log.error("the audit log is not as it was left", { problem: open.trouble });
    open.ready.catch((cause) => log.error("the audit log was not signed at its start", { cause }));
  }

  /** What is kept. */
  get config(): AuditConfig {
    return this.#config;
  }

  /**
   * Adds a line, unless the configuration leaves it out. Refusals of one agent that repeat are counted, and told with
   * their count after a minute or more. Never throws, never waits.
   */
  write(entry: AuditEntry): void {
    if (!isLogged(this.#config, entry)) return;
    if (entry.category === "SECURITY" && entry.success === false) {
      this.#refusals.add(entry.agent_id, entry.details.syscall);
      // The kernel's own troubles (0) are never counted together.
      if (entry.agent_id !== 0 && !this.#closed && !this.#coalescer.admits(entry)) return;
    }
    this.#add(entry);
  }

  #add(entry: AuditEntry): void {
    const { category } = entry;
    const urgent = category === "SECURITY" || category === "AGENT_LIFECYCLE" || category === "RESOURCE";
    if (this.#closed || (!urgent && this.#batch.lines.length >= WAITING_LINES)) {
      this.#lost++;
      return;
    }
    this.#batch.lines.push({
      id: 0,
      at: Math.floor(this.#clock.now()),
      category,
      event_type: boundedWord(entry.event_type),
      agent_id: entry.agent_id,
      agent_name: boundedWord(entry.agent_name ?? ""),
      success: entry.success ?? true,
      details: boundedDetails(entry.details),
    });
    if (this.#batch.queued) return;
    if (urgent) this.#plan(this.#storedAt + URGENT_MS - this.#clock.monotonic());
    else this.#plan(this.#batch.lines.length >= ROUTINE_LINES ? 0 : ROUTINE_MS);
  }

  /** How often refusals of an agent came again that have no line for that yet, by need. */
  repeatsOf(agentId: number): ReadonlyMap<string, number> {
    return this.#coalescer.pending(agentId);
  }

  /** Whether a refusal of this syscall was written down a moment ago. True once for each line. */
  toldOf(agentId: number, syscall: string): boolean {
    return this.#refusals.take(agentId, syscall);
  }

  /**
   * Changes what is kept from now on. The change is a line itself, and is durable when this resolves.
   *
   * @throws {SyscallError} `unavailable` when it could not be stored; nothing has changed then.
   */
  async configure(change: Partial<AuditConfig>, by: { id: number; name: string }): Promise<AuditConfig> {
    const before = this.#config;
    const after = { ...before, ...change };
    // The line joins this turn's transaction, and so does the configuration: there is never one without the other.
    this.write({
      category: "SECURITY",
      event_type: "AUDIT_CONFIG_CHANGED",
      agent_id: by.id,
      agent_name: by.name,
      details: { changed_by: by.id, new_config: change, changes: changesOf(before, after) },
    });
    this.#config = after;
    try {
      const line = this.#store();
      await Promise.all([
        line,
        this.#storage.transact(() => this.#open.tables.setMeta("config", JSON.stringify(after))),
      ]);
    } catch (error) {
      this.#config = before;
      throw error;
    }
    await this.#trim();
    return this.#config;
  }

  /** The newest lines that fit, what was written just now included. */
  query(query: AuditQuery): Promise<AuditMatches> {
    this.#plan(0);
    this.#storage.flush();
    const last = this.#open.writer.tip.id;
    const range = { first: Math.max(1, last - this.#config.max_entries + 1), last };
    return findLines(this.#storage.db, query, range, turn);
  }

  /** Signs the log as it is and reads all of it again. */
  async verify(): Promise<AuditReport> {
    await this.flush();
    if (this.#open.writer.unsealed > 0) await this.#open.writer.commit(none, "head");
    // Lines that retention drops meanwhile would look like lines that somebody took out.
    this.#verifying++;
    try {
      await this.#dropping;
      return await examineSlowly(this.#open.evidence(this.#open.writer.tip), turn);
    } finally {
      this.#verifying--;
    }
  }

  /**
   * Resolves when everything written so far is durable.
   *
   * @throws {SyscallError} `unavailable` when it could not be stored; it is tried again by itself.
   */
  async flush(): Promise<void> {
    await this.#store();
  }

  /** Stores what is waiting and signs the log as closed. The storage stays open. */
  async close(): Promise<void> {
    if (this.#closed) return await this.#open.writer.settled();
    this.#cancelSeal?.();
    await this.#open.ready.catch(() => {}); // It was logged, and the seal made now covers the same.
    await this.#dropping;
    if (this.#closed) return await this.#open.writer.settled();
    this.#coalescer.flush();
    this.#closed = true;
    try {
      await this.#store();
      await this.#open.writer.commit(none, "closed");
    } finally {
      this.#cancelStore?.();
      this.#cancelStore = null;
    }
  }

  /**
   * Stores what is waiting and signs the log as closed within this turn: for a kernel whose process ends before
   * another one. What is written later is lost.
   */
  closeNow(): void {
    if (this.#closed) return;
    this.#coalescer.flush();
    this.#closed = true;
    this.#cancelSeal?.();
    this.#cancelStore?.();
    this.#cancelStore = null;
    const failed = (cause: unknown): void => {
      this.#log.error("the audit log was not signed at its end", { cause });
    };
    this.#store().catch(() => {}); // Logged there.
    this.#open.writer.commit(none, "closed").catch(failed);
    this.#storage.flush();
  }

  /** Lets go without signing, as if the kernel had been killed. Resolves when nothing is under way any more. */
  async abandon(): Promise<void> {
    this.#closed = true;
    this.#coalescer.stop();
    this.#cancelSeal?.();
    this.#cancelStore?.();
    await this.#open.writer.settled();
  }

  /** Sees to it that the batch is stored within so many milliseconds. */
  #plan(ms: number): void {
    if (ms <= 0 || !this.#durable) {
      void this.#store().catch(() => {}); // Logged and tried again there.
      return;
    }
    const due = this.#clock.monotonic() + ms;
    if (due >= this.#storeDue) return;
    this.#cancelStore?.();
    this.#storeDue = due;
    this.#cancelStore = this.#clock.timer(ms, () => {
      void this.#store().catch(() => {});
    });
  }

  /** Queues the batch with the storage; more lines may join until the transaction runs. */
  async #store(): Promise<void> {
    this.#cancelStore?.();
    this.#cancelStore = null;
    this.#storeDue = Infinity;
    const batch = this.#batch;
    if (batch.queued || batch.lines.length === 0) return this.#storage.committed();
    batch.queued = true;
    const take = (): readonly Draft[] => {
      if (this.#batch === batch) this.#batch = { lines: [], queued: false };
      return batch.lines;
    };
    try {
      await this.#open.writer.commit(take);
    } catch (error) {
      this.#again(take());
      throw error;
    }
    this.#storedAt = this.#clock.monotonic();
    if (this.#lost > 0 && !this.#closed) this.#tellLost();
    this.#sealLater();
    void this.#trim();
  }

  #again(lines: readonly Draft[]): void {
    this.#log.error("audit lines were not stored, they are tried again", { lines: lines.length });
    this.#batch.lines = [...lines, ...this.#batch.lines];
    if (this.#batch.lines.length > WAITING_LINES) {
      const kept = this.#batch.lines.filter((line) => line.category === "SECURITY").slice(-WAITING_LINES);
      this.#lost += this.#batch.lines.length - kept.length;
      this.#batch.lines = kept;
    }
    if (!this.#closed && this.#durable) this.#plan(RETRY_MS);
  }

  #tellLost(): void {
    const lines = this.#lost;
    this.#lost = 0;
    this.write({
      category: "SECURITY",
      event_type: "AUDIT_LINES_LOST",
      agent_id: 0,
      success: false,
      details: { lines, reason: "they could not be stored in time" },
    });
  }

  #sealLater(): void {
    if (this.#cancelSeal || this.#closed || !this.#durable || this.#open.writer.unsealed === 0) return;
    this.#cancelSeal = this.#clock.timer(SEAL_MS, () => {
      this.#cancelSeal = null;
      if (this.#open.writer.unsealed === 0) return;
      this.#open.writer.commit(none, "head").catch((cause) => {
        this.#log.error("the audit log was not signed", { cause });
        this.#sealLater();
      });
    });
  }

  /** Drops what is too old or too much, a piece at a time. */
  #trim(): Promise<void> {
    const writer = this.#open.writer;
    if (this.#dropping || this.#verifying > 0 || !writer.isOver(this.#config)) {
      return this.#dropping ?? nothing;
    }
    this.#dropping = (async () => {
      try {
        while (writer.isOver(this.#config) && this.#verifying === 0) {
          await writer.drop(this.#config);
          await turn();
        }
      } catch (cause) {
        this.#log.error("old audit lines were not dropped", { cause });
      } finally {
        this.#dropping = null;
      }
    })();
    return this.#dropping;
  }
}

const nothing = Promise.resolve();

function none(): readonly Draft[] {
  return [];
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
