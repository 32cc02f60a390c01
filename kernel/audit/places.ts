/**
 * The files of the audit log beside the database.
 *
 * @module
 */
import { dirname } from "node:path";
import { parseSeal, type Seal } from "./seal.ts";

/** Where they are; all in the data directory. */
export interface AuditPlaces {
  /** The private key, mode 0600. */
  readonly key: string;
  /** The newest seal, so that seals taken out of the database are missed. */
  readonly head: string;
}

/** The files that belong to a database. */
export function placesOf(database: string): AuditPlaces {
  const dir = dirname(database);
  return { key: `${dir}/audit.key`, head: `${dir}/audit.head` };
}

/** The seal in the file; null when there is none. */
export function readNoted(path: string): Seal | null {
  try {
    return parseSeal(Deno.readTextFileSync(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Replaces the file as a whole, durably: a crash leaves the old one or the new one. */
export async function writeNoted(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  {
    using file = await Deno.open(temporary, { write: true, create: true, truncate: true, mode: 0o600 });
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
    await file.syncData();
  }
  await Deno.rename(temporary, path);
}
