/**
 * A machine's disk: it holds the database and the audit log's vault, takes its time, fills up, and loses what
 * was not synced when the power fails.
 *
 * @module
 */
import type { AuditVault } from "../../kernel/audit/vault.ts";
import { type Seal, Sealer } from "../../kernel/audit/seal.ts";
import type { Log } from "../../kernel/log.ts";
import { type Storage, storageOn } from "../../kernel/storage/storage.ts";
import type { Chance } from "./chance.ts";
import type { LifeClock } from "./life_clock.ts";
import { TurnDatabase } from "./turn_database.ts";

/** Making one takes longer than the rest of a run, and no run depends on which it is. */
const SEALER = Sealer.ephemeral();

/** One disk, over all lives of the kernel that uses it. */
export class Disk {
  /** How long a sync takes, typically; 0 makes every sync end in the turn in which it began. */
  syncMs = 0;
  readonly #chance: Chance;
  #database = new TurnDatabase();
  #seal: Seal | null = null;

  /** Empty. */
  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** Opens it for one life. */
  open(clock: LifeClock, log: Log): { readonly storage: Storage; readonly vault: AuditVault } {
    const database = this.#database;
    const vault: AuditVault = {
      sealer: () => SEALER,
      noted: () => this.#seal,
      note: (seal) => {
        // Whoever has not noticed that the power failed writes to nothing.
        if (this.#database === database) this.#seal = seal;
        return Promise.resolve();
      },
    };
    const wal = {
      syncDataSync: (): void => {
        const done = database.sync();
        // More than half a millisecond, and the storage will not wait for the next one in place.
        clock.workMs += this.syncMs > 0 ? 1 : 0;
        done();
      },
      syncData: async (): Promise<void> => {
        const done = database.sync();
        await clock.sleep(this.#chance.delay(this.syncMs));
        done();
      },
    };
    const owned = { path: "/simulated/clove.db", db: database, wal, release: () => {} };
    return { storage: storageOn(owned, { clock, log }), vault };
  }

  /** True: nothing can be stored until it is false again. */
  set full(full: boolean) {
    this.#database.full = full;
  }

  /** The power fails: what was not synced is lost, or a part of it. */
  cut(): void {
    this.#database = this.#database.cut((least, most) => this.#chance.int(least, most));
  }
}
