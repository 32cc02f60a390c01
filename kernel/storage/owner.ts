/**
 * The data directory belongs to one kernel at a time. The lock is one that the operating system releases when its
 * holder ends, however it ends: a lock left by a kernel that was killed is no lock.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";

/** A data directory that is ours. */
export interface OwnedDir {
  /** The database file. */
  readonly path: string;
  readonly db: DatabaseSync;
  /** The write-ahead log, for syncing. */
  readonly wal: Pick<Deno.FsFile, "syncData" | "syncDataSync">;
  /** Closes everything and gives the directory up. */
  release(): void;
}

/** Raised when the meaning of the whole file changes, not for single tables: those are in `schema_versions`. */
const FORMAT = 1;

/**
 * Opens `DIR/clove.db` (mode 0600; a directory that is made gets 0700) and holds `DIR/clove.lock`.
 *
 * @throws {Error} When another kernel holds it, or the database cannot be used; the sentence says which.
 */
export function openDataDir(dir: string): OwnedDir {
  const path = `${dir}/clove.db`;
  const opened: Disposable[] = [];
  const release = (): void => {
    for (const one of opened.splice(0).reverse()) one[Symbol.dispose]();
  };
  try {
    Deno.mkdirSync(dir, { recursive: true, mode: 0o700 });
    opened.push(lock(dir));
    // SQLite gives its own files the mode of this one.
    Deno.openSync(path, { create: true, write: true, mode: 0o600 }).close();
    const db = new DatabaseSync(path);
    opened.push({ [Symbol.dispose]: () => db.isOpen && db.close() });
    prepare(db, path);
    const wal = Deno.openSync(`${path}-wal`, { read: true, write: true });
    opened.push(wal);
    syncDir(dir);
    return { path, db, wal, release };
  } catch (error) {
    release();
    const reason = error instanceof Error ? error.message : String(error);
    if (reason.startsWith("Cannot ")) throw error;
    throw new Error(`Cannot use the data directory "${dir}": ${reason}`, { cause: error });
  }
}

/** flock(2) and not SQLite's own locks: those go when anything in this process closes the file. */
function lock(dir: string): Deno.FsFile {
  const file = Deno.openSync(`${dir}/clove.lock`, { read: true, write: true, create: true, mode: 0o600 });
  try {
    if (!file.tryLockSync(true)) {
      const bytes = new Uint8Array(32);
      const holder = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0)).trim();
      const who = /^\d+$/.test(holder) ? `the kernel with process id ${holder}` : "another kernel";
      throw new Error(
        `Cannot use the data directory "${dir}": ${who} holds it, stop that one or choose another`,
      );
    }
    file.truncateSync();
    file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function prepare(db: DatabaseSync, path: string): void {
  // Nobody else reads the file while we hold it, so SQLite needs neither its shared-memory index nor lock calls.
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  const mode = db.prepare("PRAGMA journal_mode = WAL").get()?.journal_mode;
  if (mode !== "wal") {
    throw new Error(`Cannot use "${path}": its file system does not allow a write-ahead log`);
  }
  // NORMAL syncs the log before it is moved into the database; after commits the storage syncs it by itself.
  db.exec("PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 16777216");
  const found = Number(db.prepare("PRAGMA user_version").get()?.user_version);
  if (found > FORMAT) {
    throw new Error(
      `Cannot use "${path}": it was written by a newer Clove (format ${found}, ours is ${FORMAT})`,
    );
  }
  // Always written, because the log file exists only after a write.
  db.exec(`PRAGMA user_version = ${FORMAT}`);
}

/** A new file is durable only when its directory entry is. */
function syncDir(dir: string): void {
  // Windows has no such notion, and cannot open directories.
  if (Deno.build.os === "windows") return;
  using entry = Deno.openSync(dir);
  entry.syncSync();
}
