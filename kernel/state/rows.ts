/**
 * The rows of the state store: what is where, since which version, and who pays. Knows no agents and no scopes.
 *
 * @module
 */
import { LIMITS } from "../limits.ts";
import type { Clock } from "../../worlds/clock.ts";
import type { Storage } from "../storage/storage.ts";
import { type Found, ReadCache } from "./cache.ts";
import { utf8Length } from "./input.ts";
import { TRANSIENT_PREFIXES } from "./namespaces.ts";
import { afterPrefix, dropByPrefix, prepareTables, type Statements } from "./tables.ts";
import { type Delta, Usage } from "./usage.ts";

/** Versions are reserved in blocks, so that not every write also writes the counter. */
const VERSION_BLOCK = 1 << 20;

/** What there is to know of a row without its value. */
interface Head {
  readonly bytes: number;
  /** Epoch milliseconds, or null. */
  readonly expires: number | null;
  readonly account: string;
}

/** A row that was removed without having been asked for by name. */
export interface RemovedRow {
  readonly namespace: string;
  readonly key: string;
  readonly version: number;
}

/** A row to be written. */
export interface NewRow {
  /** JSON. */
  readonly text: string;
  /** Its length in UTF-8. */
  readonly bytes: number;
  /** Epoch milliseconds, or null. */
  readonly expires: number | null;
  /** Who pays; empty: nobody. */
  readonly account: string;
}

/** What writes may do, inside a transaction. */
export interface RowsInTransaction {
  /** Writes a row over what is there, and says its version, or why its account may not. */
  put(
    namespace: string,
    key: string,
    row: NewRow,
  ): { readonly version: number } | { readonly refused: string };
  /** Removes a live row; null when there is none. */
  remove(namespace: string, key: string): { readonly version: number } | null;
  /** Removes up to `limit` rows of a namespace. */
  empty(namespace: string, limit: number): RemovedRow[];
  /** Removes up to `limit` expired rows. */
  sweep(limit: number): RemovedRow[];
}

/** Rows with their counts and a cache in front. */
export class Rows {
  /** Counts what is stored, what is committed only. */
  readonly usage: Usage = new Usage();
  readonly #storage: Storage;
  readonly #clock: Clock;
  readonly #sql: Statements;
  readonly #cache = new ReadCache();
  /** Rows with writes that are queued and have not run. */
  readonly #pending = new Set<string>();
  #version: number;
  #reserved: number;

  /** Loads the sizes of what is stored, not its contents, and drops what belonged to numbers of an earlier run. */
  constructor(storage: Storage, clock: Clock) {
    this.#storage = storage;
    this.#clock = clock;
    this.#sql = prepareTables(storage);
    dropByPrefix(storage.db, TRANSIENT_PREFIXES);
    const totals = storage.db.prepare(
      "SELECT namespace, account, count(*) AS keys, sum(octet_length(key) + octet_length(value)) AS bytes " +
        "FROM state GROUP BY namespace, account",
    );
    for (const row of totals.iterate()) this.usage.apply(row as unknown as Delta);
    this.#version = Number(storage.db.prepare("SELECT reserved FROM state_versions").get()!.reserved);
    this.#reserved = this.#version;
  }

