/**
 * One SQLite database for everything that must outlive the kernel. Writes of one event-loop turn commit together, and
 * whoever waits for {@link Storage.committed} or {@link Storage.transact} goes on when they are on the disk.
 *
 * What "on the disk" means: the transaction is in the write-ahead log and the log was synced (fdatasync), so neither
 * the end of the kernel nor a power cut takes it back. Readers of `db` see a transaction as soon as it is committed,
 * which may be a moment before it is synced.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { clearImmediate, setImmediate } from "node:timers";
import { SyscallError } from "@clove/sdk/protocol";
import type { Clock } from "../../worlds/clock.ts";
import type { Log } from "../log.ts";
import { migrate } from "./migrate.ts";
import { openDataDir, type OwnedDir } from "./owner.ts";

/** Durable writes and plain reads. */
export interface Storage {
  /** For reads, and for preparing statements; write only inside {@link write} and {@link transact}. */
  readonly db: DatabaseSync;
  /** The database file, or null in memory. */
  readonly path: string | null;
  /**
   * Brings the tables of one service up to date: `steps[i]` is the SQL that leads from version `i` to `i + 1`.
   *
   * @throws {Error} When the data was written by a newer version, or a step fails; nothing is changed then.
   */
  migrate(service: string, steps: readonly string[]): void;
  /**
   * Queues a write for this turn's transaction. A failure is logged, and rejects {@link committed}.
   *
   * @param run As for {@link transact}.
   */
  write(run: (db: DatabaseSync) => void): void;
  /**
   * Queues a write and waits until it is durable.
   *
   * @param run Runs inside the transaction, synchronously, after everything queued before it. It may run a second time
   * after a rollback, so it changes nothing but the database and what `undo` takes back. Throwing takes the whole
   * turn's transaction back (the others are then tried one by one), so expected refusals are better returned.
   * @param undo Called when what `run` did was rolled back, last run first.
   * @returns What `run` returned.
   * @throws {SyscallError} `unavailable` when the disk is full or broken, or the storage is closed.
   * @throws What `run` threw.
   */
  transact<T>(run: (db: DatabaseSync) => T, undo?: () => void): Promise<T>;
  /** Runs what is queued now, so that reads see it; being durable still takes its time. */
  flush(): void;
  /**
   * Resolves when everything written so far is durable. Ask in the turn of the write.
   *
   * @throws {SyscallError} `unavailable` when a {@link write} among them was not stored.
   */
  committed(): Promise<void>;
  /** Stores what is queued, then lets go of the database and the data directory. */
  close(): Promise<void>;
}

/** Where and with what. */
export interface StorageOptions {
  /** The data directory, made when missing; null keeps everything in memory. */
  readonly dir: string | null;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Opens the database, and owns its directory until closed.
 *
 * @throws {Error} When another kernel holds the directory, or the database cannot be used.
 */
export function openStorage(options: StorageOptions): Storage {
  if (options.dir === null) return new SqliteStorage(new DatabaseSync(":memory:"), null, options);
  return storageOn(openDataDir(options.dir), options);
}

/**
 * Goes on with a data directory that is open already, or with what a simulator has in its place.
 *
 * @param owned Released when the storage is closed, or cannot be opened.
 */
export function storageOn(owned: OwnedDir, options: Pick<StorageOptions, "clock" | "log">): Storage {
  try {
    return new SqliteStorage(owned.db, owned, options);
  } catch (error) {
    owned.release();
    throw error;
  }
}

/**
 * A sync that took no longer than this is repeated in place: handing it to a thread costs a tenth of a millisecond and
 * makes every answer wait for it. A slower disk is waited for in a thread, because the event loop serves everyone.
 */
const INLINE_SYNC_MS = 0.5;

interface Job {
  readonly run: (db: DatabaseSync) => unknown;
  readonly undo: (() => void) | null;
  /** Null for plain writes. */
  readonly settle: { resolve(value: unknown): void; reject(error: unknown): void } | null;
  readonly turn: Turn;
  value: unknown;
}

/** What was queued together. Its plain writes share their fate as far as {@link Storage.committed} tells. */
class Turn {
  failure: unknown = null;
  ended = false;
  readonly waiting: { resolve(): void; reject(error: unknown): void }[] = [];

  end(): void {
    this.ended = true;
    for (const { resolve, reject } of this.waiting.splice(0)) {
      if (this.failure === null) resolve();
      else reject(this.failure);
    }
  }
}

class SqliteStorage implements Storage {
  readonly db: DatabaseSync;
  readonly path: string | null;
  readonly #owned: OwnedDir | null;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #begin;
  readonly #commit;
  readonly #rollback;
  #queue: Job[] = [];
  #turn: Turn = new Turn();
  /** The latest that left the queue. */
  #flushed: Turn = new Turn();
  #immediate: ReturnType<typeof setImmediate> | null = null;
  /** Committed, not yet synced. */
  #unsynced: Job[] = [];
  #unsyncedTurns: Turn[] = [];
  #syncing: Promise<void> | null = null;
  #lastSyncMs = 0;
  /** Why nothing more can be stored. */
  #broken: SyscallError | null = null;

  constructor(db: DatabaseSync, owned: OwnedDir | null, options: Pick<StorageOptions, "clock" | "log">) {
    this.db = db;
    this.#owned = owned;
    this.path = owned?.path ?? null;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#rollback = db.prepare("ROLLBACK");
    this.#flushed.end();
  }

  migrate(service: string, steps: readonly string[]): void {
    this.flush();
    migrate(this.db, service, steps);
  }

