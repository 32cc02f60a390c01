/**
 * Values that were read lately, so that the key everybody asks for costs no query and no parsing.
 *
 * @module
 */

/** A live row, as a reader sees it. Values are shared between readers: nobody changes them. */
export interface Found {
  readonly value: unknown;
  readonly version: number;
  /** Epoch milliseconds, or null. */
  readonly expires: number | null;
}

/** JSON text kept in parsed form, about; a parsed value takes a few times its text. */
const CACHE_BYTES = 2 * 1024 * 1024;
/** Larger ones would push out too many others. */
const ENTRY_BYTES = 16 * 1024;
/** What an entry costs beside its text. */
const ENTRY_OVERHEAD = 200;

/** The least recently added goes first. */
export class ReadCache {
  readonly #entries = new Map<string, { readonly found: Found; readonly cost: number }>();
  #cost = 0;

  /** Undefined when it is not here, which says nothing about whether it exists. */
  get(id: string): Found | undefined {
    return this.#entries.get(id)?.found;
  }

  /** Remembers a row whose value has so many characters of JSON. */
  add(id: string, found: Found, length: number): void {
    if (length > ENTRY_BYTES) return;
    this.drop(id);
    const cost = length + id.length + ENTRY_OVERHEAD;
    this.#entries.set(id, { found, cost });
    this.#cost += cost;
    for (const oldest of this.#entries.keys()) {
      if (this.#cost <= CACHE_BYTES) break;
      this.drop(oldest);
    }
  }

  /** Forgets a row that changes. */
  drop(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#cost -= entry.cost;
    this.#entries.delete(id);
  }
}
