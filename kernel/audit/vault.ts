/**
 * What the audit log keeps outside of its database: whoever can change the database must not have these too.
 *
 * @module
 */
import { placesOf, readNoted, writeNoted } from "./places.ts";
import { formatSeal, type Seal, Sealer } from "./seal.ts";

/** The key that signs, and the newest signature. */
export interface AuditVault {
  /**
   * The key.
   *
   * @param mayMake True for a new log: a missing key is made.
   * @throws {Error} When it is missing or cannot be used.
   */
  sealer(mayMake: boolean): Sealer;
  /** The newest seal, so that seals taken out of the database are missed; null when none was kept. */
  noted(): Seal | null;
  /** Keeps a seal in place of the one before, durably: a crash leaves one of the two. */
  note(seal: Seal): Promise<void>;
}

/** The files beside a database. */
export function fileVault(database: string): AuditVault {
  const places = placesOf(database);
  return {
    sealer(mayMake) {
      try {
        return Sealer.fromFile(places.key, false);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        if (mayMake) return Sealer.fromFile(places.key, true);
        throw new Error(
          `Cannot open the audit log: its key "${places.key}" is missing, restore it, or begin anew in another data directory`,
          { cause: error },
        );
      }
    },
    noted: () => readNoted(places.head),
    note: (seal) => writeNoted(places.head, formatSeal(seal)),
  };
}