  write(run: (db: DatabaseSync) => void): void {
    this.#enqueue(run, null, null);
  }

  transact<T>(run: (db: DatabaseSync) => T, undo?: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#enqueue(run, undo ?? null, { resolve: resolve as (value: unknown) => void, reject });
    });
  }

  #enqueue(run: Job["run"], undo: Job["undo"], settle: Job["settle"]): void {
    const job: Job = { run, undo, settle, turn: this.#turn, value: undefined };
    if (this.#broken) {
      this.#failed(job, this.#broken);
      this.#flushed = job.turn;
      this.#turn = new Turn();
      return this.#flushed.end();
    }
    this.#queue.push(job);
    this.#immediate ??= setImmediate(() => this.flush());
  }

  flush(): void {
    if (this.#immediate) clearImmediate(this.#immediate);
    this.#immediate = null;
    if (this.#queue.length === 0 || this.db.isTransaction) return;
    const jobs = this.#queue;
    this.#flushed = this.#turn;
    this.#queue = [];
    this.#turn = new Turn();
    this.#runAll(jobs);
    this.#unsyncedTurns.push(this.#flushed);
    this.#sync();
  }

  committed(): Promise<void> {
    const turn = this.#queue.length > 0 ? this.#turn : this.#flushed;
    return new Promise((resolve, reject) => {
      turn.waiting.push({ resolve, reject });
      if (turn.ended) turn.end();
    });
  }

  async close(): Promise<void> {
    this.flush();
    while (this.#syncing) await this.#syncing;
    if (!this.db.isOpen) return;
    this.#broken = new SyscallError("unavailable", "Cannot store: the kernel is stopping");
    this.db.close();
    this.#owned?.release();
  }

  /** One transaction for all; when it fails, one for each, so that a failure stays with its writer. */
  #runAll(jobs: readonly Job[]): void {
    const failure = this.#attempt(jobs);
    if (failure === null) {
      for (const job of jobs) this.#unsynced.push(job);
      return;
    }
    if (jobs.length > 1 && !this.#broken) {
      for (const job of jobs) this.#runAll([job]);
      return;
    }
    for (const job of jobs) this.#failed(job, failure.error);
  }

  #attempt(jobs: readonly Job[]): { error: unknown } | null {
    let ran = 0;
    try {
      this.#begin.run();
      for (const job of jobs) {
        ran++;
        job.value = job.run(this.db);
      }
      this.#commit.run();
      return null;
    } catch (error) {
      for (const job of jobs.slice(0, ran).reverse()) job.undo?.();
      // SQLite has rolled back by itself after some errors, such as a full disk.
      if (this.db.isTransaction) this.#rollback.run();
      return { error: this.#explain(error) };
    }
  }

  #failed(job: Job, error: unknown): void {
    if (job.settle) return job.settle.reject(error);
    job.turn.failure ??= error;
    this.#log.error("a write was not stored", { cause: error });
  }

  /** One sync at a time; what is committed meanwhile waits for the next, together. */
  #sync(): void {
    if (this.#syncing) return;
    const jobs = this.#unsynced;
    const turns = this.#unsyncedTurns;
    this.#unsynced = [];
    this.#unsyncedTurns = [];
    if (jobs.length === 0 || !this.#owned) return this.#settle(jobs, turns);
    const wal = this.#owned.wal;
    const startedAt = this.#clock.monotonic();
    if (this.#lastSyncMs <= INLINE_SYNC_MS) {
      try {
        wal.syncDataSync();
        this.#lastSyncMs = this.#clock.monotonic() - startedAt;
      } catch (error) {
        this.#breakDown(error);
      }
      return this.#settle(jobs, turns);
    }
    this.#syncing = wal.syncData().catch((error) => this.#breakDown(error)).then(() => {
      this.#lastSyncMs = this.#clock.monotonic() - startedAt;
      this.#syncing = null;
      this.#settle(jobs, turns);
      if (this.#unsyncedTurns.length > 0) this.#sync();
    });
  }

  #settle(jobs: readonly Job[], turns: readonly Turn[]): void {
    for (const job of jobs) {
      if (this.#broken) this.#failed(job, this.#broken);
      else job.settle?.resolve(job.value);
    }
    for (const turn of turns) turn.end();
  }

  /** After a failed sync nobody knows what is on the disk, and a second try may wrongly succeed. So: no more writes. */
  #breakDown(cause: unknown): void {
    this.#broken = new SyscallError(
      "unavailable",
      `Cannot store: "${this.path}" could not be synced to its disk, restart the kernel when the disk is well`,
      { cause },
    );
    this.#log.error("the database could not be synced, nothing more is stored", { path: this.path, cause });
  }

  #explain(error: unknown): unknown {
    const code = (error as { errcode?: number }).errcode;
    if (code === undefined) return error;
    const what = SQLITE_TROUBLE.get(code & 0xff);
    if (!what) return error;
    return new SyscallError("unavailable", `Cannot store in "${this.path}": ${what}`, { cause: error });
  }
}

/** Result codes of https://sqlite.org/rescode.html that are about the machine and not about the statement. */
const SQLITE_TROUBLE: ReadonlyMap<number, string> = new Map([
  [8, "the file or its disk is read-only, make it writable"],
  [10, "the disk reports an error, see the kernel's system log"],
  [11, "the database is damaged, stop the kernel and restore it"],
  [13, "the disk is full, free some space"],
  [14, "the file cannot be opened any more, has the data directory been removed?"],
]);