  /** A live row. Sees every write that was asked for before, and may be called inside {@link write} too. */
  read(namespace: string, key: string): Found | null {
    const id = rowId(namespace, key);
    if (this.#pending.has(id)) this.#storage.flush();
    if (this.usage.keysIn(namespace) === 0) return null;
    const cached = this.#cache.get(id);
    if (cached) return this.#isOver(cached.expires) ? null : cached;
    const row = this.#sql.get.get(namespace, key) as { value: string } & Omit<Found, "value"> | undefined;
    if (!row || this.#isOver(row.expires)) return null;
    const found = { value: JSON.parse(row.value), version: row.version, expires: row.expires };
    // Not inside a transaction, which may yet be taken back.
    if (!this.#storage.db.isTransaction) this.#cache.add(id, found, row.value.length);
    return found;
  }

  /** Keys in order of code points, behind `after`. */
  keys(namespace: string, prefix: string, after: string, limit: number): string[] {
    this.settle();
    if (this.usage.keysIn(namespace) === 0) return [];
    const rows = this.#sql.keys.all(namespace, prefix, after, afterPrefix(prefix), this.#clock.now(), limit);
    return rows.map((row) => row.key as string);
  }

  /** Lets queued writes run. */
  settle(): void {
    if (this.#pending.size > 0) this.#storage.flush();
  }

  /** When the next row expires, in epoch milliseconds, or null. */
  nextExpiry(): number | null {
    return (this.#sql.nextExpiry.get() as { expires: number } | undefined)?.expires ?? null;
  }

  /**
   * Queues a write and waits until it is durable.
   *
   * @param touched The rows it may change.
   * @param run May run twice; see {@link Storage.transact}.
   */
  async write<T>(
    touched: readonly (readonly [namespace: string, key: string])[],
    run: (rows: RowsInTransaction) => T,
  ): Promise<T> {
    const ids = touched.map(([namespace, key]) => rowId(namespace, key));
    for (const id of ids) this.#pending.add(id);
    const deltas: Delta[] = [];
    const rows = this.#inTransaction(deltas);
    const undo = (): void => {
      for (const delta of deltas.splice(0)) this.usage.apply(delta, -1);
      // The block that was reserved may have been taken back too.
      this.#reserved = this.#version;
    };
    try {
      return await this.#storage.transact(() => {
        for (const id of ids) this.#pending.delete(id);
        return run(rows);
      }, undo);
    } catch (error) {
      for (const id of ids) this.#pending.delete(id);
      throw error;
    }
  }

  #inTransaction(deltas: Delta[]): RowsInTransaction {
    const count = (namespace: string, account: string, keys: number, bytes: number): void => {
      const delta = { namespace, account, keys, bytes };
      this.usage.apply(delta);
      deltas.push(delta);
    };
    const removeRow = (
      namespace: string,
      key: string,
      row: { bytes: number; account: string },
    ): RemovedRow => {
      this.#sql.remove.run(namespace, key);
      this.#cache.drop(rowId(namespace, key));
      count(namespace, row.account, -1, -(utf8Length(key) + row.bytes));
      return { namespace, key, version: this.#nextVersion() };
    };
    const headOf = (namespace: string, key: string): Head | undefined => {
      if (this.usage.keysIn(namespace) === 0) return undefined;
      return this.#sql.head.get(namespace, key) as Head | undefined;
    };
    return {
      put: (namespace, key, { text, bytes, expires, account }) => {
        const head = headOf(namespace, key); // An expired one is still counted.
        const keyBytes = utf8Length(key);
        const mine = head?.account === account ? head : undefined;
        const refused = this.usage.refusal(
          account,
          mine ? 0 : 1,
          mine ? bytes - mine.bytes : keyBytes + bytes,
        );
        if (refused) return { refused };
        const version = this.#nextVersion();
        this.#sql.put.run(namespace, key, text, version, expires, account);
        this.#cache.drop(rowId(namespace, key));
        if (head) count(namespace, head.account, -1, -(keyBytes + head.bytes));
        count(namespace, account, 1, keyBytes + bytes);
        return { version };
      },
      remove: (namespace, key) => {
        const head = headOf(namespace, key);
        return head && !this.#isOver(head.expires) ? removeRow(namespace, key, head) : null;
      },
      empty: (namespace, limit) => {
        const rows = this.#sql.some.all(namespace, limit) as unknown as RowToRemove[];
        return rows.map((row) => removeRow(namespace, row.key, row));
      },
      sweep: (limit) => {
        const rows = this.#sql.expired.all(this.#clock.now(), limit) as unknown as RowToRemove[];
        return rows.map((row) => removeRow(row.namespace, row.key, row));
      },
    };
  }

  /** One counter for all keys: a key that is deleted and stored again never has a version it had before. */
  #nextVersion(): number {
    if (this.#version === this.#reserved) {
      this.#reserved += VERSION_BLOCK;
      this.#sql.reserve.run(this.#reserved);
    }
    return ++this.#version;
  }

  #isOver(expires: number | null): boolean {
    return expires !== null && expires <= this.#clock.now();
  }
}

interface RowToRemove {
  readonly namespace: string;
  readonly key: string;
  readonly bytes: number;
  readonly account: string;
}

/** Neither namespaces nor keys hold a NUL. */
function rowId(namespace: string, key: string): string {
  return `${namespace}\0${key}`;
}

/** How many characters of keys one listing may hold: as much as a request frame. */
export const KEYS_PAGE_CHARS: number = LIMITS.frameBytes;
